"""Pages served by this very process, so that a test can hold a prediction back until it has seen
what it wants to see, and what tests do on them."""

import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr
import httpx
import numpy as np
import PIL.Image
import pytest
import tifffile
import torch
from playwright.sync_api import Browser, Locator, Page, expect

from demo.batch import job as batch_job
from demo.segment.examples import SAMPLE
from demo.server import predictions
from demo.server.checkpoints.models import LOCAL
from demo.synthetic import fluorescence_nuclei
from demo.teach import process as teach_process
from unet_hf import UNet
from unet_hf.hub.find import SHIPPED

from .processes import forked_python

SIZE, IMAGES, CORRUPT = 96, 20, 7


@pytest.fixture(scope="module")
def drawing():
    return fluorescence_nuclei(SIZE, 6, seed=3)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory, drawing) -> Iterator[str]:
    """A small network that may be asked for, whose masks show both classes."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    network = UNet(base_channels=2, depth=1, id2label={"0": "ground", "1": "cell"}).eval()
    median = float(np.median(network.segment(drawing.image).probabilities[1]))
    network.config["threshold"] = round(median, 4)
    network.save_pretrained(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(LOCAL, str(folder))
        yield str(folder)


def brightness_is_depth() -> UNet:
    """A network whose weights were set by hand: a pixel is of a cell where it is bright, and as
    deep inside as it is bright."""
    network = UNet(
        base_channels=1,
        depth=1,
        norm="none",
        id2label={"0": "ground", "1": "cell"},
        preprocessing={"normalization": "fixed", "mean": [0.0], "std": [1.0]},
        object_outputs={"version": 1, "channels": ["distance"]},
        objects={"method": "learned", "seed": 0.5, "min_size": 5},
    ).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for part in (network.contracting[0], network.expansive[0]):
            for convolution in (part[0], part[3]):
                convolution.weight[0, 0, 1, 1] = 1  # the pixel itself, or what came across
        network.head.weight[1] = 40
        network.head.bias[1] = -8  # half sure at a brightness of 0.2
        network.object_head.weight[0] = 1
    return network


# Two pairs of cells that touch, of which one has a low summit, and one cell alone.
CELLS = [(20, 20, 0.9), (20, 38, 0.9), (60, 24, 0.95), (60, 46, 0.68), (70, 80, 0.8)]


def cones(size: int, peaks: list[tuple[int, int, float]], slope: float = 0.05) -> np.ndarray:
    """(size, size) uint8: around each (y, x, height) a cone that falls by `slope` a pixel."""
    rows, columns = np.mgrid[:size, :size]
    heights = [h - slope * np.hypot(rows - y, columns - x) for y, x, h in peaks]
    return np.uint8(255 * np.clip(np.max(heights, axis=0), 0, 1))


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A checkpoint that tells objects apart, and may be asked for."""
    folder = tmp_path_factory.mktemp("learned")
    brightness_is_depth().save_pretrained(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(LOCAL, str(folder))
        yield str(folder)


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory, drawing) -> Path:
    path = tmp_path_factory.mktemp("picture") / "nuclei.png"
    PIL.Image.fromarray(drawing.image).save(path)
    return path


@pytest.fixture
def forked_teaching(monkeypatch) -> None:
    """Processes that teach begin without the seconds of their imports, of which they have little
    where the processor is busy: others go before them. A Space of the tests starts real ones."""
    monkeypatch.setattr(teach_process, "PYTHON", forked_python())


@pytest.fixture
def served(browser: Browser, tmp_path: Path, monkeypatch) -> Iterator[Callable]:
    """served(build) is the page that `build` fills, opened; `build` may be a page itself. Fails on
    any script error, on any request to another host, and on Gradio's own red toasts."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    contexts, pages, faults = [], [], []

    def open_page(url: str) -> Page:
        context = browser.new_context(
            accept_downloads=True, viewport={"width": 1280, "height": 900}
        )
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((url, "data:", "blob:"))
                else faults.append(f"asked for {request.url}")
            ),
        )
        page.goto(url)
        contexts.append(context)
        return page

    def serve(build: Callable[[], None] | gr.Blocks) -> Page:
        if isinstance(build, gr.Blocks):
            blocks = build
        else:
            with gr.Blocks(analytics_enabled=False) as blocks:
                build()
        _, url, _ = blocks.launch(
            server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, run_history=False
        )
        pages.append(blocks)
        page = open_page(url)
        page.another = lambda: open_page(url)  # a second visitor
        return page

    yield serve
    toasts = []
    for context in contexts:
        for page in context.pages:
            shown = page.locator("[data-testid=toast-body], .notice:visible")
            toasts += shown.all_inner_texts()
        context.close()
    for blocks in pages:
        blocks.close()
    assert not faults
    assert not toasts


class Gate:
    """Lets so many predictions through, and says which were asked for."""

    def __init__(self, monkeypatch) -> None:
        self.asked: list[str] = []
        self._permits = threading.Semaphore(0)
        real = predictions.predict

        def predict(model, image, *arguments, **options):
            self.asked.append(image.source)
            self._permits.acquire()
            return real(model, image, *arguments, **options)

        monkeypatch.setattr(predictions, "predict", predict)

    def let(self, count: int) -> None:
        self._permits.release(count)


@pytest.fixture
def gate(monkeypatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.let(1000)  # nobody stays behind it


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A zip of twenty images in two folders, one of them corrupt, and a text."""
    with zipfile.ZipFile(tmp_path / "plates.zip", "w") as archive:
        for number in range(IMAGES):
            path = tmp_path / "image.png"
            pixels = np.random.default_rng(number).integers(0, 256, (40, 48), dtype=np.uint8)
            PIL.Image.fromarray(pixels).save(path)
            if number == CORRUPT:
                path.write_bytes(path.read_bytes()[:100])
            archive.write(path, f"plate{number % 2}/{number:02d}.png")
        archive.writestr("notes.txt", "no image")
    return tmp_path / "plates.zip"


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """16 bits, nuclei in 4 pages of 2 channels, each unlike the others; ImageJ's axes."""
    with PIL.Image.open(SHIPPED / "unet-nuclei" / SAMPLE) as image:
        drawn = np.asarray(image.convert("L"), np.uint16) * 200
    rows = [drawn[y : y + 60, x : x + 80] for y in range(0, 100, 25) for x in (20, 90)]
    pixels = np.stack(rows).reshape(4, 2, 60, 80)
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "ZCYX"})
    return path


def state(page: Page) -> Locator:
    """What a batch says of itself."""
    return page.locator("#batch_progress [role=status]")


def at_work() -> list[threading.Thread]:
    """Batches that compute."""
    return [thread for thread in threading.enumerate() if thread.name == batch_job.WORKER]


def in_queue(page: Page) -> int:
    """Requests that wait for their turn."""
    return httpx.get(f"{page.url}gradio_api/queue/status", timeout=60).json()["queue_size"]


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    """Waits for something that no element of a page tells."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "It did not come true."
        time.sleep(0.05)


def drop(page: Page, path: Path) -> None:
    page.locator("#batch_upload input[type=file]").set_input_files(path)
    expect(page.locator("#batch_run")).to_be_enabled()
