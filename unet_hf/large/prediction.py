"""The tiles of a large image, one after the other: read, predicted, written, and noted down."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ImageError, PrecisionError
from ..images.preprocessing import BAND_PIXELS, PreparedImage
from ..network.network import Network
from ..predict.tiles import TilePrediction, predict_tiles
from .partial_result import Plane, Unfinished


class Prediction:
    """Planes on the disk that fill up tile by tile."""

    def __init__(
        self,
        model: Network,
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

    def run(self, resume: bool, progress: Callable[[int, int], None] | None) -> None:
        """Predicts the tiles that are not finished. Raises `ImageError`, `PrecisionError`,
        `OSError`, and what `progress` raises."""
        self._take_up(resume)
        finished = self.unfinished.finished
        todo = [number for number in range(len(self.tiles)) if number not in finished]
        predictions = predict_tiles(
            self.model,
            self.prepared,
            [self.tiles[number] for number in todo],
            threshold=self.threshold,
            precision=self.job["precision"],
            tta=self.job["tta"],
            tile_size=self.job["tile_size"],
            progress=progress,
            done=len(self.tiles) - len(todo),
        )
        # One after the other. Reading ahead and writing behind in threads of their own was
        # tried: on two cores, which the network keeps busy, it gained nothing.
        for part, number in zip(predictions, todo, strict=True):
            self._write(number, part)

    def _write(self, number: int, part: TilePrediction) -> None:
        values = {"mask": part.mask[None], "probabilities": part.probabilities}
        if part.uncertainty is not None:
            values["uncertainty"] = part.uncertainty[None]
        for name, plane in self.planes.items():
            plane.write(part.tile.rows, part.tile.columns, values[name])
        self.unfinished.add(number)


def predicted(
    model: Network,
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
