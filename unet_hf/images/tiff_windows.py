"""Windows of a TIFF: only the tiles or strips that a window touches are decoded."""

import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .image_data import (
    ORIENTATION,
    ImageData,
    check_channel,
    checked,
    count_pages,
    named_errors,
    say_channel,
    say_pages,
    select_channel,
    select_page,
)
from .tiff import check_part, plain_colors
from .tiff_pages import TiffPlace, find_page, is_gray

if TYPE_CHECKING:
    import tifffile  # slow to import, so only where it is used


NO_LIMIT = 2**62  # pixels
DECODED = 2**24  # bytes of tiles or strips that are kept: the next window shares some


@contextmanager
def open_tiff(
    path: Path, page: int, axes: str | None, channel: int | None, level: int = 0
) -> Iterator[ImageData | None]:
    """An image as `read_tiff` gives it, but its `pixels` are a `TiffPixels`; None of a kind that
    has to be read as a whole."""
    import tifffile

    with named_errors(path.name, NO_LIMIT):
        file = tifffile.TiffFile(path)
    with file:
        with named_errors(path.name, NO_LIMIT):
            place = find_page(file, path.name, page, axes, channel, level)
            image = _described(file, path.name, page, place, channel)
        yield None if image is None else replace(image, axes_given=axes is not None)


def most_pixels(path: Path, level: int = 0) -> int:
    """Of a page of the file, at this level of pyramids; 0 where none has it."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        found = [series.levels[level] for series in file.series if level < len(series.levels)]
        pages = [series.keyframe for series in found]
        return max((page.imagelength * page.imagewidth for page in pages), default=0)


def _described(
    file: "tifffile.TiffFile", name: str, page: int, place: TiffPlace, channel: int | None
) -> ImageData | None:
    planes = _planes(place)
    directory = planes.directory if planes else None
    if directory is None or directory.tags.valueof(ORIENTATION) in range(2, 9):
        return None
    pixels = TiffPixels(planes, directory, name)
    is_rgb = pixels.shape[2] == 3 and "C" not in place.axes and not is_gray(directory)
    alone, channels = place.channel is not None, place.channels
    if channel is not None and not alone:
        check_channel(channel, pixels.shape[2], name)
        if pixels.shape[2] > 1:
            alone, channels = True, pixels.shape[2]
            pixels.pick(channel)
    pixel_size, doubts = place.pixel_size(file, directory)
    notes = (*place.notes, *pixels.notes, *doubts)
    image = say_pages(
        ImageData(
            pixels, name, "TIFF", place.axes, page, place.pages, notes, pixel_size, is_rgb=is_rgb
        )
    )
    return checked(say_channel(image, channel, channels) if alone else image, NO_LIMIT)


class TiffPixels:
    """(H, W, C) pixels of one page, as gray, RGB or channels. Called with rows and columns, two
    slices with both ends, it reads them."""

    def __init__(
        self, planes: "MappedPlanes | DecodedPlanes", directory: "tifffile.TiffPage", name: str
    ) -> None:
        self._planes, self._directory, self._name = planes, directory, name
        self._samples = slice(None)
        corner, notes = self._plain(slice(0, 1), slice(0, 1))
        self.notes = notes  # what is done to the colours
        self.shape = (*planes.size, corner.shape[2])
        self.dtype = corner.dtype

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def pick(self, channel: int) -> None:
        self._samples = slice(channel, channel + 1)
        self.shape = (*self.shape[:2], 1)

    def __call__(self, rows: slice, columns: slice) -> np.ndarray:
        return self._plain(rows, columns)[0][..., self._samples]

    def _plain(self, rows: slice, columns: slice) -> tuple[np.ndarray, list[str]]:
        array, axes = self._planes.read(rows, columns)
        order = [axes.index(axis) for axis in "YXSC" if axis in axes]
        size = rows.stop - rows.start, columns.stop - columns.start
        pixels = np.transpose(array, order).reshape(*size, -1)
        return plain_colors(pixels, self._directory, self._name)


def _planes(place: TiffPlace) -> "MappedPlanes | DecodedPlanes | None":
    """What a page consists of; None where it is stored in a way that has no windows."""
    series = place.series
    if series.transform is not None:
        return None
    if series.dataoffset is not None:
        return MappedPlanes(place) if series.keyframe.is_memmappable else None
    inner = place.axes[series.ndim - series.keyframe.ndim :]
    own = series.keyframe.axes
    in_place = all(axis in inner and inner.index(axis) == own.index(axis) for axis in "YX")
    flat = series.keyframe.imagedepth == 1
    return DecodedPlanes(place) if in_place and flat else None


class MappedPlanes:
    """Pages in one uncompressed piece."""

    def __init__(self, place: TiffPlace) -> None:
        self._place = place
        self.directory = place.series.keyframe
        self.size = (place.shape["Y"], place.shape["X"])

    def read(self, rows: slice, columns: slice) -> tuple[np.ndarray, str]:
        """A window and its axes."""
        place = self._place
        # Mapped anew each time: what was read stays in memory as long as its mapping.
        array, axes = select_page(place.series.asarray(out="memmap"), place.axes, place.number)
        if place.channel is not None:
            array, axes = select_channel(array, axes, place.channel)
        window = array[tuple({"Y": rows, "X": columns}.get(axis, slice(None)) for axis in axes)]
        return np.array(window, window.dtype.newbyteorder("=")), axes


class DecodedPlanes:
    """Pages in tiles or strips, compressed or not, one directory or several to a page."""

    def __init__(self, place: TiffPlace) -> None:
        series, axes, page, channel = place.series, place.axes, place.number, place.channel
        split = series.ndim - series.keyframe.ndim
        stored, self._inner = axes[:split], axes[split:]
        inner_pages = count_pages(self._inner, series.shape[split:])
        numbers = np.arange(len(series)).reshape(series.shape[:split])
        numbers, self._kept = select_page(numbers, stored, page // inner_pages)
        if channel is not None and "C" in self._kept:
            numbers, self._kept = select_channel(numbers, self._kept, channel)
            channel = None
        self._channel, self._page = channel, page % inner_pages
        self._count = numbers.shape
        self._frames = [series[number] for number in numbers.ravel().tolist()]
        self.directory = self._frames[0].aspage()
        self._keyframe = keyframe = series.keyframe
        self.size = (keyframe.imagelength, keyframe.imagewidth)
        self._decoded: OrderedDict[tuple[int, int], np.ndarray | None] = OrderedDict()

    def read(self, rows: slice, columns: slice) -> tuple[np.ndarray, str]:
        """A window and its axes."""
        keyframe = self._keyframe
        lengths = {"Y": rows.stop - rows.start, "X": columns.stop - columns.start}
        shape = [
            lengths.get(axis, length)
            for axis, length in zip(keyframe.axes, keyframe.shape, strict=True)
        ]
        windows = [self._of_frame(number, rows, columns) for number in range(len(self._frames))]
        array = windows[0][None] if len(windows) == 1 else np.stack(windows)
        array = array.reshape(*self._count, *shape)
        array, axes = select_page(array, self._kept + self._inner, self._page)
        if self._channel is not None and "C" in axes:
            array, axes = select_channel(array, axes, self._channel)
        return array, axes

    def _of_frame(self, number: int, rows: slice, columns: slice) -> np.ndarray:
        """(planes, 1, h, w, samples) of one directory."""
        frame, keyframe = self._frames[number], self._keyframe
        if keyframe.is_memmappable:
            array = frame.asarray(out="memmap", squeeze=False)[:, :, rows, columns]
            return np.array(array, array.dtype.newbyteorder("="))
        planes, _, length, width, samples = keyframe.shaped
        height, across = rows.stop - rows.start, columns.stop - columns.start
        tall, wide = (
            (keyframe.tilelength, keyframe.tilewidth)
            if keyframe.is_tiled
            else (min(keyframe.rowsperstrip, length), width)
        )
        down, beside = -(-length // tall), -(-width // wide)
        window = np.empty((planes, 1, height, across, samples), keyframe.dtype)
        for plane in range(planes):
            for row in range(rows.start // tall, -(-rows.stop // tall)):
                for column in range(columns.start // wide, -(-columns.stop // wide)):
                    part = self._part(number, (plane * down + row) * beside + column)
                    y, x = row * tall, column * wide
                    top, bottom = max(rows.start, y), min(rows.stop, y + tall)
                    left, right = max(columns.start, x), min(columns.stop, x + wide)
                    place = window[
                        plane,
                        0,
                        top - rows.start : bottom - rows.start,
                        left - columns.start : right - columns.start,
                    ]
                    if part is None:
                        place[:] = keyframe.nodata
                    else:
                        place[:] = part[top - y : bottom - y, left - x : right - x]
        return window

    def _part(self, number: int, index: int) -> np.ndarray | None:
        """A decoded tile or strip, (h, w, samples); None where the file stores nothing."""
        key = (number, index)
        if key in self._decoded:
            self._decoded.move_to_end(key)
            return self._decoded[key]
        frame, keyframe = self._frames[number], self._keyframe
        offset, count = frame.dataoffsets[index], frame.databytecounts[index]
        part = None
        if count:
            file = frame.parent.filehandle
            if offset + count > file.size:
                raise ValueError(f"its pixels end at byte {offset + count} of {file.size}")
            file.seek(offset)
            data = file.read(count)
            check_part(frame, index, data, NO_LIMIT)
            options = {}
            if keyframe.compression in (6, 7, 34892, 33007):  # JPEG, see `TiffPage.segments`
                options = {"jpegtables": frame.jpegtables, "jpegheader": keyframe.jpegheader}
            part = keyframe.decode(data, index, **options)[0]
            part = None if part is None else part[0]
        held = sum(some.nbytes for some in self._decoded.values() if some is not None)
        while self._decoded and held + (0 if part is None else part.nbytes) > DECODED:
            _, oldest = self._decoded.popitem(last=False)
            held -= 0 if oldest is None else oldest.nbytes
        self._decoded[key] = part
        return part
