"""`track`: segments a film frame by frame, and follows its objects."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..files import exclusive_writer
from ..hashes import model_sha256
from ..images.image_data import ImageData
from ..images.pixel_size import PixelSize
from ..network.network import Network
from ..predict.segment import segment
from ..tracking import link
from ..tracking.tracks import Measures
from .frames import FilmSource, Frames, open_film
from .kept_objects import KeptObjects, make_folder
from .linking import settled_linking
from .outputs import DEFAULT_FILM_OUTPUTS, checked_film_outputs, remove_others
from .tracked import TrackedFilm

NOTHING = (
    "no object was found in any frame: these images may be unlike those that the checkpoint knows"
)


def track(
    model: Network,
    source: FilmSource,
    *,
    output: str | os.PathLike | None = None,
    axes: str | None = None,
    channel: int | None = None,
    threshold: float | None = None,
    tile_size: int | None = None,
    precision: str = "auto",
    objects: Mapping[str, Any] | None = None,
    linking: Mapping[str, Any] | None = None,
    only: Collection[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> TrackedFilm:
    """Segments a film and follows its objects; see `UNet.track`."""
    only = checked_film_outputs(DEFAULT_FILM_OUTPUTS if only is None else only)
    linking, how = settled_linking(model.config.get("tracking"), linking or {})
    film = open_film(source, axes=axes, channel=channel)
    find = {"threshold": threshold, "tile_size": tile_size, "precision": precision}
    asked = dict(objects or {})
    size = PixelSize.of(asked.pop("pixel_size", None)) or film.first.pixel_size
    folder = None if output is None else Path(output)
    if folder is not None:
        make_folder(folder)
    with exclusive_writer(folder) if folder is not None else nullcontext():
        kept = None
        if folder is not None:
            record = {
                "film": film.name, "fingerprint": film.fingerprint(), "frames": film.count,
                "axes": film.first.axes, "channel": channel,
                "checkpoint": model_sha256(model), **find,
                "objects": {name: asked[name] for name in sorted(asked)},
            }  # fmt: skip
            kept = KeptObjects(folder, film.count, record)
        found = _Found(model, film, find, asked, kept, progress)
        tracks = link(found if kept is not None else iter(found), **linking)
        notes = (*film.notes, *(how if len(tracks) else (NOTHING,)))
        tracked = TrackedFilm(film.name, tracks, size, found.measures(), notes, film)
        if folder is not None:
            remove_others(folder, only)
            tracked.save(folder, only=only)
    return tracked


class _Found(Sequence):
    """The objects of each frame, found when it is asked for unless a file has them already."""

    def __init__(
        self,
        model: Network,
        film: Frames,
        find: Mapping[str, Any],
        objects: Mapping[str, Any],
        kept: KeptObjects | None,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._model, self._film, self._find, self._objects = model, film, find, objects
        self._kept, self._progress = kept, progress
        self._intensities: list[np.ndarray] = []  # of each frame, (n, channels)

    def __len__(self) -> int:
        return self._film.count

    def __iter__(self) -> Iterator[np.ndarray]:
        for index in range(len(self)):
            image = self._film.read(index)
            labels = self._found(index, image)
            self._intensities.append(mean_intensities(labels, image.pixels))
            yield labels
            self._tell(index + 1)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._found(index, None)

    def measures(self) -> Measures:
        """See `TrackedFilm`; after all frames have been gone through."""
        channels = self._intensities[0].shape[1]
        names = ["intensity"] if channels == 1 else [f"intensity_{n}" for n in range(channels)]
        return {
            name: [found[:, channel] for found in self._intensities]
            for channel, name in enumerate(names)
        }

    def _found(self, index: int, image: ImageData | None) -> np.ndarray:
        if self._kept is not None and self._kept.has(index):
            return self._kept[index]
        labels = self._find_in(index, image or self._film.read(index))
        if self._kept is not None:
            self._kept.keep(index, labels)
        return labels

    def _find_in(self, index: int, image: ImageData) -> np.ndarray:
        first = self._film.first
        if (image.height, image.width) != (first.height, first.width):
            raise ShapeError(
                f"Frame {index} ({image.source}) has {image.height} x {image.width} pixels, and "
                f"the first {first.height} x {first.width}. The frames of a film have one size; "
                "pad or crop them."
            )
        result = segment(
            self._model, image, progress=lambda done, total: self._tell(index), **self._find
        )
        return result.objects(**self._objects).instances()

    def _tell(self, done: int) -> None:
        if self._progress:
            self._progress(done, len(self))


def mean_intensities(labels: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Of each object, in the order of their numbers, and channel: (n, C) float64.

    labels: (H, W) integers, 0 for none. pixels: (H, W, C).
    """
    ids, which = np.unique(labels, return_inverse=True)
    which = which.ravel()
    counts = np.bincount(which)
    sums = [np.bincount(which, channel.ravel()) for channel in np.moveaxis(pixels, 2, 0)]
    return (np.stack(sums, axis=1) / counts[:, None])[ids > 0]
