"""Tiling: the overlap-tile strategy (Ronneberger et al. 2015, section 1 and figure 2).

A large image is predicted tile by tile. Each tile sees a window larger than itself, so that
every output pixel has its full context; where the window leaves the image, the missing
context is mirrored. The result equals that of one pass over the whole image, to the bit, unless
that pass takes another way for some layers (`engine.winograd`, `engine.merged`), which rounds
differently, or a matrix unit computes in half precision: it adds in an order that depends on the
window's size.

Two geometries share one plan:

* ``padding="valid"``: the network itself trims the context. 572 px in, 388 px out: a margin
  of 92 px at each side.
* ``padding="same"``: the network keeps the size, and a pixel closer to a tile's cut edge
  than the receptive field reaches would see zeros instead of its neighbours. The window
  therefore has a halo (96 px at depth 4) that is discarded afterwards. The image's own edges
  are no cuts: there the tile sees what the whole image would see.

Max pooling works on a grid of 2**depth pixels, so every window starts on this grid.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..errors import ConfigError
from ..images.preprocessing import PreparedImage


def mirrored(start: int, stop: int, size: int) -> np.ndarray:
    """Returns the indices ``start ... stop - 1``, mirrored into ``0 ... size - 1``.

    The border pixel itself is not repeated: ``mirrored(-2, 3, 5)`` is ``[2, 1, 0, 1, 2]``.
    Works for any overhang, also one larger than the image. Returns (stop - start,) int64.
    """
    if size == 1:
        return np.zeros(stop - start, np.int64)
    period = 2 * (size - 1)
    folded = np.arange(start, stop) % period
    return np.minimum(folded, period - folded)


def round_up(size: int, multiple: int) -> int:
    """Returns the smallest multiple of `multiple` that is at least `size`."""
    return -(-size // multiple) * multiple


def receptive_reach(depth: int, upsampling: str) -> int:
    """Returns how far outside a block of pixels a same-padded network looks, in pixels.

    The block starts and ends on the 2**depth grid. The loop goes backwards from the output: each
    pair of 3x3 convolutions adds 2 px of its own level, each upsampling halves the reach
    (bilinear interpolation adds a neighbour), and each pooling doubles it.
    """
    reach = 0
    for _ in range(depth):  # expansive path, from the output down to the bottleneck
        reach += 2
        reach = reach // 2 + 1 if upsampling == "bilinear" else -(-reach // 2)
    reach += 2  # bottleneck
    for _ in range(depth):  # contracting path, back up to the input
        reach = 2 * reach + 2
    return reach


@dataclass(frozen=True)
class Tile:
    """One tile of a plan, in pixels of the image; its window may leave the image on any side."""

    rows: slice  # the part of the result that this tile contributes
    columns: slice
    window: tuple[int, int, int, int]  # top, bottom, left, right: what the network is shown
    crop: tuple[int, int]  # where (rows.start, columns.start) lies in the network's output


@dataclass(frozen=True)
class TileGeometry:
    """The sizes and margins of a network's windows; made by `Network.geometry`."""

    depth: int
    padding: str  # "same" or "valid"
    upsampling: str

    @property
    def multiple(self) -> int:
        """The pooling grid: windows start on multiples of this many pixels."""
        return 2**self.depth

    @property
    def halo(self) -> int:
        """Context that a window has beyond its tile, at each side, in pixels."""
        if self.padding == "valid":
            # Two unpadded 3x3 convolutions trim 2 px a side, once at the bottleneck and twice at
            # every other level: 2 * 2**depth + 2 * 2 * (2**depth - 1).
            return 6 * self.multiple - 4
        return round_up(receptive_reach(self.depth, self.upsampling), self.multiple)

    def input_size(self, output_size: int) -> int:
        """Returns the smallest input side that gives at least `output_size` output pixels."""
        if self.padding == "same":
            return round_up(output_size, self.multiple)
        # A bottleneck of b px gives 2**depth * b - 4 * (2**depth - 1) output pixels.
        lost = 4 * (self.multiple - 1)
        return round_up(output_size + lost, self.multiple) - lost + 2 * self.halo

    def accepts(self, size: int) -> bool:
        """Whether an input side of `size` px passes every pooling with an even size."""
        if self.padding == "same":
            return size >= 1
        return size > 2 * self.halo and self.input_size(size - 2 * self.halo) == size

    def fits(self, height: int, width: int, tile_size: int) -> bool:
        """Whether an image of this size is a single window."""
        return max(self.input_size(height), self.input_size(width)) <= tile_size

    def core_size(self, tile_size: int) -> int:
        """Returns the side that a window of at most `tile_size` px contributes; on the grid."""
        core = (tile_size - 2 * self.halo) // self.multiple * self.multiple
        if core < self.multiple:
            smallest = round_up(2 * self.halo + self.multiple, self.multiple)
            raise ConfigError(
                f"tile_size={tile_size} leaves nothing of a tile: this network (depth "
                f"{self.depth}, padding {self.padding!r}) needs {self.halo} px of context on "
                f"each side. Use a tile_size of at least {smallest}."
            )
        return core

    def plan(self, height: int, width: int, tile_size: int) -> list[Tile]:
        """Returns tiles that cover a (height, width) image, with windows of about tile_size².

        All windows have the same size, the smallest that needs no more windows: the engine then
        prepares for one size only, and no window is mostly margin.
        """
        return [
            Tile(slice(top, bottom), slice(left, right), (*rows, *columns), (y, x))
            for top, bottom, rows, y in self._spans(height, tile_size)
            for left, right, columns, x in self._spans(width, tile_size)
        ]

    def _spans(self, size: int, tile_size: int) -> Iterator[tuple[int, int, tuple[int, int], int]]:
        """Yields for one axis each tile's start and stop, its window, and its output's offset."""
        padded = self.input_size(size)
        if padded <= tile_size:  # the whole axis fits into one window
            start = 0 if self.padding == "same" else -self.halo
            yield 0, size, (start, start + padded), 0
        elif self.padding == "same":
            yield from self._overlapping(size, padded, tile_size)
        else:
            core = self.core_size(tile_size)
            core = round_up(-(-size // -(-size // core)), self.multiple)  # as many, of equal size
            for start in range(0, size, core):
                first = start - self.halo
                stop = min(start + core, size)
                yield start, stop, (first, first + self.input_size(core)), 0

    def _overlapping(
        self, size: int, padded: int, tile_size: int
    ) -> Iterator[tuple[int, int, tuple[int, int], int]]:
        """Yields windows inside the image; each shares two halos with the next.

        The shared pixels up to the middle belong to the first window.
        """
        count = -(-(padded - 2 * self.halo) // self.core_size(tile_size))
        window = round_up(-(-(padded + 2 * self.halo * (count - 1)) // count), self.multiple)
        stop = 0
        for index in range(count):
            first = min(index * (window - 2 * self.halo), padded - window)
            start, stop = stop, size if index == count - 1 else first + window - self.halo
            yield start, stop, (first, first + window), start - first


def read_window(prepared: PreparedImage, tile: Tile) -> Tensor:
    """Reads the normalised window of a tile, mirrored beyond the image: (C, h, w) float32."""
    top, bottom, left, right = tile.window
    rows = mirrored(top, bottom, prepared.image.height)
    return prepared.window(rows, mirrored(left, right, prepared.image.width))
