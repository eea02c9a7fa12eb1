"""The objects of one frame as the linking sees them: areas, centres and pixels."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Cells:
    """n objects of a frame, or of several frames after `join`.

    ids: (n,) int64, the values of their pixels in the frame, ascending within a frame.
    areas: (n,) float64, pixels.
    centers: (n, 2) float64, y and x in pixels; the centre of the first pixel is (0, 0).
    at_border: (n,) bool, whether they touch the border of the frame.
    pixels: (p, 2) int32, y and x of all their pixels, object by object.
    """

    ids: np.ndarray
    areas: np.ndarray
    centers: np.ndarray
    at_border: np.ndarray
    pixels: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def sizes(self) -> np.ndarray:
        """The size of each object, (n,) pixels: the side of a square of its area.

        Distances are counted in sizes, so that the options fit any magnification.
        """
        return np.sqrt(self.areas)

    @property
    def owners(self) -> np.ndarray:
        """For each of `pixels`, the index of its object."""
        return np.repeat(np.arange(len(self)), self.areas.astype(np.int64))

    def take(self, which: np.ndarray) -> "Cells":
        """Returns some of them. which: (n,) bool."""
        return Cells(
            self.ids[which],
            self.areas[which],
            self.centers[which],
            self.at_border[which],
            self.pixels[which[self.owners]],
        )

    def moved(self, by: np.ndarray) -> "Cells":
        """Returns them elsewhere: each is moved by its row of `by`, (n, 2) pixels."""
        whole = np.rint(by).astype(np.int32)
        return Cells(
            self.ids,
            self.areas,
            self.centers + by,
            self.at_border,
            self.pixels + whole[self.owners],
        )

    def join(self, others: "Cells") -> "Cells":
        """Returns these, and then the others."""
        pairs = zip(vars(self).values(), vars(others).values(), strict=True)
        return Cells(*(np.concatenate(pair) for pair in pairs))


def cells_of(frame: np.ndarray) -> Cells:
    """Measures the objects of a frame. frame: (H, W) of any integer type, 0 for none."""
    y, x = np.nonzero(frame)
    values = frame[y, x].astype(np.int64)
    order = np.argsort(values, kind="stable")
    y, x, values = y[order], x[order], values[order]
    ids, owners, areas = np.unique(values, return_inverse=True, return_counts=True)
    count, (height, width) = len(ids), frame.shape
    sums = [np.bincount(owners, axis, count) for axis in (y, x)]
    edge = (y == 0) | (x == 0) | (y == height - 1) | (x == width - 1)
    return Cells(
        ids=ids,
        areas=areas.astype(float),
        centers=np.stack(sums, 1) / np.maximum(areas, 1)[:, None],
        at_border=np.bincount(owners, edge, count) > 0,
        pixels=np.stack([y, x], 1).astype(np.int32),
    )


def overlaps(cells: Cells, others: Cells, shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Counts the pixels that two sets of objects share.

    Returns the pairs that share any: indices into `cells`, indices into `others`, and pixels,
    (k,) each. Pixels of `cells` may lie outside of the frame, whose height and width `shape` is;
    those of `others` lie within it and belong to one object each.
    """
    picture = np.zeros(shape, np.int64)  # index + 1
    picture[others.pixels[:, 0], others.pixels[:, 1]] = others.owners + 1
    within = ((cells.pixels >= 0) & (cells.pixels < shape)).all(1)
    y, x = cells.pixels[within].T
    pairs = cells.owners[within] * (len(others) + 1) + picture[y, x]
    pairs, counts = np.unique(pairs[picture[y, x] > 0], return_counts=True)
    source, target = np.divmod(pairs, len(others) + 1)
    return source, target - 1, counts.astype(float)
