"""Windows of a TIFF: only the tiles or strips that a window touches are decoded."""

import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import tiff
from ..errors import UnreadableImageError
from ..image_data import (
    ORIENTATION,
    ImageData,
    check_axes,
    check_channel,
    check_page,
    checked,
    count_pages,
    say_channel,
    say_pages,
    select_channel,
    select_page,
)
from ..images import _named_errors
from ..pixel_size import read_pixel_size

if TYPE_CHECKING:
    import tifffile

NO_LIMIT = 2**62  # pixels
DECODED = 2**25  # bytes of tiles or strips that are kept: the next window shares some


@contextmanager
def open_tiff(
    path: Path, page: int, axes: str | None, channel: int | None
) -> Iterator[ImageData | None]:
    """An image as `read_tiff` gives it, but its `pixels` are a `TiffPixels`; None of a kind that
    has to be read as a whole."""
    import tifffile

    with _named_errors(path.name, NO_LIMIT):
        file = tifffile.TiffFile(path)
    with file:
        with _named_errors(path.name, NO_LIMIT):
            image = _described(file, path.name, page, axes, channel)
        yield image


def most_pixels(path: Path) -> int:
    """Of a page of the file."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        pages = [series.keyframe for series in file.series]
        return max((page.imagelength * page.imagewidth for page in pages), default=0)


def _described(
    file: "tifffile.TiffFile", name: str, page: int, axes: str | None, channel: int | None
) -> ImageData | None:
    notes = [] if tiff._ends_well(file) else ["the list of pages breaks off: the file may be cut"]
    places = tiff._places(file, axes)
    if not places:
        raise UnreadableImageError(f"{name} is a TIFF without a picture. Export it again.")
    check_page(page, len(places), name)
    series, number = places[page]

    found = axes.upper() if axes else series.axes
    if series.kind == "generic" and (file.is_shaped or file.is_imagej or file.is_ome):
        notes.append("the description of the axes does not fit the file: it was not used")
    if found.startswith("Q") and axes is None:
        notes.append(f"axes {found!r} are not named in the file: Q read as pages")
    check_axes(found, series.shape, name)
    shape = dict(zip(found, series.shape, strict=True))
    channels = max(shape.get("C", 1), shape.get("S", 1))
    alone = channel is not None and channels > 1 and tiff._lies_apart(series, found)
    if alone:
        check_channel(channel, channels, name)

    planes = _planes(series, found, number, channel if alone else None)
    directory = planes.directory if planes else None
    if directory is None or directory.tags.valueof(ORIENTATION) in range(2, 9):
        return None
    pixels = TiffPixels(planes, directory, name)
    notes += pixels.notes
    is_rgb = pixels.shape[2] == 3 and "C" not in found and not tiff._is_gray(directory)
    if channel is not None and not alone:
        check_channel(channel, pixels.shape[2], name)
        if pixels.shape[2] > 1:
            alone, channels = True, pixels.shape[2]
            pixels.pick(channel)
    pixel_size, doubts = read_pixel_size(file, directory, file.series.index(series))
    image = say_pages(
        ImageData(
            pixels, name, "TIFF", found, page, len(places), (*notes, *doubts), pixel_size,
            is_rgb=is_rgb, axes_given=axes is not None,
        )
    )  # fmt: skip
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
        return tiff._plain_colors(pixels, self._directory, self._name)


def _planes(
    series: "tifffile.TiffPageSeries", axes: str, page: int, channel: int | None
) -> "MappedPlanes | DecodedPlanes | None":
    """What a page consists of; None where it is stored in a way that has no windows."""
    if series.transform is not None:
        return None
    if series.dataoffset is not None:
        mappable = series.keyframe.is_memmappable
        return MappedPlanes(series, axes, page, channel) if mappable else None
    inner = axes[series.ndim - series.keyframe.ndim :]
    own = series.keyframe.axes
    in_place = all(axis in inner and inner.index(axis) == own.index(axis) for axis in "YX")
    flat = series.keyframe.imagedepth == 1
    return DecodedPlanes(series, axes, page, channel) if in_place and flat else None


class MappedPlanes:
    """Pages in one uncompressed piece."""

    def __init__(
        self, series: "tifffile.TiffPageSeries", axes: str, page: int, channel: int | None
    ) -> None:
        self._series, self._axes, self._page, self._channel = series, axes, page, channel
        self.directory = series.keyframe
        self.size = tuple(series.shape[axes.index(axis)] for axis in "YX")

    def read(self, rows: slice, columns: slice) -> tuple[np.ndarray, str]:
        """A window and its axes."""
        # Mapped anew each time: what was read stays in memory as long as its mapping.
        array, axes = select_page(self._series.asarray(out="memmap"), self._axes, self._page)
        if self._channel is not None:
            array, axes = select_channel(array, axes, self._channel)
        window = array[tuple({"Y": rows, "X": columns}.get(axis, slice(None)) for axis in axes)]
        return np.array(window, window.dtype.newbyteorder("=")), axes


class DecodedPlanes:
    """Pages in tiles or strips, compressed or not, one directory or several to a page."""

    def __init__(
        self, series: "tifffile.TiffPageSeries", axes: str, page: int, channel: int | None
    ) -> None:
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
            tiff._check_part(frame, index, data, NO_LIMIT)
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
