"""A large picture at full resolution, in tiles that the viewer fetches as it comes near them.

Each tile is a file of its own, `tile_COLUMN_ROW.bin`: its planes one after another, deflated as
one stream. Gradio serves parts of a file, too, but several times as slowly, and a browser loads
parts of one file one by one.
"""

import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

SIDE = 512  # of a tile; a power of two, so that halves of a tile are tiles of the half
THREADS = 2  # zlib and NumPy compute beside each other; a free Space has no more cores
# Every tile is written, few are ever fetched: runs of one value are all that is looked for. That
# takes half the time of zlib's lowest level, or less, for files that are a tenth larger.
STRATEGY = {"level": 1, "strategy": zlib.Z_RLE}
# What a browser has arrays for. Half floats go as float32, which holds each of them exactly.
SENT_AS = {"bool": "uint8", "float16": "float32"}

# (rows, columns) -> arrays of that part, (H, W) or (H, W, channels), by name.
Planes = Callable[[slice, slice], dict[str, np.ndarray]]


@dataclass
class Totals:
    """What is known of all pixels together."""

    low: float  # the lowest and highest value of the picture; 0 and 0 if none is finite
    high: float
    counts: np.ndarray | None  # (256,) or (65536,) uint32: pixels by code or class, if there are


def write_tiles(planes: Planes, folder: Path, height: int, width: int) -> Totals:
    """Writes every tile of an image of (height, width), a few at a time in memory."""

    def write(corner: tuple[int, int]) -> Totals:
        top, left = corner
        part = planes(slice(top, top + SIDE), slice(left, left + SIDE))
        path = folder / f"tile_{left // SIDE}_{top // SIDE}.bin"
        stream = zlib.compressobj(**STRATEGY)
        with path.open("wb") as file:
            for plane in part.values():
                file.write(stream.compress(as_sent(plane)))
            file.write(stream.flush())
        return _totals(part)

    corners = product(range(0, height, SIDE), range(0, width, SIDE))
    total = Totals(np.inf, -np.inf, None)
    with ThreadPoolExecutor(THREADS) as pool:
        for part in pool.map(write, corners):
            total.low, total.high = min(total.low, part.low), max(total.high, part.high)
            if part.counts is not None:
                total.counts = part.counts + (0 if total.counts is None else total.counts)
    if total.low > total.high:
        total.low = total.high = 0.0
    return total


def as_sent(plane: np.ndarray) -> np.ndarray:
    """The same values, contiguous, little-endian, in a type that a browser knows."""
    name = SENT_AS.get(plane.dtype.name, plane.dtype.name)
    return np.ascontiguousarray(plane, np.dtype(name).newbyteorder("<"))


def _totals(part: dict[str, np.ndarray]) -> Totals:
    image = part["image"]
    finite = image[np.isfinite(image)]
    low, high = (finite.min(), finite.max()) if finite.size else (np.inf, -np.inf)
    coded = part.get("codes", part.get("classes"))
    if coded is not None:
        possible = np.iinfo(coded.dtype).max + 1
        coded = np.bincount(coded.ravel(), minlength=possible).astype(np.uint32)
    return Totals(float(low), float(high), coded)
