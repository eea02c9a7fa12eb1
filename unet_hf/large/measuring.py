"""Measures of the objects of a large image, each from a window that holds it whole."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..images.image_data import ALPHA_KEPT, ImageData
from ..images.pixel_size import PixelSize
from ..objects.counts import write_head, write_rows
from ..objects.measures import Column, measure
from .partial_result import Plane
from .prediction import Prediction

WINDOW = 512  # px: objects that begin in a square of this side are measured at once
MEASURING_BYTES = 64  # that a pixel of a large object's box needs while it is measured
# Columns that are kept in memory, for summaries: 8 bytes for each object and column.
KEPT_COLUMNS = ("id", "class_id", "touches_border")


class InstancePlane(Plane):
    """The ids of objects, looked up while the plane of their pieces is read."""

    def __init__(self, pieces: Plane, ids: np.ndarray) -> None:
        """ids: (n + 1,) the id of each piece's object, by the number of the piece."""
        kind = np.uint16 if ids.max() < 2**16 else np.uint32
        super().__init__(pieces.path, pieces.shape, kind)
        self._pieces, self._ids = pieces, ids.astype(kind)

    def read(self, layer: int, rows: slice, columns: slice) -> np.ndarray:
        return self._ids[self._pieces.read(layer, rows, columns)]


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """Where the objects of a large image are, in the order of ids.

    boxes: (n, 4) upper, left, lower and right edge. touching: (n,) bool, at the image's border.
    """

    instances: InstancePlane
    boxes: np.ndarray
    touching: np.ndarray


class Measuring:
    """Measures objects, each from a window that holds it whole."""

    def __init__(
        self,
        prediction: Prediction,
        found: FoundObjects,
        image: ImageData,
        pixel_size: PixelSize | None,
    ) -> None:
        self._prediction, self._found = prediction, found
        self._image, self._pixel_size = image, pixel_size

    def write(self, path: Path) -> tuple[tuple[Column, ...], dict[str, np.ndarray]]:
        """Writes the table as CSV, row by row; returns the columns and those that are kept."""
        none = np.zeros(0, np.int64)
        columns, table = self._measure(none, slice(0, 1), slice(0, 1))
        areas = [name for name in table if name.startswith("area_")]
        means = [name for name in table if name.startswith("mean_intensity")]
        names = [*KEPT_COLUMNS, *areas, *means]
        kept = {name: [table[name]] for name in names}
        with path.open("w", encoding="utf-8", newline="\n") as file:
            write_head(file, table)
            for group in windows(self._found.boxes):
                tables = [self._measure(*window)[1] for window in group]
                order = np.argsort(np.concatenate([each["id"] for each in tables]))
                joined = {
                    name: np.concatenate([each[name] for each in tables])[order] for name in table
                }
                write_rows(file, joined)
                for name in names:
                    kept[name].append(joined[name])
        return columns, {name: np.concatenate(parts) for name, parts in kept.items()}

    def _measure(
        self, objects: np.ndarray, rows: slice, columns: slice
    ) -> tuple[tuple[Column, ...], dict[str, np.ndarray]]:
        """objects: (k,) ascending numbers of those in this window that are measured, from 0."""
        planes = self._prediction.planes
        own = planes["confidence"].read(0, rows, columns)
        pixels = self._image.pixels[
            np.ix_(np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop))
        ]
        id2label = self._prediction.model.id2label
        measured, table = measure(
            numbered(self._found.instances.read(0, rows, columns), objects + 1),
            planes["mask"].read(0, rows, columns),
            np.broadcast_to(own, (len(id2label), *own.shape)),  # only that of the own class is read
            replace(self._image, pixels=pixels),
            id2label,
            self._pixel_size,
            origin=(rows.start, columns.start),
            touching=self._found.touching[objects],
        )
        table["id"] = objects + 1
        return measured, table


def numbered(window: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Returns (h, w) int32: 1 to k for these k ascending ids, and 0 for all others."""
    if not ids.size:
        return np.zeros(window.shape, np.int32)
    number = np.searchsorted(ids, window).clip(max=ids.size - 1)
    return np.where(ids[number] == window, number + 1, 0).astype(np.int32)


def windows(boxes: np.ndarray) -> Iterator[list[tuple[np.ndarray, slice, slice]]]:
    """Yields groups of windows: numbers of objects that each holds whole, from 0, rows, columns.

    The ids of a group are less than those of the next. An object that is larger than `WINDOW` has a
    window of its own.
    """
    tops = boxes[:, 0]  # ascending, as ids are in the order of first pixels
    first = 0
    while first < len(boxes):
        last = np.searchsorted(tops, (tops[first] // WINDOW + 1) * WINDOW)
        objects = np.arange(first, last)
        sides = (boxes[objects, 2:] - boxes[objects, :2]).max(axis=1)
        alone = objects[sides > WINDOW]
        others = objects[sides <= WINDOW]
        place = boxes[others, 1] // WINDOW
        together = [others[place == each] for each in np.unique(place)]
        yield [_window(boxes, each) for each in (*together, *alone[:, None])]
        first = last


def _window(boxes: np.ndarray, objects: np.ndarray) -> tuple[np.ndarray, slice, slice]:
    top, left = boxes[objects, :2].min(axis=0).tolist()
    bottom, right = boxes[objects, 2:].max(axis=0).tolist()
    return objects, slice(top, bottom), slice(left, right)


def notes_on_windows(boxes: np.ndarray) -> list[str]:
    """Returns a note if an object was so large that its measuring needed much memory."""
    height, width = (boxes[:, 2:] - boxes[:, :2]).T
    pixels = height * width
    if pixels.max(initial=0) <= (2 * WINDOW) ** 2:
        return []
    largest = pixels.argmax()
    return [
        f"the largest object is {width[largest]} x {height[largest]} px; measuring it took about "
        f"{pixels[largest] * MEASURING_BYTES / 2**20:.0f} MB"
    ]


def without_alpha(image: ImageData) -> ImageData:
    """Returns an image without the alpha channel that a network may have asked for.

    It is not measured when the image is read as a whole, either.
    """
    if ALPHA_KEPT not in image.notes:
        return image
    return replace(image, pixels=_Channels(image.pixels, image.channels - 1))


class _Channels:
    """The first channels of pixels that are read by windows."""

    def __init__(self, pixels: Any, count: int) -> None:
        self.shape, self.dtype = (*pixels.shape[:2], count), pixels.dtype
        self._pixels = pixels

    def __getitem__(self, key: Any) -> np.ndarray:
        return self._pixels[key][..., : self.shape[2]]
