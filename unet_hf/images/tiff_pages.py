"""Finding a page in a TIFF: its series, its channel and its resolution.

tifffile trusts the list of pages in a file. Damaged or hostile lists, which could loop forever or
fill the memory, are refused first.
"""

import os
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UnreadableImageError
from .georeference import Georeference
from .image_data import (
    check_axes,
    check_channel,
    check_level,
    check_page,
    count_pages,
    level_notes,
)
from .pixel_size import PixelSize
from .place import Place
from .tiff_pixel_size import read_pixel_size

if TYPE_CHECKING:
    import tifffile  # slow to import, so only where it is used


@dataclass(frozen=True)
class TiffPageRef:
    """A reference to a page of a TIFF that has not been read yet."""

    series: "tifffile.TiffPageSeries"  # at the chosen resolution
    number: int  # index of the page in the series
    pages: int  # number of pages in the file
    axes: str  # one letter for each axis of the series
    channel: int | None  # the channel that is read alone, if it is stored separately
    channels: int  # number of channels of the page
    finest: "tifffile.TiffPageSeries"
    level: int
    notes: tuple[str, ...]

    @property
    def shape(self) -> dict[str, int]:
        """The length of each axis of the series, by its letter."""
        return dict(zip(self.axes, self.series.shape, strict=True))

    def pixel_size(
        self, tiff: "tifffile.TiffFile", directory: "tifffile.TiffPage"
    ) -> tuple[PixelSize | None, list[str]]:
        """Returns the pixel size and notes, see `read_pixel_size`.

        At coarser resolutions, it is scaled from that of the finest one; what their own tags say is
        ignored.
        """
        index = tiff.series.index(self.finest)
        if self.series is self.finest:
            return read_pixel_size(tiff, directory, index)
        size, doubts = read_pixel_size(tiff, self.finest.keyframe.aspage(), index)
        if size:
            across, down = self.scale
            size = replace(size, x=size.x * across, y=size.y * down)
        return size, doubts

    @property
    def scale(self) -> tuple[float, float]:
        """The width and the height of a pixel, in pixels of the finest resolution."""
        full = dict(zip(self.axes, self.finest.shape, strict=True))
        return full["X"] / self.shape["X"], full["Y"] / self.shape["Y"]

    def place(self, page: int, directory: "tifffile.TiffPage") -> Place:
        """Returns the place in the file of this page, which is read from a directory."""
        axes, shape, number = self.axes, self.finest.shape, self.number
        if self.pages > 1 and count_pages(axes, shape) == 1:  # each page is a series of its own
            axes, shape, number = f"Q{axes}", (self.pages, *shape), page
        full = directory if self.level == 0 else self.finest.keyframe.aspage()
        reference = Georeference.from_page(full) or Georeference.from_page(self.finest.keyframe)
        return Place(
            axes,
            tuple(shape),
            number,
            level=self.level,
            scale=self.scale,
            georeference=reference and reference.at_scale(*self.scale),
        )


def find_page(
    tiff: "tifffile.TiffFile",
    name: str,
    page: int,
    axes: str | None,
    channel: int | None,
    level: int = 0,
) -> TiffPageRef:
    """Finds a page of a TIFF; arguments as for `read_image`.

    Raises:
        UnreadableImageError: The file has no picture.
        UnsupportedLayoutError: There is no such page, channel or level, or axes do not fit.
        ValueError: The file is damaged.
    """
    notes = []
    if not page_list_is_complete(tiff):
        notes.append("the list of pages breaks off: the file may be cut")
    entries = _list_pages(tiff, axes)
    if not entries:
        raise UnreadableImageError(f"{name} is a TIFF without a picture. Export it again.")
    check_page(page, len(entries), name)
    finest, number = entries[page]
    check_level(level, len(finest.levels), name)
    series = finest.levels[level]

    named_axes = axes.upper() if axes else finest.axes
    if finest.kind == "generic" and (tiff.is_shaped or tiff.is_imagej or tiff.is_ome):
        notes.append("the description of the axes does not fit the file: it was not used")
    if named_axes.startswith("Q") and axes is None:
        notes.append(f"axes {named_axes!r} are not named in the file: Q read as pages")
    notes += level_notes(level, len(finest.levels))
    check_axes(named_axes, series.shape, name)
    if count_pages(named_axes, series.shape) != count_pages(named_axes, finest.shape):
        raise ValueError("its resolutions differ in their pages")
    lengths = dict(zip(named_axes, series.shape, strict=True))
    channels = max(lengths.get("C", 1), lengths.get("S", 1))
    single = channel is not None and channels > 1 and _has_separate_channels(series, named_axes)
    if single:
        check_channel(channel, channels, name)
    picked = channel if single else None
    return TiffPageRef(
        series, number, len(entries), named_axes, picked, channels, finest, level, tuple(notes)
    )


def count_tiff_pages(path: Path, axes: str | None) -> int:
    """Returns the number of pages that `read_tiff` finds; 1 if the list of pages is cut off."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        return len(_list_pages(tiff, axes)) if page_list_is_complete(tiff) else 1


def page_list_is_complete(tiff: "tifffile.TiffFile") -> bool:
    """Whether the list of pages is complete; False if the file is cut off within it.

    Raises:
        ValueError: The list is a circle, which tifffile would follow forever.
    """
    layout, file, visited = tiff.tiff, tiff.filehandle, set()
    offset = tiff.pages.first.offset if tiff.pages else 0
    while offset:
        if offset in visited:
            raise ValueError("its list of pages runs in a circle")
        visited.add(offset)
        file.seek(offset)
        tags = file.read(layout.tagnosize)
        if len(tags) < layout.tagnosize:
            return False
        file.seek(struct.unpack(layout.tagnoformat, tags)[0] * layout.tagsize, os.SEEK_CUR)
        following = file.read(layout.offsetsize)
        if len(following) < layout.offsetsize:
            return False
        offset = struct.unpack(layout.offsetformat, following)[0]
    return True


def _list_pages(
    tiff: "tifffile.TiffFile", axes: str | None
) -> list[tuple["tifffile.TiffPageSeries", int]]:
    """Returns the series of each page, and the page's index in it, in the order of pages."""
    pages = []
    for series in tiff.series:
        count = count_pages(axes or series.axes, series.shape)
        if count > tiff.filehandle.size:
            raise ValueError(f"{count} pages in a file of {tiff.filehandle.size} bytes")
        pages += [(series, number) for number in range(count)]

    def directory(page: tuple["tifffile.TiffPageSeries", int]) -> list[int]:
        series, number = page
        planes = max(1, count_pages(axes or series.axes, series.shape) // len(series))
        return np.ravel(series[number // planes].index).tolist()

    if len(tiff.series) > 1 and all(series.kind == "generic" for series in tiff.series):
        pages.sort(key=directory)  # tifffile groups pages of one size and type
    return pages


def is_gray(page: "tifffile.TiffPage") -> bool:
    """Whether the page is stored as gray, so that its samples are not colours."""
    return getattr(page.photometric, "name", "") in ("MINISBLACK", "MINISWHITE")


def _has_separate_channels(series: "tifffile.TiffPageSeries", axes: str) -> bool:
    """Whether each channel is stored separately, and is not part of a colour."""
    return "C" in axes and series.keyframe.samplesperpixel == 1 and is_gray(series.keyframe)
