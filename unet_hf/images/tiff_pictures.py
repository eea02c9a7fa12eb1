"""Which series of a TIFF are its pictures, and which say that they are something else.

Slides hold photographs of their label and of the whole glass, LSM files a thumbnail of each page,
GDAL's files a mask of what is valid, and many files a small preview.
"""

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .tiff_file import planes_of
from .tiff_planes import FEWER, held_series

if TYPE_CHECKING:
    import tifffile  # slow to import, so only where it is used

REDUCED, MASK = 1, 4  # bits of the tag NewSubfileType
NEW_SUBFILE_TYPE, OLD_SUBFILE_TYPE = 254, 255  # the lowest tags, so the first of a directory
# Formats of slides whose series tifffile names, and what it calls those that are not the slide.
SLIDES = ("avs", "bif", "ndpi", "philips", "qpi", "svs")
BESIDE_A_SLIDE = ("Label", "Macro", "Map", "Thumbnail")
# How images are named in OME-XML: "label image", "Macro", "a.ndpi [macro mask image]".
NAMED = re.compile(
    r"(?:.*[\W_])?(label|macro|thumbnail)(?:[\W_]?mask)?(?:[\W_]?image)?[\W_]*", re.IGNORECASE
)
# What a scanner's software writes as the description of a directory.
DESCRIBED = re.compile(
    r"(?:Aperio.*\s)?(label|macro|thumbnail)(?: image)?(?: \d+x\d+)?\s*", re.IGNORECASE
)


@dataclass(frozen=True)
class Pictures:
    """The series that are pictures, each with its index in the file, and notes on the others."""

    series: list[tuple[int, "tifffile.TiffPageSeries"]]
    notes: tuple[str, ...]


def pictures_of(tiff: "tifffile.TiffFile") -> Pictures:
    """Finds the pictures of a TIFF.

    Raises:
        ValueError: The list of directories is a circle.
    """
    flags, complete = subfile_types(tiff)
    notes = []
    series, fewer = held_series(tiff)
    if part := planes_of(tiff, tiff.filename).note:
        notes.append(part)
    elif fewer:
        notes.append(FEWER)
    if not complete:
        notes.append("the list of pages breaks off: the file may be cut")
    found = [(index, part) for index, one in enumerate(series) for part in _parts(one, flags)]
    candidates = [one for _, one in found if not _flag(one, flags) & MASK]
    largest = max(map(_area, candidates), default=0)
    beside = {
        id(one): what for _, one in found if (what := _is_beside(one, candidates, largest, flags))
    }
    if len(beside) == len(found):  # what is beside nothing is the picture
        beside = {}
    if beside:
        notes.append(f"not taken for pages: {', '.join(sorted(set(beside.values())))}")
    return Pictures([each for each in found if id(each[1]) not in beside], tuple(notes))


def subfile_types(tiff: "tifffile.TiffFile") -> tuple[dict[int, int], bool]:
    """Returns the NewSubfileType of each directory by its offset, and whether the list is complete.

    It is not if the file is cut off within it.

    Raises:
        ValueError: The list is a circle, which tifffile would follow forever.
    """
    layout, file, types = tiff.tiff, tiff.filehandle, {}
    offset = tiff.pages.first.offset if tiff.pages else 0
    while offset:
        if offset in types:
            raise ValueError("its list of pages runs in a circle")
        types[offset] = 0
        file.seek(offset)
        tags = file.read(layout.tagnosize)
        if len(tags) < layout.tagnosize:
            return types, False
        count = struct.unpack(layout.tagnoformat, tags)[0]
        first = file.read(layout.tagsize) if count else b""
        if len(first) == layout.tagsize:
            types[offset] = _subfile_type(first, layout.byteorder)
        file.seek(offset + layout.tagnosize + count * layout.tagsize, os.SEEK_SET)
        following = file.read(layout.offsetsize)
        if len(following) < layout.offsetsize:
            return types, False
        offset = struct.unpack(layout.offsetformat, following)[0]
    return types, True


def _subfile_type(tag: bytes, byteorder: str) -> int:
    """Reads the first tag of a directory: code, type and count, then the value."""
    code, kind = struct.unpack(f"{byteorder}HH", tag[:4])
    letter = {3: "H", 4: "I"}.get(kind)
    if letter is None or code not in (NEW_SUBFILE_TYPE, OLD_SUBFILE_TYPE):
        return 0
    start = 8 if len(tag) == 12 else 12  # behind a count of 4 or of 8 bytes
    value = struct.unpack_from(byteorder + letter, tag, start)[0]
    return value if code == NEW_SUBFILE_TYPE else {2: REDUCED}.get(value, 0)


def _parts(
    series: "tifffile.TiffPageSeries", flags: dict[int, int]
) -> Iterator["tifffile.TiffPageSeries"]:
    """Yields a series in parts that are one thing each.

    tifffile puts together what has one size and type, also a picture with its mask, and takes a
    page of half the size for a resolution of another one. Resolutions are flagged as such or tiled.
    """
    import tifffile

    if series.kind not in ("generic", "uniform"):
        yield series
        return
    levels = [each for each in series.levels if each is series or _is_resolution(each, flags)]
    others = [each for each in series.levels if each not in levels]
    kinds: dict[int, list] = {}
    for page in filter(None, series):
        kinds.setdefault(flags.get(page.offset, 0) & (REDUCED | MASK), []).append(page)
    if len(kinds) == 1:
        series.levels[:] = levels
        yield series
    else:
        others = series.levels[1:]
        for pages in kinds.values():
            shape, axes = (len(pages), *series.keyframe.shape), "I" + series.keyframe.axes
            yield tifffile.TiffPageSeries(pages, shape, series.dtype, axes, kind=series.kind)
    for each in others:
        yield from _parts(each, flags)


def _is_resolution(series: "tifffile.TiffPageSeries", flags: dict[int, int]) -> bool:
    key = series.keyframe
    return key.is_tiled or key.is_subifd or bool(_flag(series, flags) & REDUCED)


def _flag(series: "tifffile.TiffPageSeries", flags: dict[int, int]) -> int:
    first = series[0] or series.keyframe
    return flags.get(first.offset, first.keyframe.subfiletype)


def _is_beside(
    series: "tifffile.TiffPageSeries",
    candidates: list["tifffile.TiffPageSeries"],
    largest: int,
    flags: dict[int, int],
) -> str | None:
    """Returns what a series is that is not the picture; None for a picture.

    candidates: All series but masks. largest: The pixels of the largest of them.
    """
    key, flag = series.keyframe, _flag(series, flags)
    if flag & MASK:
        return "mask"
    if series.kind == "lsm" and series is not candidates[0]:
        return "thumbnail"
    smaller = _area(series) < largest
    if smaller and (name := _name_beside(series)):
        return name
    if flag & REDUCED:
        return "reduced copy" if smaller else None
    inside = [
        other
        for other in candidates
        if key.subifds
        and other.keyframe.treeindex[:-1] == key.treeindex
        and not _flag(other, flags) & REDUCED
    ]
    return "thumbnail" if any(_is_fuller(other.keyframe, key) for other in inside) else None


def _name_beside(series: "tifffile.TiffPageSeries") -> str | None:
    """Returns what a series is called, if that is the name of something beside a slide."""
    if series.kind in SLIDES:
        return series.name.lower() if series.name in BESIDE_A_SLIDE else None
    if series.kind == "ome":
        found = NAMED.fullmatch(series.name)
    else:
        found = DESCRIBED.fullmatch(series.keyframe.description)
    return found and found[1].lower()


def _area(series: "tifffile.TiffPageSeries") -> int:
    return series.keyframe.imagewidth * series.keyframe.imagelength


def _is_fuller(page: "tifffile.TiffPage", other: "tifffile.TiffPage") -> bool:
    return page.imagewidth > other.imagewidth and page.imagelength > other.imagelength
