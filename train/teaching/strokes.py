"""`Stroke`: what somebody has painted, and which pixels it covers.

The page of the demo draws strokes by the same rule in JavaScript. Hence everything is in integers,
quarters of a pixel: the centre of the pixel in column j and row i is at (4 j + 2, 4 i + 2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unet_hf.data.detect_encoding import IGNORE
from unet_hf.errors import ConfigError

QUARTERS = 4  # to a pixel
MOST_STROKES = 2000  # of an image
MOST_POINTS = 4000  # of a stroke
MOST_RADIUS = 256 * QUARTERS
LONGEST = 1024  # quarters between two points: their products are exact in JavaScript, too


@dataclass(frozen=True)
class Stroke:
    """A line of some thickness that says of its pixels to which class they belong.

    class_id: 0 to 254; IGNORE (255) takes away what was painted before.
    radius: A pixel is covered if its centre is at most so far from the line, quarters of a pixel.
    points: (n, 2) int64, x and y of the points of the line, quarters of a pixel. One: a dot.
    """

    class_id: int
    radius: int
    points: np.ndarray

    def covers(self, size: tuple[int, int]) -> tuple[slice, slice, np.ndarray]:
        """Finds the covered pixels of an image of this height and width.

        Returns:
            Rows and columns of a box, and its pixels, (h, w) bool. The box may be empty.
        """
        low = np.maximum((self.points.min(axis=0) - self.radius) // QUARTERS, 0)
        high = (self.points.max(axis=0) + self.radius) // QUARTERS + 1
        columns, rows = (
            slice(int(start), int(max(start, min(stop, side))))
            for start, stop, side in zip(low, high, reversed(size), strict=True)
        )
        covered = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
        if not covered.size:
            return rows, columns, covered
        first = np.array([columns.start, rows.start])
        starts = self.points
        ends = np.concatenate([starts[1:], starts[-1:]])
        for start, end in zip(starts, ends, strict=True):
            self._cover_segment(covered, first, start, end)
        return rows, columns, covered

    def _cover_segment(
        self, covered: np.ndarray, first: np.ndarray, start: np.ndarray, end: np.ndarray
    ) -> None:
        """Adds the pixels near a segment; `first`: column and row of the first pixel."""
        low = (np.minimum(start, end) - self.radius) // QUARTERS - first
        high = (np.maximum(start, end) + self.radius) // QUARTERS + 1 - first
        (left, top), (right, bottom) = np.maximum(low, 0), np.maximum(high, 0)
        part = covered[top:bottom, left:right]  # a view
        height, width = part.shape
        x = QUARTERS * (first[0] + left + np.arange(width)) + 2
        y = QUARTERS * (first[1] + top + np.arange(height))[:, None] + 2
        along_x, along_y = end - start
        length = along_x**2 + along_y**2  # squared, as all that follows
        to_x, to_y = x - start[0], y - start[1]
        along = to_x * along_x + to_y * along_y
        across = along_x * to_y - along_y * to_x
        reach = self.radius**2
        part |= np.where(
            along <= 0,
            to_x**2 + to_y**2 <= reach,
            np.where(
                along >= length,
                (x - end[0]) ** 2 + (y - end[1]) ** 2 <= reach,
                across**2 <= reach * length,
            ),
        )


def raster(strokes: Sequence[Stroke], size: tuple[int, int]) -> np.ndarray:
    """Draws strokes one after the other: (H, W) uint8, IGNORE where nothing is painted.

    size: Height and width of the image. Where strokes cross, the later one counts.
    """
    label = np.full(size, IGNORE, np.uint8)
    for stroke in strokes:
        rows, columns, covered = stroke.covers(size)
        label[rows, columns][covered] = stroke.class_id
    return label


def read_strokes(given: Any, classes: int) -> list[Stroke]:
    """Reads strokes as the page sends and stores them.

    Args:
        given: A list of `{"class": 1, "radius": 20, "points": [x0, y0, x1, y1, ...]}`, integers in
            quarters of a pixel; class 255 is the eraser.
        classes: Number of classes that may be painted.

    Raises:
        ConfigError: It is something else, or too much; the message says what was seen.
    """
    if not isinstance(given, list):
        raise ConfigError(f"Strokes are a list, but this is {type(given).__name__}.")
    if len(given) > MOST_STROKES:
        raise ConfigError(
            f"There are {len(given)} strokes; an image can have {MOST_STROKES}. Paint fewer, "
            "thicker ones."
        )
    return [_read(stroke, classes, number) for number, stroke in enumerate(given)]


def _read(given: Any, classes: int, number: int) -> Stroke:
    what = f"Stroke {number}, counted from 0,"
    try:
        class_id, radius = int(given["class"]), int(given["radius"])
        points = np.asarray(given["points"], dtype=np.int64).reshape(-1, 2)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ConfigError(
            f'{what} cannot be read. Expected: {{"class": a number, "radius": a number, '
            '"points": [x0, y0, x1, y1, ...]}, in quarters of a pixel.'
        ) from None
    if class_id != IGNORE and not 0 <= class_id < classes:
        raise ConfigError(
            f"{what} is of class {class_id}; there are the classes 0 to {classes - 1}."
        )
    if not 1 <= radius <= MOST_RADIUS:
        raise ConfigError(
            f"{what} has the radius {radius}; 1 to {MOST_RADIUS} quarters of a pixel."
        )
    if not 1 <= len(points) <= MOST_POINTS:
        raise ConfigError(f"{what} has {len(points)} points; 1 to {MOST_POINTS} can be read.")
    if np.abs(points).max() > 2**24 or (np.abs(np.diff(points, axis=0)) > LONGEST).any():
        raise ConfigError(
            f"{what} has points that are more than {LONGEST} quarters of a pixel apart, or outside "
            "of any image."
        )
    return Stroke(class_id, radius, points)


def as_json(strokes: Sequence[Stroke]) -> list[dict[str, Any]]:
    """What `read_strokes` reads."""
    return [
        {
            "class": stroke.class_id,
            "radius": stroke.radius,
            "points": stroke.points.ravel().tolist(),
        }
        for stroke in strokes
    ]
