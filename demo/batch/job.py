"""A visitor's batch: many images through one checkpoint, in turns, stopped and resumed at will.

The work is `unet_hf.batch`'s, which knows what is finished. A turn is short, so that others who
wait for the network get theirs between two of them; whoever closes the page has no next turn.
"""

import csv
import io
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from unet_hf import Segmentation, UNet, read_image
from unet_hf.batch.item import BatchOptions
from unet_hf.batch.progress import Progress
from unet_hf.batch.records import RECORDS
from unet_hf.batch.run import FAILED, RESULTS, Batch, segment_files
from unet_hf.errors import ConfigError
from unet_hf.files import write_atomically
from unet_hf.images.image_data import ImageData

from ..server import limits, predictions
from ..server.errors_in_words import plain_sentence
from . import archives

TURN_SECONDS = 1.0  # others wait no longer than this and for the image at hand
MAX_PAGES = 1000  # of all files together
MAX_RESULT_BYTES = 2 * 2**30
GLANCE = 0.2  # seconds between two looks at a run
WORKER = "batch"  # the name of a thread that is at work


@dataclass(frozen=True)
class Status:
    """How far a batch is.

    state: "ready", "running", "stopping", "paused" (its turn is over, another will come),
        "stopped", "finished" or "broken".
    """

    state: str
    done: int = 0
    total: int = 0
    failures: tuple[str, ...] = ()  # a line an image
    seconds_left: float | None = None
    sentence: str = ""  # why it stopped or broke


@dataclass(frozen=True)
class Settings:
    """What a run was started with; whatever the page says later is for the next one.

    model: The checkpoint's name.
    outputs: What is written of each image, by the names of `unet_hf.predict.outputs.OUTPUTS`.
    """

    model: str
    threshold: float | None = None
    outputs: tuple[str, ...] = ("mask",)


class BatchJob:
    """One visitor's images and results, in a folder of their own.

    Raises:
        ConfigError: As `archives.stage`.
    """

    def __init__(self, uploads: list[str], folder: Path) -> None:
        self.folder = folder
        self.staged = archives.stage(uploads, folder / "images")
        self.output = folder / "results"
        self.status = Status("ready", total=len(self.staged.names))
        self.settings: Settings | None = None  # of the run that was started last
        self.stopping = threading.Event()
        self.reason = ""
        self.known: dict[tuple[str, int], Exception] = {}  # images that failed in this run

    def start(self, settings: Settings | None = None) -> None:
        """Before the first turn of a run: what failed earlier is tried again."""
        self.settings = settings
        self.stopping.clear()
        self.known.clear()
        self.status = replace(self.status, state="running", failures=(), sentence="")

    def stop(self, reason: str = "") -> None:
        """Ends the run at the next tile. `start` and `turn` go on from there."""
        self.reason = reason
        self.stopping.set()
        if self.status.state == "running":
            self.status = replace(self.status, state="stopping")

    def turn(
        self, network: UNet, threshold: float | None = None, outputs: Sequence[str] = ("mask",)
    ) -> Iterator[Status]:
        """Segments for a while, at least one image; the last status says whether more is to do.

        outputs: What is written of each image, by the names of `unet_hf.predict.outputs.OUTPUTS`.
        Who closes the iterator stops the run, which then ends by itself.
        """
        if self.stopping.is_set():
            self.status = replace(self.status, state="stopped", sentence=self.reason)
            yield self.status
            return
        turn = _Turn(self, network)
        worker = threading.Thread(
            target=self._work, args=(turn, threshold, tuple(outputs)), name=WORKER, daemon=True
        )
        worker.start()
        try:
            while worker.is_alive():
                worker.join(GLANCE)
                yield self.status
        finally:
            # Not waited for: Gradio ends an iterator on the thread that answers everybody. The
            # worker ends by itself, at its next tile.
            if worker.is_alive():
                self.stop("The page was closed.")

    def _work(self, turn: "_Turn", threshold: float | None, outputs: tuple[str, ...]) -> None:
        options = _Options(
            "",
            threshold=threshold,
            outputs=outputs,
            objects={"max_objects": limits.MAX_OBJECTS},
            network=turn,
        )
        try:
            batch = segment_files([str(self.staged.folder)], self.output, options, turn.watch)
            self.report(batch, "finished")
        except KeyboardInterrupt:
            stopped = self.stopping.is_set()
            self.status = replace(
                self.status,
                state="stopped" if stopped else "paused",
                sentence=self.reason if stopped else "",
            )
        except Exception as error:
            self.fail(error)

    def report(self, batch: Batch, state: str, seconds_left: float | None = None) -> None:
        os.utime(self.folder)  # what is in use is not an hour old
        self.status = Status(
            "stopping" if state == "running" and self.stopping.is_set() else state,
            batch.done,
            len(batch.items),
            tuple(self.plain(failure.reason) for failure in batch.failures),
            seconds_left,
        )

    def fail(self, error: Exception) -> None:
        """The run cannot go on."""
        sentence = self.plain(plain_sentence(error))
        self.status = replace(self.status, state="broken", sentence=sentence)

    def plain(self, sentence: str) -> str:
        """Without the server's folders."""
        return sentence.replace(f"{self.staged.folder}{os.sep}", "").replace(str(self.folder), "")

    def table(self) -> list[list[str]]:
        """Head and rows of results.csv: all images that are segmented; empty before the first."""
        path = self.output / RESULTS
        return list(csv.reader(io.StringIO(path.read_text("utf-8")))) if path.is_file() else []

    def archive(self, path: Path) -> Path:
        """A zip of everything that was written, the table, and a line for what is missing."""
        written = (
            file.relative_to(self.output).as_posix()
            for file in sorted(self.output.rglob("*"))
            if file.is_file() and file.name not in (RECORDS, FAILED)
        )
        texts = {}
        if (self.output / FAILED).is_file():
            texts[FAILED] = self.plain((self.output / FAILED).read_text("utf-8"))
        if self.staged.left_out:
            texts["left_out.txt"] = "\n".join(self.staged.left_out) + "\n"
        write_atomically(path, lambda file: archives.pack(self.output, written, file, texts))
        return path


@dataclass(frozen=True)
class _Options(BatchOptions):
    """With a network that is loaded already."""

    network: Any = field(default=None, compare=False)

    def load(self) -> Any:
        return self.network

    def read(self, path: Path, page: int) -> ImageData:
        return self.network.read(path, page)


class _Turn:
    """The network as a batch of the page uses it: with the page's limits, until its time is up."""

    def __init__(self, job: BatchJob, network: UNet) -> None:
        self.job, self.network = job, network
        # From the first image on: finding out what is to do takes none of the turn.
        self.deadline: float | None = None
        self.at_hand = ("", 0)  # path and page

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)

    def watch(self, batch: Batch) -> Progress:
        return _Watch(self.job, batch)

    def read(self, path: Path, page: int) -> ImageData:
        self.at_hand = (str(path), page)
        if self.at_hand in self.job.known:  # told in an earlier turn: not tried in each
            raise self.job.known[self.at_hand]
        now = time.monotonic()
        if self.deadline is None:
            self.deadline = now + TURN_SECONDS
        elif now >= self.deadline:
            raise KeyboardInterrupt
        if self.job.stopping.is_set():
            raise KeyboardInterrupt
        with self.failing():
            return read_image(path, page=page, max_pixels=limits.MAX_PIXELS)

    def segment(
        self, image: ImageData, *, threshold: float | None, progress: Any, **_: Any
    ) -> Segmentation:
        with self.failing():
            return predictions.predict(self.network, image, threshold, progress=progress)

    @contextmanager
    def failing(self) -> Iterator[None]:
        """What is wrong with the image at hand is known from now on."""
        try:
            yield
        except Exception as error:
            self.job.known[self.at_hand] = error
            raise


class _Watch(Progress):
    """Tells the page instead of a terminal."""

    def __init__(self, job: BatchJob, batch: Batch) -> None:
        super().__init__(len(batch.todo), "image", quiet=True)
        self.job, self.batch = job, batch
        if len(batch.items) > MAX_PAGES:
            raise ConfigError(
                f"There are {len(batch.items)} pages in all files; the limit is {MAX_PAGES}. "
                f"{archives.TOO_MUCH}"
            )
        job.report(batch, "running")

    def step(self) -> None:
        self.done += 1
        seconds = (time.monotonic() - self.started) / self.done * (self.total - self.done)
        self.job.report(self.batch, "running", seconds)
        sizes = (record.get("files", {}) for record in self.batch.records.by_name.values())
        if sum(size or 0 for files in sizes for size in files.values()) > MAX_RESULT_BYTES:
            self.job.stop(
                f"The results have reached {MAX_RESULT_BYTES // 2**30} GB, the limit of this page. "
                "Download them, and send the other images as another batch."
            )

    def part(self, done: int, total: int) -> None:
        if self.job.stopping.is_set():
            raise KeyboardInterrupt

    def say(self, text: str) -> None:
        """What a terminal is told is on the page already."""
