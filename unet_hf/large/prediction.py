"""Prediction of a large image into files, tile by tile."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ImageError, PrecisionError
from ..images.preprocessing import BAND_PIXELS, PreparedImage
from ..network.network import Network
from ..objects.learned import height_map
from ..predict.tiles import TilePrediction, predict_tiles
from .partial_result import PartialResult, Plane

# What is said of another run, by the part of its job in which it differs.
DIFFERENCES = {
    "input": "another image",
    "model": "another model",
    "options": "another page, axes, channel, level or threshold",
    "planes": "other outputs",
    "tta": "another tta",
    "computed_by": "another version of PyTorch, number of threads or device",
    "precision": "another precision",
    "tile_size": "another tile_size",
    "whole": "another tile_size",  # none was given to one of them, and the image is a single window
}


class Prediction:
    """A prediction whose planes on the disk are filled tile by tile."""

    def __init__(
        self,
        model: Network,
        prepared: PreparedImage,
        partial: PartialResult,
        job: dict[str, Any],
        threshold: float | None,
    ) -> None:
        """job: Image, model and options of the prediction, as JSON.

        Among the options are those of `predict_tiles`, and "planes", the planes to fill.
        """
        image = prepared.image
        self.model, self.prepared, self.partial = model, prepared, partial
        self.job, self.threshold = job, threshold
        self.tiles = model.geometry.plan(image.height, image.width, job["tile_size"])
        layers = {"probabilities": model.config["num_classes"]}
        self.planes = {
            name: Plane(
                partial.folder / f"{name}.raw",
                (layers.get(name, 1), image.height, image.width),
                np.uint8 if name == "mask" else np.float32,
            )
            for name in job["planes"]
        }
        self.notes: list[str] = []

    def count(self, num_classes: int) -> dict[int, int]:
        """Returns the number of pixels of each class id, of those that hold data."""
        counts = np.zeros(num_classes, np.int64)
        mask, top = self.planes["mask"], 0
        for band in mask.bands(0, max(1, BAND_PIXELS // mask.shape[2])):
            valid = self.prepared.valid(slice(top, top + len(band)), slice(0, mask.shape[2]))
            known = band.ravel() if valid is None else band[valid]
            counts += np.bincount(known, minlength=num_classes)
            top += len(band)
        return dict(enumerate(counts.tolist()))

    def _continue_or_begin(self, resume: bool) -> None:
        """Continues what an earlier run of the same job has left, or begins."""
        partial = self.partial
        complete = all(plane.exists() for plane in self.planes.values())
        if resume and complete and partial.job == self.job:
            done = len(partial.finished)
            self.notes.append(f"gone on with a run that had {done} of {len(self.tiles)} tiles")
            return
        if partial.job is not None:
            changed = [key for key in self.job if partial.job.get(key) != self.job[key]]
            differences = dict.fromkeys(DIFFERENCES[key] for key in changed)
            reason = f"had {', '.join(differences)}" if changed else "was not wanted or incomplete"
            self.notes.append(f"an unfinished run {reason}: started from the beginning")
        partial.begin(self.job, self.planes.values())

    def run(self, resume: bool, progress: Callable[[int, int], None] | None) -> None:
        """Predicts the tiles that are not finished.

        Raises:
            ImageError, PrecisionError, OSError: And what `progress` raises.
        """
        self._continue_or_begin(resume)
        finished = self.partial.finished
        todo = [number for number in range(len(self.tiles)) if number not in finished]
        predictions = predict_tiles(
            self.model,
            self.prepared,
            [self.tiles[number] for number in todo],
            threshold=self.threshold,
            precision=self.job["precision"],
            tta=self.job["tta"],
            tile_size=self.job["tile_size"],
            whole=self.job["whole"],
            progress=progress,
            done=len(self.tiles) - len(todo),
        )
        # In sequence: threads that read ahead and write behind gained nothing on two cores, as the
        # network keeps both busy.
        for prediction, number in zip(predictions, todo, strict=True):
            self._write(number, prediction)

    def _write(self, number: int, prediction: TilePrediction) -> None:
        for name, plane in self.planes.items():
            values = self._values(name, prediction)
            plane.write(prediction.tile.rows, prediction.tile.columns, values)
        self.partial.add(number)

    def _values(self, plane: str, prediction: TilePrediction) -> np.ndarray:
        """Returns what a plane holds of a tile, (layers, h, w)."""
        if plane == "probabilities":
            return prediction.probabilities
        if plane == "confidence":  # the probability of a pixel's own class
            index = prediction.mask[None].astype(np.intp)
            return np.take_along_axis(prediction.probabilities, index, axis=0)
        if plane == "height":
            maps = np.ascontiguousarray(prediction.object_maps)
            inside = 1 - prediction.probabilities[0] if self.model.walled else None
            return height_map(maps, self.model.object_channels, inside)[None]
        return getattr(prediction, plane)[None]


def predict_into_files(
    model: Network,
    prepared: PreparedImage,
    partial: PartialResult,
    jobs: list[dict[str, Any]],
    threshold: float | None,
    *,
    resume: bool,
    progress: Callable[[int, int], None] | None,
) -> Prediction:
    """Runs the first of these jobs whose precision can hold the network's values.

    The jobs are of the same image and differ in precision.
    """
    if resume and partial.job == jobs[-1]:  # an earlier run has found that the others cannot
        jobs = jobs[-1:]
    *narrow, last = [Prediction(model, prepared, partial, job, threshold) for job in jobs]
    try:
        for prediction in narrow:
            try:
                prediction.run(resume, progress)
                return prediction
            except PrecisionError:
                partial.job = None  # its tiles are useless, and need no note
        last.run(resume, progress)
        return last
    except ImageError:  # the file is damaged: its tiles will not be needed again
        partial.remove()
        raise
    except BaseException:
        if not partial.finished:
            partial.remove()
        raise
