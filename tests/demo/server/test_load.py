"""Ten visitors at once: each is answered, with their own image; and what goes wrong for one of
them stays with that one."""

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import PIL.Image
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from unet_hf import UNet

from ...support.serving import until
from ...support.tiny_server import TinyServer, tiny_server

VISITORS, IMAGES = 10, 2
# A result has some 10 MB while it is made: the eight or twenty would be 80 or 200 if they stayed.
# Pieces that the allocator does not give back are less than this.
TOLERANCE = 60  # megabytes


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TinyServer]:
    with tiny_server(tmp_path_factory.mktemp("load")) as server:
        yield server


def own_image(visitor: int, number: int, folder: Path) -> Path:
    """Of a size and pattern that no other has."""
    seed = IMAGES * visitor + number
    shape = (500 + 7 * seed, 620 - 11 * seed)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    path = folder / f"{seed}.png"
    PIL.Image.fromarray(pixels).save(path)
    return path


def visit(server: TinyServer, paths: list[Path], model: str | None = None) -> list[np.ndarray]:
    """A visitor who sends these images, one after the other; the masks."""
    client = Client(server.url, verbose=False)
    masks = []
    for path in paths:
        _, mask, summary = client.predict(
            handle_file(str(path)), model or server.model, api_name="/segment"
        )
        with PIL.Image.open(mask) as image:
            masks.append(np.asarray(image))
        assert summary["size"] == [*reversed(masks[-1].shape)]
    return masks


def test_visitors_at_once_get_their_own_masks_and_leave_no_memory_behind(
    server: TinyServer, tmp_path: Path, sample
):
    visitors = sample(4, VISITORS)
    model = UNet.from_pretrained(server.model)
    paths = [
        [own_image(visitor, number, tmp_path) for number in range(IMAGES)]
        for visitor in range(visitors)
    ]

    def all_at_once() -> list[list[np.ndarray]]:
        with ThreadPoolExecutor(visitors) as pool:
            return list(pool.map(lambda own: visit(server, own), paths))

    answers = all_at_once()
    for own, masks in zip(paths, answers, strict=True):
        for path, mask in zip(own, masks, strict=True):
            assert np.array_equal(mask, model.segment(path).mask)
    level = server.resident_megabytes()  # threads and caches are there by now
    all_at_once()
    assert server.resident_megabytes() < level + TOLERANCE


@pytest.mark.parametrize(
    "model",
    [
        "nobody/nothing",
        pytest.param("unet-isby", marks=pytest.mark.deep("another name that is none")),
        pytest.param("../tiny", marks=pytest.mark.deep("another name that is none")),
    ],
)
def test_a_model_that_fails_to_load_leaves_no_job_running(server, tmp_path, model):
    path = own_image(0, 0, tmp_path)
    with pytest.raises(AppError):
        visit(server, [path], model)
    assert visit(server, [path])
    assert waiting(server) == 0


def test_who_leaves_half_way_leaves_no_job_running(server: TinyServer, tmp_path: Path, sample):
    """Two requests, or five, given up as soon as they are at work or in the queue."""
    path = own_image(1, 0, tmp_path)
    for _ in range(sample(2, 5)):
        leave_half_way(server, path)
    (mask,) = visit(server, [path])
    assert np.array_equal(mask, UNet.from_pretrained(server.model).segment(path).mask)
    until(lambda: waiting(server) == 0)


def leave_half_way(server: TinyServer, path: Path) -> None:
    """What a browser does that is closed: the connection on which it hears ends."""
    session = uuid.uuid4().hex
    with httpx.Client(base_url=f"{server.url}/gradio_api", timeout=120) as browser:
        with path.open("rb") as file:
            (uploaded,) = browser.post("/upload", files={"files": file}).json()
        dependencies = browser.get(f"{server.url}/config").json()["dependencies"]
        segment = next(one for one in dependencies if one["api_name"] == "segment")
        image = {"path": uploaded, "meta": {"_type": "gradio.FileData"}}
        browser.post(
            "/queue/join",
            json={
                "data": [image, server.model, None, 0, 0.5],
                "fn_index": segment["id"],
                "session_hash": session,
            },
        ).raise_for_status()
        with browser.stream("GET", "/queue/data", params={"session_hash": session}) as heard:
            for line in heard.iter_lines():
                if line and json.loads(line.removeprefix("data:"))["msg"] != "heartbeat":
                    return


def waiting(server: TinyServer) -> int:
    return httpx.get(f"{server.url}/gradio_api/queue/status", timeout=60).json()["queue_size"]
