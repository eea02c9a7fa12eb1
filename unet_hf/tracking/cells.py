"""The objects of one frame as the linking sees them: areas, centres, and runs of pixels."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Cells:
    """n objects of a frame, or of several frames after `join`.

    ids: (n,) int64, the values of their pixels in the frame, ascending within a frame.
    areas: (n,) float64, pixels.
    centers: (n, 2) float64, y and x in pixels; the centre of the first pixel is (0, 0).
    at_border: (n,) bool, whether they touch the border of the frame.
    runs: (r, 3) int64, their pixels as parts of rows: y, the first x, and the x behind the last.
        There are several times fewer runs than pixels.
    owners: (r,) int64, for each of `runs` the index of its object.
    """

    ids: np.ndarray
    areas: np.ndarray
    centers: np.ndarray
    at_border: np.ndarray
    runs: np.ndarray
    owners: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def sizes(self) -> np.ndarray:
        """The size of each object, (n,) pixels: the side of a square of its area.

        Distances are counted in sizes, so that the options fit any magnification.
        """
        return np.sqrt(self.areas)

    def take(self, which: np.ndarray) -> "Cells":
        """Returns some of them. which: (n,) bool."""
        kept = which[self.owners]
        return Cells(
            self.ids[which],
            self.areas[which],
            self.centers[which],
            self.at_border[which],
            self.runs[kept],
            (np.cumsum(which) - 1)[self.owners[kept]],
        )

    def moved(self, by: np.ndarray) -> "Cells":
        """Returns them elsewhere: each is moved by its row of `by`, (n, 2) pixels."""
        whole = np.rint(by).astype(np.int64)[:, [0, 1, 1]]
        return replace(self, centers=self.centers + by, runs=self.runs + whole[self.owners])

    def within(self, shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
        """Returns what of the runs lies in a frame: y, first x, x behind the last, and owner."""
        y, begin, end = self.runs.T
        begin, end = begin.clip(0, shape[1]), end.clip(0, shape[1])
        inside = (y >= 0) & (y < shape[0]) & (begin < end)
        return y[inside], begin[inside], end[inside], self.owners[inside]

    def join(self, others: "Cells") -> "Cells":
        """Returns these, and then the others."""
        others = replace(others, owners=others.owners + len(self))
        pairs = zip(vars(self).values(), vars(others).values(), strict=True)
        return Cells(*(np.concatenate(pair) for pair in pairs))


def cells_of(frame: np.ndarray) -> Cells:
    """Measures the objects of a frame; their runs are in the order of the picture.

    frame: (H, W) of any integer type, 0 for none.
    """
    height, width = frame.shape
    begins = np.ones(frame.shape, bool)  # where a row begins, or the value changes
    begins[:, 1:] = frame[:, 1:] != frame[:, :-1]
    y, x = np.nonzero(begins)
    values = frame[y, x]
    end = np.append(x, width)[1:]
    end[end == 0] = width  # the next run is in the next row
    runs, values = np.stack([y, x, end], 1)[values > 0], values[values > 0].astype(np.int64)
    ids, owners = np.unique(values, return_inverse=True)
    (y, x, end), count = runs.T, len(ids)
    lengths = end - x
    areas = np.bincount(owners, lengths, count)
    sums = [np.bincount(owners, lengths * axis, count) for axis in (y, (x + end - 1) / 2)]
    edge = (y == 0) | (x == 0) | (y == height - 1) | (end == width)
    return Cells(
        ids=ids,
        areas=areas,
        centers=np.stack(sums, 1) / np.maximum(areas, 1)[:, None],
        at_border=np.bincount(owners, edge, count) > 0,
        runs=runs,
        owners=owners,
    )


def overlaps(cells: Cells, others: Cells, shape: tuple[int, int]) -> tuple[np.ndarray, ...]:
    """Counts the pixels that two sets of objects share.

    Returns the pairs that share any: indices into `cells`, indices into `others`, and pixels,
    (k,) each. Pixels of `cells` may lie outside of the frame, whose height and width `shape` is;
    `others` are those of a frame, as `cells_of` gives them.
    """
    y, begin, end, owners = cells.within(shape)
    # Places in the frame, row behind row: there, the runs of `others` ascend and are apart.
    begin, end = y * shape[1] + begin, y * shape[1] + end
    y, other_begin, other_end = others.runs.T
    other_begin, other_end = y * shape[1] + other_begin, y * shape[1] + other_end
    first = np.searchsorted(other_end, begin, "right")
    counts = np.searchsorted(other_begin, end, "left") - first
    run = np.repeat(np.arange(len(begin)), counts)
    other = np.arange(len(run)) + np.repeat(first - np.cumsum(counts) + counts, counts)
    shared = np.minimum(end[run], other_end[other]) - np.maximum(begin[run], other_begin[other])
    pairs = owners[run] * len(others) + others.owners[other]
    pairs, which = np.unique(pairs, return_inverse=True)
    source, target = np.divmod(pairs, max(len(others), 1))
    return source, target, np.bincount(which, shared, len(pairs))
