"""Data sets by HTTP: unmodified datasets and huggingface_hub, in processes of their own, and a Hub
on the loopback, whose connection can be lost."""

import http.client
import io
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ..loopback.hub import Files, Hub, client_environment, running_hub
from ..support.processes import forked_python

TOKEN = "hf_the_secret_of_alice"
SPLITS = {"train": 4, "validation": 2}  # rows

CLIENT = """
import json, sys, time, traceback
import numpy
from datasets import load_dataset
from huggingface_hub import HfApi, HfFileSystem, hf_hub_download

api = HfApi()
given = json.load(sys.stdin)

def pixels(row):
    return [numpy.asarray(row[column]).tolist() for column in ("image", "mask")]

def failure(error):
    traceback.print_exception(error)
    return {"error": type(error).__name__, "message": str(error)}
"""

PUSH = """
def upload(folder):
    return api.upload_folder(folder_path=folder, repo_id="alice/cells", repo_type="dataset").oid

api.create_repo("alice/cells", repo_type="dataset")
commits = [upload(folder) for folder in given["folders"]]
newest = load_dataset(given["folders"][-1])
newest.push_to_hub("alice/parquet", num_shards={"train": 2, "validation": 1})
print(json.dumps(commits))
"""

LOAD = """
def load(name, streaming, **options):
    splits = load_dataset(name, streaming=streaming, **options)
    return {split: [pixels(row) for row in rows] for split, rows in splits.items()}

def file(name, **options):
    with open(hf_hub_download(name, "id2label.json", repo_type="dataset", **options)) as labels:
        return json.load(labels)

def attempt(action, *arguments, **options):
    try:
        return action(*arguments, **options)
    except Exception as error:
        return failure(error)

answers = {
    name: {
        "loaded": attempt(load, source, False, **options),
        "streamed": attempt(load, source, True, **options),
        "file": attempt(file, source, **options),
    }
    for name, (source, options) in given.items()
}
found = api.get_paths_info("alice/cells", ["id2label.json", "train", "none"], repo_type="dataset")
answers["found"] = sorted(entry.path for entry in found)
with HfFileSystem().open("datasets/alice/cells/id2label.json") as labels:
    labels.seek(7)
    answers["part"] = labels.read(10).decode()
print(json.dumps(answers))
"""

STREAM = """
if given["in no time"]:
    time.sleep = lambda seconds: None  # the client's patience is of many minutes
answer = {"rows": []}
try:
    for row in load_dataset("alice/parquet", split="train", streaming=True):
        answer["rows"].append(pixels(row))
except Exception as error:
    answer |= failure(error)
print(json.dumps(answer))
"""

LABELS = {"0": "background", "1": "cell", "2": "border"}


@dataclass(frozen=True)
class Refused:
    """A data set that cannot be had. Gated, private and missing ones are not found to datasets."""

    source: str
    words: str  # of the message of load_dataset
    file_error: str  # what the download of a single file raises
    load_error: str = "DatasetNotFoundError"
    options: dict[str, Any] = field(default_factory=dict)


REFUSED = {
    "missing": Refused(
        "alice/missing", "doesn't exist on the Hub or cannot be accessed", "RepositoryNotFoundError"
    ),
    "private": Refused(
        "bob/private", "doesn't exist on the Hub or cannot be accessed", "RepositoryNotFoundError"
    ),
    "private-without-token": Refused(
        "alice/secret",
        "doesn't exist on the Hub or cannot be accessed",
        "RepositoryNotFoundError",
        options={"token": False},
    ),
    "gated": Refused("bob/gated", "gated dataset on the Hub. Visit", "GatedRepoError"),
    "gated-without-token": Refused(
        "bob/gated",
        "gated dataset on the Hub. You must be authenticated",
        "GatedRepoError",
        options={"token": False},
    ),
    "wrong-token": Refused(
        "bob/gated",
        "401 Unauthorized",
        "HfHubHTTPError",
        "HfHubHTTPError",
        options={"token": "hf_a_token_of_nobody"},
    ),
    "no-such-branch": Refused(
        "alice/cells",
        "Revision 'v9' doesn't exist for dataset 'alice/cells'",
        "RevisionNotFoundError",
        options={"revision": "v9"},
    ),
    "no-such-commit": Refused(
        "alice/cells",
        "Revision '00000",
        "RevisionNotFoundError",
        options={"revision": 40 * "0"},
    ),
}


def cells(seed: int) -> tuple[Files, dict[str, list]]:
    """A folder in the Hub's imagefolder layout, and the (image, mask) pixels of its splits."""
    random = np.random.default_rng(seed)
    files: Files = {
        "README.md": b"---\nlicense: cc0-1.0\n---\n# Cells\n",
        "id2label.json": json.dumps(LABELS).encode(),
    }
    splits: dict[str, list] = {}
    for split, count in SPLITS.items():
        table = []
        for number in range(count):
            image = random.integers(0, 256, (6, 8), np.uint8)
            mask = random.integers(0, 3, (6, 8), np.uint8)
            files[f"{split}/images/{number}.png"] = png(image)
            files[f"{split}/masks/{number}.png"] = png(mask)
            names = {"file_name": f"images/{number}.png", "mask_file_name": f"masks/{number}.png"}
            table.append(json.dumps(names))
            splits.setdefault(split, []).append([image.tolist(), mask.tolist()])
        files[f"{split}/metadata.jsonl"] = "\n".join(table).encode()
    return files, splits


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return file.getvalue()


def run(hub: Hub, home: Path, script: str, given: Any) -> Any:
    """The JSON that the script prints last in a fresh process of alice's, with an empty cache."""
    done = subprocess.run(
        [*forked_python(), "-c", CLIENT + script],
        input=json.dumps(given),
        env=client_environment(hub, home, TOKEN),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with running_hub({TOKEN: "alice"}) as hub:
        yield hub


@pytest.fixture(autouse=True)
def restored(hub: Hub) -> Iterator[None]:
    """Every test ends with a connection."""
    yield
    hub.restore()


@pytest.fixture(scope="module")
def pushed(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Both commits of the folder alice/cells; the second one is alice/parquet, too."""
    folders = [tmp_path_factory.mktemp("cells") for _ in range(2)]
    for seed, folder in enumerate(folders):
        for path, content in cells(seed)[0].items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
    given = {"folders": [str(folder) for folder in folders]}
    return run(hub, tmp_path_factory.mktemp("home"), PUSH, given)


@pytest.fixture(scope="module")
def answers(hub: Hub, pushed: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What became of every load, good or bad, in one fresh process."""
    files, _ = cells(1)
    del files["README.md"]  # nobody has to write one
    for id in ("alice/private", "alice/secret", "bob/private"):
        hub.plant(id, files, kind="datasets", private=True)
    hub.plant("bob/gated", files, kind="datasets", gated=True)
    loads = {
        "folder": ("alice/cells", {}),
        "first commit": ("alice/cells", {"revision": pushed[0]}),
        "parquet": ("alice/parquet", {}),
        "own private": ("alice/private", {}),
    }
    loads |= {name: (case.source, case.options) for name, case in REFUSED.items()}
    return run(hub, tmp_path_factory.mktemp("home"), LOAD, loads)


@pytest.fixture
def half_a_shard(hub: Hub, pushed: list[str]) -> int:
    """Bytes of files that a stream of alice/parquet reads until the middle of its second shard."""
    _, files = hub.repos["datasets", "alice/parquet"].at("main")
    first, second = (len(files[f"data/train-0000{shard}-of-00002.parquet"]) for shard in range(2))
    return len(files["README.md"]) + first + second // 2


@pytest.mark.parametrize("way", ["loaded", "streamed"])
@pytest.mark.parametrize("name", ["folder", "parquet", "own private"])
def test_images_and_masks_arrive_as_they_were_sent(name, way, answers):
    assert answers[name][way] == cells(1)[1]


@pytest.mark.parametrize("way", ["loaded", "streamed"])
def test_a_pinned_commit_is_what_it_was(way, answers):
    assert answers["first commit"][way] == cells(0)[1]
    assert answers["first commit"][way] != answers["folder"][way]  # or the claim would be empty


def test_a_pushed_data_set_is_one_commit_of_shards_and_card(hub, pushed):
    repo = hub.repos["datasets", "alice/parquet"]
    _, files = repo.at("main")
    assert len(repo.commits) == 2  # the first one, of the creation, is empty
    assert set(files) == {
        "README.md",
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
        "data/validation-00000-of-00001.parquet",
    }


def test_single_files_are_described_downloaded_and_read_in_parts(answers):
    assert answers["found"] == ["id2label.json", "train"]
    assert answers["folder"]["file"] == LABELS
    assert answers["part"] == "background"


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_data_set_raises_the_clients_own_exceptions(name, answers):
    case, answer = REFUSED[name], answers[name]
    for way in ("loaded", "streamed"):
        assert answer[way].get("error") == case.load_error, answer[way]
        assert case.words in answer[way]["message"]
    assert answer["file"].get("error") == case.file_error, answer["file"]


def test_a_connection_is_lost_after_so_many_requests_until_it_is_restored(hub):
    hub.plant("bob/open", {"a.txt": b"0123456789"}, kind="datasets")
    noticed = hub.drop_after(n_requests=2)
    assert [get(hub, "a.txt"), get(hub, "a.txt")] == 2 * [b"0123456789"]
    assert not noticed.is_set()
    for _ in range(2):
        with pytest.raises(http.client.RemoteDisconnected):
            get(hub, "a.txt")
    assert noticed.is_set()
    hub.restore()
    assert get(hub, "a.txt") == b"0123456789"


def test_a_connection_is_lost_at_the_very_byte(hub):
    hub.plant("bob/open", {"a.txt": b"0123456789"}, kind="datasets")
    hub.drop_after(n_bytes=14)
    assert get(hub, "a.txt") == b"0123456789"
    with pytest.raises(http.client.IncompleteRead) as cut:
        get(hub, "a.txt")
    assert cut.value.partial == b"0123"
    with pytest.raises(http.client.RemoteDisconnected):
        get(hub, "a.txt")


def get(hub: Hub, path: str) -> bytes:
    connection = http.client.HTTPConnection(hub.url.removeprefix("http://"), timeout=20)
    try:
        connection.request("GET", f"/datasets/bob/open/resolve/main/{path}")
        return connection.getresponse().read()
    finally:
        connection.close()


def test_a_stream_waits_for_a_lost_connection_and_goes_on(hub, half_a_shard, tmp_path):
    noticed = hub.drop_after(n_bytes=half_a_shard)
    Thread(target=lambda: noticed.wait(60) and hub.restore(), daemon=True).start()
    answer = run(hub, tmp_path, STREAM, {"in no time": False})
    assert noticed.is_set()  # or the claim would be empty
    assert answer == {"rows": cells(1)[1]["train"]}


def test_a_stream_whose_connection_never_comes_back_ends_in_an_error(hub, half_a_shard, tmp_path):
    hub.drop_after(n_bytes=half_a_shard)
    answer = run(hub, tmp_path, STREAM, {"in no time": True})
    assert (answer.get("error"), answer["message"]) == ("ConnectionError", "Server Disconnected")
    assert answer["rows"] == cells(1)[1]["train"][:2]  # the first shard's
