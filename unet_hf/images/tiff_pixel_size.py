"""Reads the size of a pixel from the metadata of a TIFF.

It is taken from the first of these that a file has: OME metadata, the metadata of LSM and SVS, the
georeference of a GeoTIFF, ImageJ's metadata (ImageDescription and resolution tags), or plain
resolution tags. Any software writes plain resolution tags, such as "72 dpi", so they count only if
a pixel is finer than that of any printer or scanner (`COARSEST`). A note says what was ignored.
"""

import contextlib
import math
import re
import xml.etree.ElementTree as ElementTree
from typing import TYPE_CHECKING

from .georeference import Georeference
from .pixel_size import NO_UNIT, PixelSize, unknown_unit

if TYPE_CHECKING:
    import tifffile  # slow to import, so only where it is used


Found = tuple[PixelSize | None, list[str]]  # the size and notes

RESOLUTION_UNITS = {2: 25_400.0, 3: 10_000.0}  # the tag's value -> micrometres: inch, centimetre
# Largest pixel, in micrometres, that a plain resolution tag is trusted for: 5080 dpi. Printers and
# office scanners have at most 4800.
COARSEST = 5.0
LARGEST_PRINTED = 25_400 / 72  # micrometres: nobody prints fewer dots per inch
MPP = re.compile(r"\bMPP\s*=\s*(\d+(?:[.,]\d+)?)")  # micrometres per pixel, in Aperio's words


def read_pixel_size(tiff: "tifffile.TiffFile", page: "tifffile.TiffPage", series: int = 0) -> Found:
    """Reads the pixel size of a TIFF; also returns notes on tags that were ignored.

    Metadata that cannot be read counts as absent: it is no reason to refuse an image.

    Args:
        page: The directory whose tags are used.
        series: The index of its series, which is the index of its image in OME metadata.
    """
    readers = (
        lambda: _from_ome(tiff.ome_metadata or "", series) if tiff.is_ome else None,
        lambda: _from_lsm(tiff) if tiff.is_lsm and series == 0 else None,
        lambda: _from_svs(page) if tiff.is_svs and series == 0 else None,
        lambda: _from_georeference(page),
        lambda: _from_imagej(tiff, page) if tiff.is_imagej else None,
    )
    for read in readers:
        with contextlib.suppress(
            ArithmeticError, AttributeError, LookupError, TypeError, ValueError
        ):
            if found := read():
                return found
    return _from_resolution_tags(page)


def _from_ome(xml: str, index: int) -> Found | None:
    """Reads the size of this image from OME-XML, where the default unit is a micrometre."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return None
    pixels = [tag for tag in root.iter() if tag.tag.endswith("}Pixels")]
    attributes = pixels[index].attrib
    x, y = (float(attributes[f"PhysicalSize{axis}"]) for axis in "XY")
    units = [attributes.get(f"PhysicalSize{axis}Unit", "µm") for axis in "XY"]
    if size := PixelSize.from_units(x, y, *units, source="OME"):
        return size, []
    if any(unit.strip().lower() in NO_UNIT for unit in units) or not _are_sizes(x, y):
        return None
    return None, [unknown_unit((x, y), " x ".join(dict.fromkeys(units)))]


def _from_lsm(tiff: "tifffile.TiffFile") -> Found | None:
    """Reads the size that a Zeiss LSM holds in metres."""
    x, y = (
        round(float(tiff.lsm_metadata[f"VoxelSize{axis}"]) * 1e6, 9) for axis in "XY"
    )  # rounded, as a metre has no exact millionth in binary
    size = PixelSize.from_units(x, y, "µm", source="LSM")
    return (size, []) if size else None


def _from_svs(page: "tifffile.TiffPage") -> Found | None:
    """Reads the micrometres per pixel from the description of a slide of Aperio."""
    found = MPP.search(page.description)
    side = float(found[1].replace(",", ".")) if found else 0.0
    size = PixelSize.from_units(side, side, "µm", source="SVS")
    return (size, []) if size else None


def _from_georeference(page: "tifffile.TiffPage") -> Found | None:
    """Reads the size on the ground."""
    reference = Georeference.from_page(page)
    if reference is None:
        return None
    size, note = reference.pixel_size()
    return size, [note] if note else []


def _from_imagej(tiff: "tifffile.TiffFile", page: "tifffile.TiffPage") -> Found | None:
    """Reads ImageJ's unit in the description, and the size in the resolution tags."""
    metadata = tiff.imagej_metadata or {}
    across, down = (_resolution(page, tag) for tag in ("XResolution", "YResolution"))
    unit = str(metadata.get("unit", "")).strip()
    if not across or not down or unit.lower() in NO_UNIT:
        return None
    x, y = 1 / across, 1 / down
    size = PixelSize.from_units(x, y, unit, metadata.get("yunit") or None, "ImageJ")
    if size is None:
        return None, [unknown_unit((x, y), unit)]
    # ImageJ takes inches from the resolution tags of any picture that it opens.
    microns = x * 25_400
    if size.unit == "inch" and COARSEST < microns <= LARGEST_PRINTED * 1.001:
        return None, [_print_note(microns)]
    return size, []


def _from_resolution_tags(page: "tifffile.TiffPage") -> Found:
    across, down = (_resolution(page, tag) for tag in ("XResolution", "YResolution"))
    unit = page.tags.valueof("ResolutionUnit", 2)  # the default is an inch
    if not across or not down or unit not in RESOLUTION_UNITS or across <= 1:
        return None, []
    x, y = RESOLUTION_UNITS[unit] / across, RESOLUTION_UNITS[unit] / down
    if max(x, y) > COARSEST:
        return None, [_print_note(x)]
    return PixelSize(x, y, "µm", "resolution tags"), []


def _print_note(microns: float) -> str:
    dpi = 25_400 / microns
    return f"{dpi:.0f} dpi is a resolution for print: not taken for a pixel size"


def _resolution(page: "tifffile.TiffPage", name: str) -> float | None:
    """Returns the pixels per unit of a resolution tag, which is a fraction."""
    value = page.tags.valueof(name)
    with contextlib.suppress(TypeError, ValueError, ZeroDivisionError):
        numerator, denominator = value
        if 0 < (ratio := numerator / denominator) < math.inf:
            return ratio
    return None


def _are_sizes(*values: float) -> bool:
    return all(0 < value < math.inf for value in values)
