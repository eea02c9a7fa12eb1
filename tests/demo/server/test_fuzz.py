"""Three hundred broken uploads: each ends in a clear answer, and none leaves anything behind. Sixty
of them, or all, go through the API, the others to the function behind it."""

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from demo.server.predictions import segment_file
from unet_hf.errors import UNetError
from unet_hf.predict.outputs import OUTPUTS

from ...images.test_bad_inputs import GOOD, damaged
from ...support.bad_inputs import png_header, tiff_header
from ...support.tiny_server import TinyServer, tiny_server

CASES, CLIENTS = 300, 4
SUFFIXES = (".png", ".tif", ".jpg", ".npy", ".gif", ".bmp", ".txt", "")
HUGE = (0, 1, 2**16, 2**31 - 1, 2**32 - 1)
GENERIC = ("upstream Gradio app", "Traceback", "Something went wrong", "Exception", 'File "')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyServer]:
    with tiny_server(tmp_path_factory.mktemp("fuzz")) as server:
        yield server


def mutated(number: int) -> tuple[str, bytes]:
    """Name and content of one upload, the same in every run."""
    chance = random.Random(number)
    name = chance.choice(list(GOOD))
    stem, suffix = f"upload{number}", Path(name).suffix
    kind = chance.choices(("damaged", "header", "suffix"), (7, 2, 1))[0]
    if kind == "header":
        make, suffix = chance.choice([(png_header, ".png"), (tiff_header, ".tif")])
        return stem + suffix, make(chance.choice(HUGE), chance.choice(HUGE))
    if kind == "suffix":
        return stem + chance.choice(SUFFIXES), GOOD[name]()
    return stem + suffix, damaged(GOOD[name](), chance)


def write(numbers: range, folder: Path) -> list[Path]:
    paths = []
    for number in numbers:
        name, content = mutated(number)
        paths.append(folder / name)
        paths[-1].write_bytes(content)
    return paths


def assert_clear(sentence: str) -> None:
    assert sentence == "result" or sentence.endswith((".", "?")), sentence
    assert not any(word in sentence for word in GENERIC), sentence


def test_broken_files_get_clear_answers_from_the_function_behind_the_api(
    tiny: str, tmp_path: Path, sample
):
    paths = write(range(sample(60, CASES), CASES), tmp_path)
    results = 0
    for path in paths:
        try:
            segment_file(str(path), tiny)
            results += 1
        except UNetError as error:
            assert_clear(str(error))
            assert str(tmp_path) not in str(error)
    assert results >= len(paths) // 15  # the damage is not such that nothing gets through


def test_broken_uploads_get_clear_answers_and_leave_nothing(
    server: TinyServer, tmp_path: Path, sample
):
    count = sample(20, CASES)
    paths = write(range(count), tmp_path)

    def answer(share: list[Path]) -> list[tuple[Path, str]]:
        client = Client(server.url, verbose=False, download_files=False)
        return [(path, one_answer(client, server.model, path)) for path in share]

    with ThreadPoolExecutor(CLIENTS) as pool:
        shares = [paths[number::CLIENTS] for number in range(CLIENTS)]
        answers = dict(chain.from_iterable(pool.map(answer, shares)))
    assert len(answers) == count
    whole = [path.stem for path, sentence in answers.items() if sentence == "result"]
    assert len(whole) >= count // 15  # the damage is not such that nothing gets through
    for sentence in answers.values():
        assert_clear(sentence)
        assert str(server.uploads) not in sentence

    assert server.process.poll() is None
    assert "Traceback" not in server.log.read_text()
    good = tmp_path / "good.png"
    good.write_bytes(GOOD["image.gif"]())
    assert one_answer(Client(server.url, verbose=False), server.model, good) == "result"

    # What remains for an hour, so that a visitor can fetch it: of each result a folder with its
    # two pictures, of what failed nothing; among Gradio's own files each upload, a copy of these
    # pictures, and an empty file of a random name for each upload, which Gradio leaves where it
    # received it.
    whole.append("good")
    written = names_of(files_in(server.results))
    pictures = Counter(f"{stem}_{OUTPUTS[kind]}" for stem in whole for kind in ("mask", "overlay"))
    assert written == pictures
    assert len(list(server.results.iterdir())) == len(whole)
    left = [path for path in files_in(server.uploads) if path.parent == server.uploads]
    assert [path.stat().st_size for path in left] == [0] * (count + 1)
    kept = names_of(path for path in files_in(server.uploads) if path not in left)
    assert kept == names_of((*paths, good)) + pictures
    assert all(path.name.startswith("unet_hf_") for path in server.temporary.iterdir())

    server.stop()
    assert not list(server.temporary.iterdir())  # and nothing remains of anything


def names_of(paths: Iterable[Path]) -> Counter[str]:
    """Counts file names, without what says which page of a stack was read."""
    return Counter(re.sub(r"_page\d+", "", path.name) for path in paths)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def one_answer(client: Client, model: str, path: Path) -> str:
    """ "result", or the sentence without what is the file's own in it."""
    try:
        client.predict(handle_file(str(path)), model, api_name="/segment")
        return "result"
    except AppError as error:
        return str(error)
