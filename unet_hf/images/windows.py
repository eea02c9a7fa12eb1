"""`open_image`: reads an image by windows.

It yields the same `ImageData` as `read_image`, but the `pixels` stay in the file until
`Preprocessing` reads a window of them.
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

from .image_data import ImageData, check_level, decoder_errors
from .one_file import check_is_file, read_head
from .reading import ImageSource, from_array, read_image
from .tiff_file import SIGNATURES
from .tiff_windows import most_pixels, open_tiff
from .zarr_windows import is_zarr, open_zarr

Read = Callable[[slice, slice], np.ndarray]
NO_LIMIT = 2**62  # pixels
LARGE_PIXELS = 2**26  # pixels: 8192 x 8192, for which `UNet.segment` would need a gigabyte


class LazyPixels:
    """An array of (H, W, C) pixels in a file, with the methods that `PreparedImage` needs."""

    ndim = 3

    def __init__(self, shape: tuple[int, int, int], dtype: np.dtype, read: Read, name: str) -> None:
        """read: Called with rows and columns, two slices with start and stop; returns (h, w, C)."""
        self.shape, self.dtype = shape, dtype
        self._read, self._name = read, name

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1] * self.shape[2]

    def __getitem__(self, key: slice | tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Reads whole rows, or the pixels at `np.ix_` of row and column indices.

        Raises:
            ImageError: The file is damaged there.
        """
        if isinstance(key, slice):
            top, bottom, _ = key.indices(self.shape[0])
            return self._window(slice(top, bottom), slice(0, self.shape[1]))
        rows, columns = (indices.ravel() for indices in key)
        box = [slice(int(each.min()), int(each.max()) + 1) for each in (rows, columns)]
        return self._window(*box)[np.ix_(rows - box[0].start, columns - box[1].start)]

    def _window(self, rows: slice, columns: slice) -> np.ndarray:
        with decoder_errors(self._name, NO_LIMIT):
            return self._read(rows, columns)


@contextmanager
def open_image(
    source: ImageSource | Any,
    *,
    page: int = 0,
    axes: str | None = None,
    channel: int | None = None,
    level: int = 0,
    with_alpha: int | None = None,
) -> Iterator[ImageData]:
    """Opens an image whose pixels are read by windows, until the `with` block ends.

    These are read by windows: TIFF of any kind (mapped if it is uncompressed, else the tiles or
    strips that a window touches), NPY, OME-Zarr, and arrays of NumPy and zarr. Anything else is
    read as a whole, and a note says so.

    Args: As for `read_image`, but without a limit of pixels; `level` also for OME-Zarr.
        with_alpha: The number of channels with which the alpha channel of a TIFF is one of them.

    Raises:
        ImageError: As for `read_image`; a damaged part raises when it is read.
        ConfigError: zarr is not installed.
    """
    if isinstance(source, (str, os.PathLike)):
        path = Path(os.fsdecode(source))
        if is_zarr(path):
            with decoder_errors(path.name, NO_LIMIT):
                stored = open_zarr(path, axes, level)
            image = open_array(lambda: stored.array, path.name, "zarr", page, stored.axes, channel)
            place = replace(image.place, level=stored.level, scale=stored.scale)
            image = replace(
                image, pixel_size=stored.pixel_size, axes_given=axes is not None, place=place
            )
            yield replace(image, notes=(*stored.notes, *image.notes))
            return
        check_is_file(path)
        head = read_head(path)
        if head.startswith(SIGNATURES):
            with open_tiff(path, page, axes, channel, level, with_alpha) as image:
                if image is not None:
                    read = image.pixels
                    shape, dtype = read.shape, read.dtype
                    yield replace(image, pixels=LazyPixels(shape, dtype, read, path.name))
                    return
        elif head.startswith(b"\x93NUMPY"):
            check_level(level, 1, path.name)
            yield open_array(memory_map(path), path.name, "NPY", page, axes, channel)
            return
    elif all(hasattr(source, name) for name in ("shape", "dtype", "ndim", "__getitem__")):
        check_level(level, 1, "array")
        yield open_array(lambda: source, "array", "array", page, axes, channel)
        return
    image = read_image(source, page=page, axes=axes, channel=channel, level=level)
    note = f"{image.format} images have no windows: it was read as a whole"
    yield replace(image, notes=(*image.notes, note))


def open_array(
    opened: Callable[[], Any],
    name: str,
    format: str,
    page: int,
    axes: str | None,
    channel: int | None,
) -> ImageData:
    """Returns an array as an image whose pixels are read by windows.

    opened: Returns the array. It is called for each window, as what was read of a mapped file stays
        in memory as long as its mapping.
    """
    with decoder_errors(name, NO_LIMIT):
        array = opened()
        native = np.dtype(array.dtype).newbyteorder("=")
        # A stand-in without memory, to get the metadata that `read_image` would return.
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
        remaining = [axis for axis in letters if axis in picked]
        order = [remaining.index(axis) for axis in "YXSC" if axis in remaining]
        size = rows.stop - rows.start, columns.stop - columns.start
        return np.transpose(window, order).reshape(*size, -1)

    pixels = LazyPixels(image.pixels.shape, native, read, name)
    return replace(image, pixels=pixels, axes_given=axes is not None)


def is_large(path: Path, level: int = 0) -> bool:
    """Whether a TIFF or NPY file has an image of more than `LARGE_PIXELS` pixels, by its metadata.

    False if the metadata cannot be read. level: The resolution of a pyramid that is meant.
    """
    with contextlib.suppress(Exception), warnings.catch_warnings():  # decoders raise anything
        warnings.simplefilter("ignore")
        head = read_head(path)
        if head.startswith(SIGNATURES):
            return most_pixels(path, level) > LARGE_PIXELS
        if head.startswith(b"\x93NUMPY"):
            return memory_map(path)().size > LARGE_PIXELS
    return False


def memory_map(path: Path) -> Callable[[], np.ndarray]:
    """Returns a function that maps an NPY file."""
    return lambda: np.load(path, allow_pickle=False, mmap_mode="r")
