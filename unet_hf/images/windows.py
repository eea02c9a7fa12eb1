"""Pixels that are read when they are asked for, window by window.

`open_image` gives the `ImageData` that `read_image` would give, pixel for pixel, but its `pixels`
stay in the file until `Preprocessing` takes a window of them.
"""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .image_data import ImageData, check_level, named_errors
from .reading import ImageSource, from_array, read_image
from .tiff import SIGNATURES
from .tiff_windows import most_pixels, open_tiff
from .zarr_windows import is_zarr, open_zarr

Read = Callable[[slice, slice], np.ndarray]
NO_LIMIT = 2**62  # pixels
LARGE = 2**26  # pixels: 8192 x 8192, of which `UNet.segment` would hold a gigabyte


class LazyPixels:
    """(H, W, C) pixels, as far as `PreparedImage` uses an array of them."""

    ndim = 3

    def __init__(self, shape: tuple[int, int, int], dtype: np.dtype, read: Read, name: str) -> None:
        """read: Rows and columns, two slices with both ends -> (h, w, C) of this dtype."""
        self.shape, self.dtype = shape, dtype
        self._read, self._name = read, name

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1] * self.shape[2]

    def __getitem__(self, key: slice | tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Whole rows, or what `np.ix_` of row and column indices means.

        Raises `ImageError` where the file is damaged.
        """
        if isinstance(key, slice):
            top, bottom, _ = key.indices(self.shape[0])
            return self._window(slice(top, bottom), slice(0, self.shape[1]))
        rows, columns = (indices.ravel() for indices in key)
        box = [slice(int(some.min()), int(some.max()) + 1) for some in (rows, columns)]
        return self._window(*box)[np.ix_(rows - box[0].start, columns - box[1].start)]

    def _window(self, rows: slice, columns: slice) -> np.ndarray:
        with named_errors(self._name, NO_LIMIT):
            return self._read(rows, columns)


@contextmanager
def open_image(
    source: ImageSource | Any,
    *,
    page: int = 0,
    axes: str | None = None,
    channel: int | None = None,
    level: int = 0,
) -> Iterator[ImageData]:
    """An image whose pixels are read by windows, until the `with` block ends.

    By windows are read: TIFF of any kind (mapped where it is uncompressed, else the tiles or
    strips that a window touches), NPY, zarr arrays and OME-Zarr, and arrays: NumPy's, mapped or
    not, and zarr's. Anything else is read as a whole, and a note says so.

    Args: as `read_image`, without its limit; `level` also of OME-Zarr.

    Raises:
        ImageError, as `read_image`; a part that cannot be decoded shows when it is its turn.
        ConfigError: zarr is not installed.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(os.fsdecode(source))
        if is_zarr(path):
            with named_errors(path.name, NO_LIMIT):
                found = open_zarr(path, axes, level)
            image = of_array(lambda: found.array, path.name, "zarr", page, found.axes, channel)
            image = replace(image, pixel_size=found.pixel_size, axes_given=axes is not None)
            yield replace(image, notes=(*found.notes, *image.notes))
            return
        head = head_of(path)
        if head.startswith(SIGNATURES):
            with open_tiff(path, page, axes, channel, level) as image:
                if image is not None:
                    read = image.pixels
                    shape, dtype = read.shape, read.dtype
                    yield replace(image, pixels=LazyPixels(shape, dtype, read, path.name))
                    return
        elif head.startswith(b"\x93NUMPY"):
            check_level(level, 1, path.name)
            yield of_array(mapped(path), path.name, "NPY", page, axes, channel)
            return
    elif all(hasattr(source, name) for name in ("shape", "dtype", "ndim", "__getitem__")):
        check_level(level, 1, "array")
        yield of_array(lambda: source, "array", "array", page, axes, channel)
        return
    image = read_image(source, page=page, axes=axes, channel=channel, level=level)
    note = f"{image.format} images have no windows: it was read as a whole"
    yield replace(image, notes=(*image.notes, note))


def of_array(
    opened: Callable[[], Any],
    name: str,
    format: str,
    page: int,
    axes: str | None,
    channel: int | None,
) -> ImageData:
    """Windows of an array. opened: gives the array; called for each window anew, for what was
    read of a mapped file stays in memory as long as its mapping."""
    with named_errors(name, NO_LIMIT):
        array = opened()
        native = np.dtype(array.dtype).newbyteorder("=")
        # What `read_image` would say of an array like this one, which has no pixels.
        stand_in = np.broadcast_to(np.zeros((), native), array.shape)
        image = from_array(stand_in, name, format, page, axes, channel, NO_LIMIT)
    letters = image.axes
    others = [size for axis, size in zip(letters, array.shape, strict=True) if axis not in "YXSC"]
    numbers = list(map(int, np.unravel_index(page, others)))
    samples = slice(None) if image.channel is None else slice(image.channel, image.channel + 1)

    def read(rows: slice, columns: slice) -> np.ndarray:
        picked = {"Y": rows, "X": columns, "S": samples, "C": samples}
        pages = iter(numbers)
        index = tuple(picked[axis] if axis in picked else next(pages) for axis in letters)
        window = np.array(opened()[index], native)
        kept = [axis for axis in letters if axis in picked]
        order = [kept.index(axis) for axis in "YXSC" if axis in kept]
        size = rows.stop - rows.start, columns.stop - columns.start
        return np.transpose(window, order).reshape(*size, -1)

    pixels = LazyPixels(image.pixels.shape, native, read, name)
    return replace(image, pixels=pixels, axes_given=axes is not None)


def is_large(path: Path, level: int = 0) -> bool:
    """Whether a TIFF or NPY file has images of more than `LARGE` pixels, from its head; False if
    that cannot be told. level: Of a pyramid."""
    with contextlib.suppress(Exception), warnings.catch_warnings():  # decoders raise anything
        warnings.simplefilter("ignore")
        head = head_of(path)
        if head.startswith(SIGNATURES):
            return most_pixels(path, level) > LARGE
        if head.startswith(b"\x93NUMPY"):
            return mapped(path)().size > LARGE
    return False


def mapped(path: Path) -> Callable[[], np.ndarray]:
    return lambda: np.load(path, allow_pickle=False, mmap_mode="r")


def head_of(path: Path) -> bytes:
    """The first bytes; none where they cannot be read, for `read_image` says why."""
    try:
        with path.open("rb") as file:
            return file.read(8)
    except OSError:
        return b""
