"""How large a pixel is, where a TIFF says so or a person does.

Read from, the first that speaks: OME metadata, ImageJ's (ImageDescription and resolution tags),
the plain resolution tags. Those say "72 dpi" in files that were never near a microscope, so they
count only where a pixel is finer than any printer's or scanner's (`COARSEST`). What was passed
over is said in a note; `PixelSize.of` takes what a person knows.
"""

import contextlib
import math
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ConfigError

if TYPE_CHECKING:
    import tifffile  # slow to import, so only where it is used


# Units as they are written in files and by people -> the one that is shown.
UNITS = {
    "pm": "pm", "picometer": "pm",
    "å": "Å", "angstrom": "Å",
    "nm": "nm", "nanometer": "nm", "nanometre": "nm",
    "µm": "µm", "μm": "µm", "um": "µm", "micron": "µm", "microns": "µm", "micrometer": "µm",
    "micrometre": "µm", "\\u00b5m": "µm", "\\u03bcm": "µm",
    "mm": "mm", "millimeter": "mm", "millimetre": "mm",
    "cm": "cm", "m": "m",
}  # fmt: skip
ASCII = {"µm": "um", "Å": "angstrom"}  # in names of columns, which every program has to read
MICROMETERS = {"pm": 1e-6, "Å": 1e-4, "nm": 1e-3, "µm": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6}
RESOLUTION_UNITS = {2: 25_400.0, 3: 10_000.0}  # the tag's value -> micrometres: inch, centimetre
# Of a plain resolution tag, in micrometres a pixel: 5080 dpi. Print and office scans end at 4800.
COARSEST = 5.0


@dataclass(frozen=True)
class PixelSize:
    """Width `x` and height `y` of a pixel, positive, in `unit`: pm, Å, nm, µm, mm, cm or m."""

    x: float
    y: float
    unit: str
    source: str = "given"  # or "OME", "ImageJ", "resolution tags"

    @classmethod
    def of(cls, value: "PixelSize | tuple | str | None") -> "PixelSize | None":
        """What a person gave: (0.25, "µm"), (0.25, 0.5, "µm") as x and y, or "0.25 um".

        Raises:
            ConfigError: It is none of these.
        """
        if value is None or isinstance(value, PixelSize):
            return value
        with contextlib.suppress(ValueError, TypeError):
            *sides, unit = value.split() if isinstance(value, str) else value
            sides = [float(side) for side in sides]
            known = UNITS.get(str(unit).strip().lower())
            if known and len(sides) in (1, 2) and all(0 < s < math.inf for s in sides):
                return cls(sides[0], sides[-1], known)
        raise ConfigError(
            f"pixel_size={value!r} is not a size with its unit. Give a positive number and one of "
            f"{', '.join(MICROMETERS)}, e.g. (0.25, 'µm') in Python and '0.25 um' elsewhere; "
            "width, then height, where they differ."
        )

    @property
    def is_square(self) -> bool:
        """Within what resolution tags can express."""
        return math.isclose(self.x, self.y, rel_tol=1e-3)

    @property
    def ascii_unit(self) -> str:
        return ASCII.get(self.unit, self.unit)

    @property
    def resolution_tags(self) -> dict[str, Any]:
        """TIFF's tags, in pixels per centimetre, as arguments of tifffile's writers."""
        x, y = (1e4 / (side * MICROMETERS[self.unit]) for side in (self.x, self.y))
        return {"resolution": (x, y), "resolutionunit": 3}

    def turned(self) -> "PixelSize":
        """Of the image on its side."""
        return PixelSize(self.y, self.x, self.unit, self.source)

    def __str__(self) -> str:
        height = "" if self.is_square else f" x {self.y:.6g}"
        return f"{self.x:.6g}{height} {self.unit}"


def read_pixel_size(
    tiff: "tifffile.TiffFile", page: "tifffile.TiffPage", series: int = 0
) -> tuple[PixelSize | None, list[str]]:
    """What a TIFF says of its pixels, and notes on what was not believed.

    Metadata that cannot be read counts as absent: it is no reason to refuse an image.

    Args:
        page: The directory whose resolution tags count.
        series: The number of its series, which is the number of its image in OME metadata.
    """
    if tiff.is_ome and (size := _from_ome(tiff.ome_metadata or "", series)):
        return size, []
    across, down = (_resolution(page, tag) for tag in ("XResolution", "YResolution"))
    if not across or not down:
        return None, []
    if tiff.is_imagej:
        unit = UNITS.get(str((tiff.imagej_metadata or {}).get("unit", "")).strip().lower())
        if unit:
            return PixelSize(1 / across, 1 / down, unit, "ImageJ"), []
    unit = page.tags.valueof("ResolutionUnit", 2)  # an inch, if the file does not say
    if unit not in RESOLUTION_UNITS or across <= 1:
        return None, []
    x, y = RESOLUTION_UNITS[unit] / across, RESOLUTION_UNITS[unit] / down
    if max(x, y) > COARSEST:
        dpi = 25_400 / x
        return None, [f"{dpi:.0f} dpi is a resolution for print: not taken for a pixel size"]
    return PixelSize(x, y, "µm", "resolution tags"), []


def _resolution(page: "tifffile.TiffPage", name: str) -> float | None:
    """Pixels a unit, of a tag that is a fraction."""
    value = page.tags.valueof(name)
    with contextlib.suppress(TypeError, ValueError, ZeroDivisionError):
        numerator, denominator = value
        if 0 < (ratio := numerator / denominator) < math.inf:
            return ratio
    return None


def _from_ome(xml: str, number: int) -> PixelSize | None:
    """Of the image of this number, in micrometres where the file names no unit."""
    with contextlib.suppress(ElementTree.ParseError, IndexError, KeyError, ValueError):
        pixels = [tag for tag in ElementTree.fromstring(xml).iter() if tag.tag.endswith("}Pixels")]
        attributes = pixels[number].attrib
        x, y = (float(attributes[f"PhysicalSize{axis}"]) for axis in "XY")
        units = [attributes.get(f"PhysicalSize{axis}Unit", "µm") for axis in "XY"]
        unit = UNITS[units[0].strip().lower()]
        scale = MICROMETERS[UNITS[units[1].strip().lower()]] / MICROMETERS[unit]
        if 0 < x < math.inf and 0 < y < math.inf:
            return PixelSize(x, y * scale, unit, "OME")
    return None
