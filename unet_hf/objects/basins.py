"""Parts a mask into objects along the valleys of a height map, by looking at neighbours only.

Each pixel points at the highest of its neighbours that is higher than itself. Where the pointers
end is a summit, and the pixels that lead there are its basin. Two basins that touch are joined by a
pass: the highest way from one to the other. A basin whose summit is too low to be an object of its
own is merged into the neighbour behind its highest pass.

This is a watershed. That of scikit-image floods from all seeds at once, in an order that depends on
the whole image. Here a pixel's pointer depends on its four neighbours only, so that blocks of a
large image give exactly the basins of the whole image (see `bands`), and another seed height needs
no new look at the pixels.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .passes import Passes, is_no_object, number_joined


@dataclass(frozen=True, eq=False)
class Basins:
    """The basins of a mask and the passes between them.

    labels: (H, W) int32, 0 outside, else 1 to n, in the order of first pixels, row by row.
    summits: (n,) float32, the height of each basin's highest pixel.
    passes: Those that matter: a forest, from the highest to the lowest.

    Of a band of rows of a larger image, these are the pieces of basins that lie in it, and there is
    more to say; of a whole image, all of it is false:

    leads_up, leads_down: (W,) bool, the pixels of the first and the last row that point out of it.
    open: (n,) bool, basins that touch pixels of their group outside.
    """

    labels: np.ndarray
    summits: np.ndarray
    passes: Passes
    leads_up: np.ndarray
    leads_down: np.ndarray
    open: np.ndarray

    @classmethod
    def find(
        cls, group: np.ndarray, height: np.ndarray, *, above: int = 0, below: int = 0
    ) -> "Basins":
        """Finds the basins of a height map.

        Args:
            group: (H, W) whole numbers: 0 outside; pixels of different groups do not touch.
            height: (H, W) float32.
            above, below: 0 or 1, the number of rows at the top and bottom that are not part of the
                band; they say where its first and last row lead.
        """
        width, stride = group.shape[1], group.shape[1] + 1
        rows = slice(above, len(group) - below)
        # Framed, so that each pixel has four neighbours. What is left of the first column is the
        # frame right of the row before.
        framed = [np.pad(each, ((1, 1), (0, 1))).ravel() for each in (group, height)]
        start, stop = (1 + rows.start) * stride, (1 + rows.stop) * stride
        pixels = start + np.flatnonzero(framed[0][start:stop])
        target = highest_neighbours(pixels, *framed, stride)

        of_pixel, summits = _follow(pixels, target, framed[1])
        labels = np.zeros(framed[0].size, np.int32)
        labels[pixels] = of_pixel + 1
        passes = _touching(pixels, labels, *framed, stride, start)
        labels = labels[start:stop].reshape(-1, stride)[:, :width]
        leads = np.zeros((2, width), bool)
        leads[0, target[target < start] % stride] = True
        leads[1, target[target >= stop] % stride] = True
        is_open = np.zeros(summits.size + 1, bool)
        for there, line in ((above - 1, 0), (len(group) - below, -1)):
            if 0 <= there < len(group):
                is_open[labels[line][group[there] == group[rows][line]]] = True
        return cls(
            np.ascontiguousarray(labels), summits, passes.forest(summits.size), *leads, is_open[1:]
        )

    @cached_property
    def lower_summits(self) -> np.ndarray:
        """See `Passes.lower_summits`. Needs no seed, so that another one is quickly tried."""
        return self.passes.lower_summits(self.summits)

    def merge(self, seed: float, prominence: float) -> np.ndarray:
        """Returns the object of each basin, (n,) int32 from 0, in the order of first pixels.

        The two objects that a pass joins become one if the lower of their summits is below `seed`,
        or rises less than `prominence` above the pass.
        """
        joined = is_no_object(self.lower_summits, self.passes.heights, seed, prominence)
        return number_joined(self.passes[joined].pairs, self.summits.size)

    def certain(self, seed: float, prominence: float) -> tuple["np.ndarray", Passes]:
        """Merges what is one object whatever lies outside this band; see `merge`.

        An open basin may go on to any height outside. A pass is certain to join if one of its sides
        has no open basin and is no object. It is certain not to if both sides are objects already.

        Returns:
            The piece of each basin, (n,) int32 from 0, in the order of first pixels, and the
            passes between pieces that are not certain.
        """
        passes = self.passes
        highest = passes.lower_summits(np.where(self.open, np.float32(np.inf), self.summits))
        joined = is_no_object(highest, passes.heights, seed, prominence)
        undecided = is_no_object(self.lower_summits, passes.heights, seed, prominence) & ~joined
        pieces = number_joined(passes[joined].pairs, self.summits.size)
        return pieces, passes[undecided].between(pieces)


def highest_neighbours(
    pixels: np.ndarray, group: np.ndarray, height: np.ndarray, stride: int
) -> np.ndarray:
    """Returns for each pixel the one among itself and its four neighbours that is highest.

    Of two equal heights, the pixel that comes first row by row is the higher one.

    Args:
        pixels: (n,) int64, indices into the other two.
        group, height: (H * stride,), framed, so that all neighbours exist.
    """
    best = np.full(pixels.size, -np.inf, np.float32)
    target = pixels.copy()
    own = group[pixels]
    for step in (-stride, -1, 0, 1, stride):  # the first of equals is kept
        there = pixels + step
        value = height[there]
        higher = (value > best) & (group[there] == own)
        np.copyto(best, value, where=higher)
        np.copyto(target, there, where=higher)
    return target


def _follow(
    pixels: np.ndarray, target: np.ndarray, height: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Follows all pointers to their ends.

    Returns:
        The basin of each pixel, (n,) int32 from 0, in the order of first pixels, and the height of
        each basin's end. A pointer to what is not among `pixels` is not followed.
    """
    index = np.arange(pixels.size, dtype=np.int32)
    number = np.full(height.size, -1, np.int32)
    number[pixels] = index
    end = number[target]
    np.copyto(end, index, where=end < 0)
    while not np.array_equal(further := end[end], end):
        end = further
    first = np.empty_like(index)
    first[end[::-1]] = index[::-1]  # in reverse, so that a basin's first pixel is assigned last
    first = first[end]
    begins = first == index
    rank = np.cumsum(begins, dtype=np.int32) - np.int32(1)
    return rank[first], height[pixels[end[begins]]].astype(np.float32)


def _touching(
    pixels: np.ndarray,
    labels: np.ndarray,
    group: np.ndarray,
    height: np.ndarray,
    stride: int,
    start: int,
) -> Passes:
    """Returns the places where pixels of two basins touch; several of two basins."""
    found: list[Passes] = []
    for down, step in enumerate((1, stride)):
        there = pixels + step
        meet = (labels[pixels] != labels[there]) & (labels[there] > 0)
        meet &= group[pixels] == group[there]
        here, there = pixels[meet], there[meet]
        row, column = np.divmod(here - start, stride)
        found.append(
            Passes(
                np.stack([labels[here], labels[there]], axis=1).astype(np.int64) - 1,
                np.minimum(height[here], height[there]).astype(np.float32),
                places(row, column, stride - 1, down),
            )
        )
    return Passes.joined(found)


def places(row: np.ndarray | int, column: np.ndarray | int, width: int, down: int) -> np.ndarray:
    """Returns numbers that order pairs of touching pixels: the first one's, row by row.

    down: 0 for a pixel and its right neighbour, 1 for the one below.
    """
    return 2 * (row * width + column) + down
