"""Reading a TIFF by windows: only the tiles or strips that a window touches are decoded."""

import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .image_data import (
    ALPHA_KEPT,
    LEFT_OUT,
    ORIENTATION,
    ImageData,
    check_channel,
    count_pages,
    decoder_errors,
    note_channel,
    note_pages,
    select_channel,
    select_page,
    validated,
)
from .tiff import check_part, plain_colors, plain_nodata
from .tiff_file import open_tiff_file
from .tiff_pages import TiffPageRef, find_page, is_gray
from .tiff_pictures import pictures_of

if TYPE_CHECKING:
    import tifffile  # slow to import, so only where it is used


NO_LIMIT = 2**62  # pixels
CACHE_BYTES = 2**24  # decoded tiles or strips that are kept, as the next window shares some


@contextmanager
def open_tiff(
    path: Path,
    page: int,
    axes: str | None,
    channel: int | None,
    level: int = 0,
    with_alpha: int | None = None,
) -> Iterator[ImageData | None]:
    """Opens an image whose `pixels` are a `TiffPixels`, else as `read_tiff` returns it.

    with_alpha: The number of channels with which an alpha channel is one of them.

    Yields None if the TIFF has to be read as a whole.
    """
    with ExitStack() as opened:
        with decoder_errors(path.name, NO_LIMIT):
            file = opened.enter_context(open_tiff_file(path))
            page_ref = find_page(file, path.name, page, axes, channel, level)
            image = _image_of_page(file, path.name, page, page_ref, channel, with_alpha)
        yield None if image is None else replace(image, axes_given=axes is not None)


def most_pixels(path: Path, level: int = 0) -> int:
    """Returns the pixels of the largest page at this level; 0 if no page has the level."""
    with open_tiff_file(path) as file:
        found = [series for _, series in pictures_of(file).series]
        levels = [series.levels[level] for series in found if level < len(series.levels)]
        pages = [series.keyframe for series in levels]
        return max((page.imagelength * page.imagewidth for page in pages), default=0)


def _image_of_page(
    file: "tifffile.TiffFile",
    name: str,
    page: int,
    page_ref: TiffPageRef,
    channel: int | None,
    with_alpha: int | None,
) -> ImageData | None:
    """Returns the image with pixels that are read later; None if it has no windows."""
    planes = _planes(page_ref)
    directory = planes.directory if planes else None
    if directory is None or directory.tags.valueof(ORIENTATION) in range(2, 9):
        return None
    pixels = TiffPixels(planes, directory, name, page_ref.for_display, with_alpha)
    is_rgb = pixels.shape[2] == 3 and "C" not in page_ref.axes and not is_gray(directory)
    alone, channels = page_ref.channel is not None, page_ref.channels
    if channel is not None and not alone:
        check_channel(channel, pixels.shape[2], name)
        if pixels.shape[2] > 1:
            alone, channels = True, pixels.shape[2]
            pixels.pick(channel)
    pixel_size, doubts = page_ref.pixel_size(file, directory)
    notes = (*page_ref.notes, *pixels.notes, *doubts)
    image = note_pages(
        ImageData(
            pixels,
            name,
            "TIFF",
            page_ref.axes,
            page,
            page_ref.pages,
            notes,
            pixel_size,
            is_rgb=is_rgb,
            nodata=plain_nodata(pixels.corner(), directory, page_ref),
            place=page_ref.place(page, directory),
        )
    )
    return validated(note_channel(image, channel, channels) if alone else image, NO_LIMIT)


class TiffPixels:
    """The (H, W, C) pixels of one page, as gray, RGB or channels, read when it is called.

    It is called with rows and columns, two slices with start and stop.
    """

    def __init__(
        self,
        planes: "MappedPlanes | DecodedPlanes",
        directory: "tifffile.TiffPage",
        name: str,
        for_display: str | None,
        with_alpha: int | None = None,
    ) -> None:
        self._planes, self._directory, self._name = planes, directory, name
        self._for_display, self._with_alpha = for_display, with_alpha
        self._samples = slice(None)
        corner, notes = self._plain(slice(0, 1), slice(0, 1))
        self.notes = notes  # on conversions of colours
        self.shape = (*planes.size, corner.shape[2])
        self.dtype = corner.dtype

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def corner(self) -> np.ndarray:
        """Reads one pixel as it is stored, (1, 1, samples)."""
        return self._stored(slice(0, 1), slice(0, 1))

    def pick(self, channel: int) -> None:
        """Restricts the pixels to one channel."""
        self._samples = slice(channel, channel + 1)
        self.shape = (*self.shape[:2], 1)

    def __call__(self, rows: slice, columns: slice) -> np.ndarray:
        return self._plain(rows, columns)[0][..., self._samples]

    def _plain(self, rows: slice, columns: slice) -> tuple[np.ndarray, list[str]]:
        stored = self._stored(rows, columns)
        pixels, notes = plain_colors(stored, self._directory, self._name, self._for_display)
        left_out = [note for note in notes if note.endswith(LEFT_OUT)]
        if left_out and pixels.shape[2] + 1 == self._with_alpha:
            pixels = np.dstack([pixels, stored[..., pixels.shape[2]]])
            notes = [note for note in notes if note not in left_out] + [ALPHA_KEPT]
        return pixels, notes

    def _stored(self, rows: slice, columns: slice) -> np.ndarray:
        array, axes = self._planes.read(rows, columns)
        order = [axes.index(axis) for axis in "YXSC" if axis in axes]
        size = rows.stop - rows.start, columns.stop - columns.start
        return np.transpose(array, order).reshape(*size, -1)


def _planes(page_ref: TiffPageRef) -> "MappedPlanes | DecodedPlanes | None":
    """Returns the reader of a page's windows; None if it is stored in a way that has none."""
    series = page_ref.series
    if series.transform is not None:
        return None
    if series.dataoffset is not None:
        return MappedPlanes(page_ref) if series.keyframe.is_memmappable else None
    inner = page_ref.axes[series.ndim - series.keyframe.ndim :]
    own = series.keyframe.axes
    in_place = all(axis in inner and inner.index(axis) == own.index(axis) for axis in "YX")
    flat = series.keyframe.imagedepth == 1
    return DecodedPlanes(page_ref) if in_place and flat else None


class MappedPlanes:
    """A page that is stored uncompressed and contiguous, and mapped."""

    def __init__(self, page_ref: TiffPageRef) -> None:
        self._page_ref = page_ref
        self.directory = page_ref.series.keyframe
        self.size = (page_ref.shape["Y"], page_ref.shape["X"])

    def read(self, rows: slice, columns: slice) -> tuple[np.ndarray, str]:
        """Reads a window; returns it with its axes."""
        page_ref = self._page_ref
        # Mapped for each window, as pages of the file stay in memory as long as their mapping.
        array, axes = select_page(
            page_ref.series.asarray(out="memmap"), page_ref.axes, page_ref.number
        )
        if page_ref.channel is not None:
            array, axes = select_channel(array, axes, page_ref.channel)
        window = array[tuple({"Y": rows, "X": columns}.get(axis, slice(None)) for axis in axes)]
        return np.array(window, window.dtype.newbyteorder("=")), axes


class DecodedPlanes:
    """A page of tiles or strips, compressed or not, in one or several directories."""

    def __init__(self, page_ref: TiffPageRef) -> None:
        series, axes, page, channel = (
            page_ref.series,
            page_ref.axes,
            page_ref.number,
            page_ref.channel,
        )
        split = series.ndim - series.keyframe.ndim
        stored, self._inner_axes = axes[:split], axes[split:]
        inner_pages = count_pages(self._inner_axes, series.shape[split:])
        numbers = np.arange(len(series)).reshape(series.shape[:split])
        numbers, self._stored_axes = select_page(numbers, stored, page // inner_pages)
        if channel is not None and "C" in self._stored_axes:
            numbers, self._stored_axes = select_channel(numbers, self._stored_axes, channel)
            channel = None
        self._channel, self._page = channel, page % inner_pages
        self._count = numbers.shape
        self._frames = [series[number] for number in numbers.ravel().tolist()]
        self.directory = self._frames[0].aspage()
        self._keyframe = keyframe = series.keyframe
        self.size = (keyframe.imagelength, keyframe.imagewidth)
        self._decoded: OrderedDict[tuple[int, int], np.ndarray | None] = OrderedDict()

    def read(self, rows: slice, columns: slice) -> tuple[np.ndarray, str]:
        """Reads a window; returns it with its axes."""
        keyframe = self._keyframe
        lengths = {"Y": rows.stop - rows.start, "X": columns.stop - columns.start}
        shape = [
            lengths.get(axis, length)
            for axis, length in zip(keyframe.axes, keyframe.shape, strict=True)
        ]
        windows = [self._read_frame(number, rows, columns) for number in range(len(self._frames))]
        array = windows[0][None] if len(windows) == 1 else np.stack(windows)
        array = array.reshape(*self._count, *shape)
        array, axes = select_page(array, self._stored_axes + self._inner_axes, self._page)
        if self._channel is not None and "C" in axes:
            array, axes = select_channel(array, axes, self._channel)
        return array, axes

    def _read_frame(self, number: int, rows: slice, columns: slice) -> np.ndarray:
        """Reads a window of one directory: (planes, 1, h, w, samples)."""
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
                    target = window[
                        plane,
                        0,
                        top - rows.start : bottom - rows.start,
                        left - columns.start : right - columns.start,
                    ]
                    if part is None:
                        target[:] = keyframe.nodata
                    else:
                        target[:] = part[top - y : bottom - y, left - x : right - x]
        return window

    def _part(self, number: int, index: int) -> np.ndarray | None:
        """Returns a decoded tile or strip, (h, w, samples); None if the file does not store it."""
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
        cached = sum(each.nbytes for each in self._decoded.values() if each is not None)
        while self._decoded and cached + (0 if part is None else part.nbytes) > CACHE_BYTES:
            _, oldest = self._decoded.popitem(last=False)
            cached -= 0 if oldest is None else oldest.nbytes
        self._decoded[key] = part
        return part
