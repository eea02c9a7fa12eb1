"""Finding a page in a TIFF: its series, its channel and its resolution.

tifffile trusts the list of pages in a file. Damaged or hostile lists, which could loop forever or
fill the memory, are refused first.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

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
from .nodata import GDAL_NODATA, parse_nodata
from .pixel_size import PixelSize
from .place import Place
from .tiff_file import open_tiff_file
from .tiff_pictures import Pictures, pictures_of
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
    index: int  # of the series in the file
    finest: "tifffile.TiffPageSeries"
    level: int
    notes: tuple[str, ...]
    for_display: str | None  # the program whose palettes are for display only

    @property
    def shape(self) -> dict[str, int]:
        """The length of each axis of the series, by its letter."""
        return dict(zip(self.axes, self.series.shape, strict=True))

    @property
    def nodata(self) -> float | None:
        """The nodata value as stored; reduced copies of an image may lack the tag."""
        pages = (self.series.keyframe, self.finest.keyframe)
        tags = [page.tags.valueof(GDAL_NODATA) for page in pages]
        tag = next((tag for tag in tags if tag is not None), None)
        return parse_nodata(tag, self.series.dtype)

    def pixel_size(
        self, tiff: "tifffile.TiffFile", directory: "tifffile.TiffPage"
    ) -> tuple[PixelSize | None, list[str]]:
        """Returns the pixel size and notes, see `read_pixel_size`.

        At coarser resolutions, it is scaled from that of the finest one; what their own tags say is
        ignored.
        """
        if self.series is self.finest:
            return read_pixel_size(tiff, directory, self.index)
        size, doubts = read_pixel_size(tiff, self.finest.keyframe.aspage(), self.index)
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
    pictures = pictures_of(tiff)
    notes = list(pictures.notes)
    entries = _list_pages(tiff, pictures, axes)
    if not entries:
        raise UnreadableImageError(f"{name} is a TIFF without a picture. Export it again.")
    check_page(page, len(entries), name)
    index, finest, number = entries[page]
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
    for_display = _program_of_look_up_tables(tiff)
    separate = _has_separate_channels(series, named_axes, for_display)
    single = channel is not None and channels > 1 and separate
    if single:
        check_channel(channel, channels, name)
    picked = channel if single else None
    page_ref = TiffPageRef(
        series, number, len(entries), named_axes, picked, channels, index, finest, level,
        tuple(notes), for_display,
    )  # fmt: skip
    if page_ref.nodata is not None:  # tifffile fills tiles that are not stored, but parses less
        series.keyframe.nodata = series.dtype.type(page_ref.nodata)
    return page_ref


def count_tiff_pages(path: Path, axes: str | None) -> int:
    """Returns the number of pages that `read_tiff` finds."""
    with open_tiff_file(path) as tiff:
        return len(_list_pages(tiff, pictures_of(tiff), axes))


def _list_pages(
    tiff: "tifffile.TiffFile", pictures: Pictures, axes: str | None
) -> list[tuple[int, "tifffile.TiffPageSeries", int]]:
    """Returns each page's index of its series, that series, and its index in it, in order."""
    pages = []
    for index, series in pictures.series:
        count = count_pages(axes or series.axes, series.shape)
        if count > tiff.filehandle.size:
            raise ValueError(f"{count} pages in a file of {tiff.filehandle.size} bytes")
        pages += [(index, series, number) for number in range(count)]

    def directory(page: tuple[int, "tifffile.TiffPageSeries", int]) -> list[int]:
        _, series, number = page
        planes = max(1, count_pages(axes or series.axes, series.shape) // len(series))
        return list(series[number // planes].treeindex)

    generic = all(series.kind in ("generic", "uniform") for _, series in pictures.series)
    if len(pictures.series) > 1 and generic:
        pages.sort(key=directory)  # tifffile groups pages of one size and type
    return pages


def is_gray(page: "tifffile.TiffPage") -> bool:
    """Whether the page is stored as gray, so that its samples are not colours."""
    return getattr(page.photometric, "name", "") in ("MINISBLACK", "MINISWHITE")


def is_look_up_table(page: "tifffile.TiffPage", for_display: str | None) -> bool:
    """Whether the page's palette or inversion says how values are shown, see `TiffPageRef`."""
    stored_as = getattr(page.photometric, "name", "")
    inverting = stored_as == "MINISWHITE" and for_display == "ImageJ"
    return inverting or (stored_as == "PALETTE" and for_display is not None)


def _program_of_look_up_tables(tiff: "tifffile.TiffFile") -> str | None:
    """Returns the program that wrote the file, if it stores values whatever its palette is.

    ImageJ and Fiji write an inverting look-up table as "white is 0", and any other as a palette.
    In OME's model, values are intensities: Bio-Formats adds a palette only for display.
    """
    if tiff.is_imagej or "ImageJ=" in tiff.pages.first.description:
        return "ImageJ"
    return "OME-TIFF" if tiff.is_ome else None


def _has_separate_channels(
    series: "tifffile.TiffPageSeries", axes: str, for_display: str | None
) -> bool:
    """Whether each channel is stored separately, and is not part of a colour."""
    key = series.keyframe
    gray = is_gray(key) or is_look_up_table(key, for_display)
    return "C" in axes and key.samplesperpixel == 1 and gray
