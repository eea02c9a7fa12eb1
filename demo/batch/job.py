"""A visitor's batch: many images with one recipe, stopped and resumed at will.

The work is `unet_hf.batch`'s, which knows what is finished. Each image waits for the network like
anybody else, behind all people: see `server.work.queue`.
"""

import csv
import io
import json
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from unet_hf import Segmentation, UNet, read_image
from unet_hf.batch.options import BatchOptions
from unet_hf.batch.progress import Progress
from unet_hf.batch.records import RECORDS
from unet_hf.batch.run import FAILED, Batch, segment_files
from unet_hf.batch.tables import OBJECTS, RESULTS, SUMMARY
from unet_hf.errors import ConfigError, how_to_install
from unet_hf.files import write_atomically
from unet_hf.images.image_data import ImageData

from ..parts.object_options import method_words
from ..server import archives, limits, predictions
from ..server.checkpoints.taught import is_taught
from ..server.recipe import HOW_TAKEN_HOME, Recipe
from ..server.work.jobs import GLANCE, Job, Status
from ..server.work.queue import Urgency
from ..server.work.runs import Run, StoppedError
from .previews import Previews

MAX_PAGES = 1000  # of all files together
MAX_RESULT_BYTES = 2 * 2**30
WORKER = "batch"  # the name of a thread that is at work
ALWAYS = ("mask", "objects")  # what is written of each image
FOLDER = "images"  # what the visitor's images are called in the command that gives the same


class BatchJob(Job):
    """One visitor's images and results; previews and the zip are in `shown`.

    Raises:
        ConfigError: As `archives.stage`.
    """

    def __init__(self, uploads: list[str], folder: Path, shown: Path) -> None:
        super().__init__(archives.stage(uploads, folder / "images"), folder, shown)
        self.output = folder / "results"
        self.previews = Previews(shown)
        self.status = Status("ready", total=len(self.staged.names))
        # Of the run that was started last; whatever the page says later is for the next one.
        self.recipe: Recipe | None = None
        self.title, self.outputs = "", ALWAYS
        self.stopping = threading.Event()
        self.reason = ""

    def start(self, recipe: Recipe, more: Sequence[str] = (), title: str = "") -> None:
        """Before a run: what failed earlier is tried again.

        more: Beside `ALWAYS`, by the names of `unet_hf.predict.outputs.OUTPUTS`. title: What
        people call the checkpoint.
        """
        if recipe != self.recipe:
            self.previews.clear()  # those of another recipe
        self.recipe, self.outputs, self.title = recipe, (*ALWAYS, *more), title
        self.stopping.clear()
        self.reason = ""
        self.status = replace(self.status, state="running", failures=(), sentence="")

    @property
    def model(self) -> str:
        """The checkpoint of the run that was started last."""
        return self.recipe.model

    def stop(self, reason: str = "") -> None:
        """Ends the run within the time of one layer. `start` and `run` go on from there."""
        self.reason = reason
        self.stopping.set()
        if self.status.state == "running":
            self.status = replace(self.status, state="stopping")

    def run(self, network: UNet) -> Iterator[Status]:
        """Segments the images with the recipe of `start`; tells how far it is, and the end.

        Who closes the iterator stops the run, which then ends by itself.
        """
        worker = threading.Thread(target=self._work, args=[network], name=WORKER, daemon=True)
        worker.start()
        try:
            while worker.is_alive():
                worker.join(GLANCE)
                yield self.status
        finally:
            # Not waited for: Gradio ends an iterator on the thread that answers everybody. The
            # worker ends by itself, before its next layer.
            if worker.is_alive():
                self.stop("The page was closed.")

    def _work(self, network: UNet) -> None:
        recipe = self.recipe
        options = _Options(
            recipe.model,
            threshold=recipe.threshold,
            outputs=self.outputs,
            objects=recipe.objects() | {"max_objects": limits.MAX_OBJECTS},
            network=_PatientNetwork(self, network),
        )
        try:
            batch = segment_files(
                [str(self.staged.folder)],
                self.output,
                options,
                lambda batch: _Watch(self, batch),
            )
            self.report(batch, "finished")
        except KeyboardInterrupt:
            self.status = replace(self.status, state="stopped", sentence=self.reason)
        except Exception as error:
            self.fail(error)

    def report(self, batch: Batch, state: str, seconds_left: float | None = None) -> None:
        self.note_use()
        self.status = Status(
            "stopping" if state == "running" and self.stopping.is_set() else state,
            batch.done,
            len(batch.items),
            tuple(self.plain(failure.reason) for failure in batch.failures),
            seconds_left,
        )

    def table(self) -> list[list[str]]:
        """Head and rows of summary.csv: all images that are segmented; empty before the first."""
        path = self.output / SUMMARY
        return list(csv.reader(io.StringIO(path.read_text("utf-8")))) if path.is_file() else []

    def archive(self) -> Path:
        """A zip of what was written, with two tables of all images, the recipe, and a line for
        what is missing."""
        left = (RECORDS, FAILED, RESULTS)  # the summary has all of the results
        written = (
            file.relative_to(self.output).as_posix()
            for file in sorted(self.output.rglob("*"))
            if file.is_file() and file.name not in left and not file.name.endswith(f"_{OBJECTS}")
        )
        texts = {
            "recipe.json": json.dumps(self.recipe.as_json(), indent=2) + "\n",
            "reproduce.txt": self.reproduction(),
        }
        if (self.output / FAILED).is_file():
            texts[FAILED] = self.plain((self.output / FAILED).read_text("utf-8"))
        if self.staged.left_out:
            texts["left_out.txt"] = "\n".join(self.staged.left_out) + "\n"
        path = self.shown / "segmented.zip"
        write_atomically(path, lambda file: archives.pack(self.output, written, file, texts))
        return path

    def recipe_in_words(self) -> str:
        """ "Cell nuclei (unet-nuclei), threshold 0.60, touching objects split, from 20 pixels"."""
        recipe = self.recipe
        name = "a taught checkpoint" if is_taught(recipe.model) else recipe.model
        parts = [f"{self.title} ({name})" if self.title else name]
        parts += [f"threshold {recipe.threshold:g}"] if recipe.threshold is not None else []
        parts += [method_words(recipe.method, recipe.seed)]
        parts += [f"from {recipe.min_size} pixels"] if recipe.min_size else []
        parts += ["without what touches the border"] if recipe.exclude_border else []
        parts += [f"pixel size {recipe.pixel_size}"] if recipe.pixel_size else []
        return ", ".join(parts)

    def reproduction(self) -> str:
        taught = HOW_TAKEN_HOME if is_taught(self.recipe.model) else ""
        return (
            f"# {self.recipe_in_words()}\n"
            f"# This gives the same files. It wants the images in a folder {FOLDER!r}, and what\n"
            f"# counts objects. {how_to_install('objects')}\n{taught}"
            f"{self.recipe.command(FOLDER, self.outputs)}\n"
        )


@dataclass(frozen=True)
class _Options(BatchOptions):
    """With a network that is loaded already."""

    network: Any = field(default=None, compare=False)

    def load(self) -> Any:
        return self.network

    def has_joint_tables(self, images: int) -> bool:
        return True

    def read(self, path: Path, page: int) -> ImageData:
        return self.network.read(path, page)


class _PatientNetwork:
    """The network as a batch of the page uses it: with the page's limits, and when it is free."""

    def __init__(self, job: BatchJob, network: UNet) -> None:
        self.job, self.network = job, network
        self.run = Run(stopping=job.stopping)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)

    def read(self, path: Path, page: int) -> ImageData:
        if self.job.stopping.is_set():
            raise KeyboardInterrupt
        self.at_hand = (path.relative_to(self.job.staged.folder).as_posix(), page)
        return read_image(path, page=page, max_pixels=limits.MAX_PIXELS)

    def segment(
        self, image: ImageData, *, threshold: float | None, progress: Any, **_: Any
    ) -> Segmentation:
        try:
            result = predictions.predict_in_turn(
                self.network, image, threshold, progress, self.run, Urgency.BATCH
            )
        except StoppedError:
            raise KeyboardInterrupt from None
        self.job.previews.add(*self.at_hand, result)
        return result


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
