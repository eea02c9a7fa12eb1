"""Which part of a TIFF is meant: a page of one of its series, a channel, a resolution.

tifffile trusts what a file says of itself. What a damaged or hostile file could do with its list
of pages (an endless loop, all of the memory) is looked for first.
"""

import os
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UnreadableImageError
from .image_data import (
    check_axes,
    check_channel,
    check_level,
    check_page,
    count_pages,
    say_level,
)
from .pixel_size import PixelSize, read_pixel_size

if TYPE_CHECKING:
    import tifffile  # slow to import, so only where it is used


@dataclass(frozen=True)
class TiffPlace:
    """A page of a TIFF, not read yet."""

    series: "tifffile.TiffPageSeries"  # of the resolution that is meant
    number: int  # of the page in there
    pages: int  # of the file
    axes: str  # of the series
    channel: int | None  # the one that is read alone, for it lies apart from the others
    channels: int
    finest: "tifffile.TiffPageSeries"
    notes: tuple[str, ...]

    @property
    def shape(self) -> dict[str, int]:
        """Length of each axis of the series."""
        return dict(zip(self.axes, self.series.shape, strict=True))

    def pixel_size(
        self, tiff: "tifffile.TiffFile", directory: "tifffile.TiffPage"
    ) -> tuple[PixelSize | None, list[str]]:
        """As `read_pixel_size` of the page's directory. Coarser resolutions have pixels that are
        larger than the finest's in proportion, whatever they say themselves."""
        index = tiff.series.index(self.finest)
        if self.series is self.finest:
            return read_pixel_size(tiff, directory, index)
        size, doubts = read_pixel_size(tiff, self.finest.keyframe.aspage(), index)
        if size:
            full = dict(zip(self.axes, self.finest.shape, strict=True))
            across, down = (full[axis] / self.shape[axis] for axis in "XY")
            size = replace(size, x=size.x * across, y=size.y * down)
        return size, doubts


def find_page(
    tiff: "tifffile.TiffFile",
    name: str,
    page: int,
    axes: str | None,
    channel: int | None,
    level: int = 0,
) -> TiffPlace:
    """The place of a page; arguments as of `read_image`.

    Raises:
        UnreadableImageError: There is no picture.
        UnsupportedLayoutError: There is no such page, channel or level, or axes do not fit.
        ValueError: The file is damaged.
    """
    notes = [] if ends_well(tiff) else ["the list of pages breaks off: the file may be cut"]
    places = _places(tiff, axes)
    if not places:
        raise UnreadableImageError(f"{name} is a TIFF without a picture. Export it again.")
    check_page(page, len(places), name)
    finest, number = places[page]
    check_level(level, len(finest.levels), name)
    series = finest.levels[level]

    found = axes.upper() if axes else finest.axes
    if finest.kind == "generic" and (tiff.is_shaped or tiff.is_imagej or tiff.is_ome):
        notes.append("the description of the axes does not fit the file: it was not used")
    if found.startswith("Q") and axes is None:
        notes.append(f"axes {found!r} are not named in the file: Q read as pages")
    notes += say_level(level, len(finest.levels))
    check_axes(found, series.shape, name)
    if count_pages(found, series.shape) != count_pages(found, finest.shape):
        raise ValueError("its resolutions differ in their pages")
    lengths = dict(zip(found, series.shape, strict=True))
    channels = max(lengths.get("C", 1), lengths.get("S", 1))
    alone = channel is not None and channels > 1 and _lies_apart(series, found)
    if alone:
        check_channel(channel, channels, name)
    picked = channel if alone else None
    return TiffPlace(series, number, len(places), found, picked, channels, finest, tuple(notes))


def count_tiff_pages(path: Path, axes: str | None) -> int:
    """How many pages `read_tiff` finds; 1 where the list of pages breaks off."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        return len(_places(tiff, axes)) if ends_well(tiff) else 1


def ends_well(tiff: "tifffile.TiffFile") -> bool:
    """Whether the chain of pages ends inside the file; tifffile follows a circle for ever."""
    layout, file, seen = tiff.tiff, tiff.filehandle, set()
    offset = tiff.pages.first.offset if tiff.pages else 0
    while offset:
        if offset in seen:
            raise ValueError("its list of pages runs in a circle")
        seen.add(offset)
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


def _places(
    tiff: "tifffile.TiffFile", axes: str | None
) -> list[tuple["tifffile.TiffPageSeries", int]]:
    """Of each page, in order: its series, and its number in there."""
    places = []
    for series in tiff.series:
        count = count_pages(axes or series.axes, series.shape)
        if count > tiff.filehandle.size:
            raise ValueError(f"{count} pages in a file of {tiff.filehandle.size} bytes")
        places += [(series, number) for number in range(count)]

    def directory(place: tuple["tifffile.TiffPageSeries", int]) -> list[int]:
        series, number = place
        planes = max(1, count_pages(axes or series.axes, series.shape) // len(series))
        return np.ravel(series[number // planes].index).tolist()

    if len(tiff.series) > 1 and all(series.kind == "generic" for series in tiff.series):
        places.sort(key=directory)  # tifffile put those of one size and type together
    return places


def is_gray(page: "tifffile.TiffPage") -> bool:
    return getattr(page.photometric, "name", "") in ("MINISBLACK", "MINISWHITE")


def _lies_apart(series: "tifffile.TiffPageSeries", axes: str) -> bool:
    """Whether no pixel of a directory has more than one channel, and none is a colour."""
    return "C" in axes and series.keyframe.samplesperpixel == 1 and is_gray(series.keyframe)
