"""The tiles of a large image, one after the other: read, predicted, written, and noted down."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ImageError, PrecisionError
from ..preprocessing import BAND_PIXELS, PreparedImage
from ..reporting import Reporter
from ..runtime import network_of
from ..segmentation import decide
from ..tiling import mirrored
from ..views import Network, views_of
from .unfinished import Plane, Unfinished

if TYPE_CHECKING:
    from ..unet import UNet

# (classes, h, w) probabilities of a window, and (h, w) uncertainty, if any; both float32.
Seen = tuple[np.ndarray, np.ndarray | None]


class Prediction:
    """Planes on the disk that fill up tile by tile."""

    def __init__(
        self,
        model: "UNet",
        prepared: PreparedImage,
        unfinished: Unfinished,
        job: dict[str, Any],
        threshold: float | None,
    ) -> None:
        """job: What the planes are a prediction of, JSON; with "tile_size", "precision", "tta", and
        in "planes" the names of those that are wanted."""
        image = prepared.image
        self.model, self.prepared, self.unfinished = model, prepared, unfinished
        self.job, self.threshold = job, threshold
        self.tiles = model.geometry.plan(image.height, image.width, job["tile_size"])
        layers = {"mask": 1, "probabilities": model.config["num_classes"], "uncertainty": 1}
        self.planes = {
            name: Plane(
                unfinished.folder / f"{name}.raw",
                (layers[name], image.height, image.width),
                np.uint8 if name == "mask" else np.float32,
            )
            for name in job["planes"]
        }
        self.notes: list[str] = []
        self._network = network_of(model, job["precision"])
        self._show = views_of(job["tta"], model.device, job["tile_size"])
        self._blank: tuple[Any, Seen] | None = None

    def count(self, num_classes: int) -> dict[int, int]:
        """Pixels of each class id."""
        counts = np.zeros(num_classes, np.int64)
        mask = self.planes["mask"]
        for band in mask.bands(0, max(1, BAND_PIXELS // mask.shape[2])):
            counts += np.bincount(band.ravel(), minlength=num_classes)
        return dict(enumerate(counts.tolist()))

    def _take_up(self, resume: bool) -> None:
        """What an earlier run has left, if it was of the same job; else nothing."""
        unfinished = self.unfinished
        there = all(plane.is_there() for plane in self.planes.values())
        if resume and there and unfinished.of == self.job:
            done = len(unfinished.finished)
            self.notes.append(f"gone on with a run that had {done} of {len(self.tiles)} tiles")
            return
        if unfinished.of is not None:
            differ = [key for key in self.job if unfinished.of.get(key) != self.job[key]]
            other = f"of another {', '.join(differ)}" if differ else "not wanted or incomplete"
            self.notes.append(f"an unfinished run was {other}: begun anew")
        unfinished.begin(self.job, self.planes.values())

    @torch.inference_mode()
    def run(self, resume: bool, progress: Callable[[int, int], None] | None) -> None:
        """Predicts the tiles that are not finished. Raises `ImageError`, `PrecisionError`,
        `OSError`, and what `progress` raises."""
        self._take_up(resume)
        finished = self.unfinished.finished
        todo = [number for number in range(len(self.tiles)) if number not in finished]
        report = Reporter(progress, len(self.tiles), len(self.tiles) - len(todo))
        network = partial(self._network, pause=report.pause)
        was_training = self.model.training
        self.model.eval()
        try:
            # One after the other. Reading ahead and writing behind in threads of their own was
            # tried: on two cores, which the network keeps busy, it gained nothing.
            for number in todo:
                self._write(number, self._seen(self._window(number), network))
                report.step()
        finally:
            self.model.train(was_training)

    def _window(self, number: int) -> Tensor:
        top, bottom, left, right = self.tiles[number].window
        image = self.prepared.image
        rows, columns = mirrored(top, bottom, image.height), mirrored(left, right, image.width)
        return self.prepared.window(rows, columns)

    def _seen(self, window: Tensor, network: Network) -> Seen:
        """A window that is all one colour, as the ground of slides is, looks like the last one of
        that size and colour: the same input has the same output."""
        color = window[:, 0, 0]
        if not torch.equal(window, color[:, None, None].expand_as(window)):
            return self._show(network, window)
        key = (window.shape, tuple(color.tolist()))
        if self._blank is None or self._blank[0] != key:
            self._blank = (key, self._show(network, window))
        return self._blank[1]

    def _write(self, number: int, seen: Seen) -> None:
        tile = self.tiles[number]
        y, x = tile.crop
        rows = slice(y, y + tile.rows.stop - tile.rows.start)
        columns = slice(x, x + tile.columns.stop - tile.columns.start)
        probabilities, spread = seen
        core = probabilities[:, rows, columns]
        values = {"mask": decide(core, self.threshold)[None], "probabilities": core}
        if spread is not None:
            values["uncertainty"] = spread[None, rows, columns]
        for name, plane in self.planes.items():
            plane.write(tile.rows, tile.columns, values[name])
        self.unfinished.add(number)


def predicted(
    model: "UNet",
    prepared: PreparedImage,
    unfinished: Unfinished,
    jobs: list[dict[str, Any]],
    threshold: float | None,
    *,
    resume: bool,
    progress: Callable[[int, int], None] | None,
) -> Prediction:
    """The first of these jobs, all of one image, whose precision can hold the network's values."""
    if resume and unfinished.of == jobs[-1]:  # an earlier run found out which it is
        jobs = jobs[-1:]
    *narrow, last = [Prediction(model, prepared, unfinished, job, threshold) for job in jobs]
    try:
        for prediction in narrow:
            try:
                prediction.run(resume, progress)
                return prediction
            except PrecisionError:
                unfinished.of = None  # what it has written is of no use, and nothing to tell
        last.run(resume, progress)
        return last
    except ImageError:  # damaged: who comes back comes with another file
        unfinished.remove()
        raise
    except BaseException:
        if not unfinished.finished:
            unfinished.remove()
        raise
