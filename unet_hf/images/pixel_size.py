"""`PixelSize`: the width and height of a pixel with their unit, and the spellings of units.

`tiff_pixel_size.py` reads it from a TIFF.
"""

import contextlib
import math
import re
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError

# Spellings of units in files and by users, in lower case and singular -> the unit that is shown.
UNITS = {
    "pm": "pm", "picometer": "pm", "picometre": "pm",
    "å": "Å", "a": "Å", "angstrom": "Å", "ångström": "Å", "ångstrom": "Å",
    "nm": "nm", "nanometer": "nm", "nanometre": "nm",
    "µm": "µm", "μm": "µm", "um": "µm", "µ": "µm", "μ": "µm", "micron": "µm", "micrometer": "µm",
    "micrometre": "µm", "mikron": "µm", "mikrometer": "µm", "mum": "µm", "mcm": "µm",
    "\\u00b5m": "µm", "\\u03bcm": "µm", "âµm": "µm", "&micro;m": "µm", "&#181;m": "µm",
    "mm": "mm", "millimeter": "mm", "millimetre": "mm",
    "cm": "cm", "centimeter": "cm", "centimetre": "cm",
    "m": "m", "meter": "m", "metre": "m",
    "in": "inch", "inch": "inch", "inche": "inch", '"': "inch",
}  # fmt: skip
# Units that are shown in another one: how many of it they are.
CONVERTED = {
    "ym": (1e-12, "pm"), "zm": (1e-9, "pm"), "am": (1e-6, "pm"), "fm": (1e-3, "pm"),
    "thou": (25.4, "µm"), "pt": (25_400 / 72, "µm"), "li": (25.4 / 12, "mm"),
    "dm": (10.0, "cm"), "dam": (10.0, "m"), "hm": (100.0, "m"), "km": (1e3, "m"),
    "kilometer": (1e3, "m"), "kilometre": (1e3, "m"), "ft": (0.3048, "m"), "yd": (0.9144, "m"),
    "mi": (1609.344, "m"), "ua": (149_597_870_700.0, "m"), "ly": (9_460_730_472_580_800.0, "m"),
    "pc": (3.085_677_581_491_367e16, "m"),
}  # fmt: skip
# Units of OME that only their capital tells from a smaller one.
CAPITALS = {
    "Mm": 1e6, "Gm": 1e9, "Tm": 1e12, "Pm": 1e15, "Em": 1e18, "Zm": 1e21, "Ym": 1e24,
}  # fmt: skip
# Words that files have in the place of a unit where the pixel has no known size.
NO_UNIT = ("", "none", "null", "pixel", "pixels", "px", "unit", "units")
# For names of columns, which every program must be able to read.
ASCII_UNITS = {"µm": "um", "Å": "angstrom"}
MICROMETERS = {
    "pm": 1e-6, "Å": 1e-4, "nm": 1e-3, "µm": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6, "inch": 25_400.0,
}  # fmt: skip


def find_unit(text: object) -> tuple[float, str] | None:
    """Returns how many of which shown unit a unit is, such as (10, "cm"); None if not a length."""
    word = str(text).strip().rstrip(".")
    if word in CAPITALS:
        return CAPITALS[word], "m"
    word = re.sub(r"\s*(/|per)\s*(px|pixel)$", "", word.lower())
    for spelling in (word, word.removesuffix("s")):
        if spelling in UNITS:
            return 1.0, UNITS[spelling]
        if spelling in CONVERTED:
            return CONVERTED[spelling]
    return None


def unknown_unit(values: tuple[float, ...], unit: object) -> str:
    """Returns the note on a pixel size whose unit is not understood."""
    size = " x ".join(f"{value:.6g}" for value in dict.fromkeys(values))
    return f"pixel size given as {size} {str(unit)[:40]!r} is not understood; pass pixel_size"


@dataclass(frozen=True)
class PixelSize:
    """Width `x` and height `y` of a pixel, positive, in `unit`, which is one of `MICROMETERS`."""

    x: float
    y: float
    unit: str
    source: str = "given"  # or "OME", "ImageJ", "LSM", "SVS", "GeoTIFF", "resolution tags" ...

    @classmethod
    def of(cls, value: "PixelSize | tuple | str | None") -> "PixelSize | None":
        """Parses a given size: (0.25, "µm"), (0.25, 0.5, "µm") as x and y, or "0.25 um".

        Raises:
            ConfigError: It is none of these.
        """
        if value is None or isinstance(value, PixelSize):
            return value
        with contextlib.suppress(ValueError, TypeError):
            *sides, unit = value.split() if isinstance(value, str) else value
            sides = [float(side) for side in sides]
            if len(sides) in (1, 2) and (size := cls.from_units(sides[0], sides[-1], unit)):
                return size
        raise ConfigError(
            f"pixel_size={value!r} is not a size with its unit. Give a positive number and one of "
            f"{', '.join(MICROMETERS)}, e.g. (0.25, 'µm') in Python and '0.25 um' elsewhere; "
            "width, then height, where they differ."
        )

    @classmethod
    def from_units(
        cls, x: float, y: float, x_unit: object, y_unit: object = None, source: str = "given"
    ) -> "PixelSize | None":
        """Returns the size in a unit that is shown; None if it is no size or no unit of length.

        y_unit: None: that of x.
        """
        across, down = find_unit(x_unit), find_unit(x_unit if y_unit is None else y_unit)
        if not across or not down or not (0 < x < math.inf and 0 < y < math.inf):
            return None
        x, y = x * across[0], y * down[0]
        if down[1] != across[1]:
            y *= MICROMETERS[down[1]] / MICROMETERS[across[1]]
        return cls(x, y, across[1], source)

    @property
    def is_square(self) -> bool:
        """Whether width and height are equal, to the accuracy of resolution tags."""
        return math.isclose(self.x, self.y, rel_tol=1e-3)

    @property
    def ascii_unit(self) -> str:
        """The unit in ASCII letters, for names of columns."""
        return ASCII_UNITS.get(self.unit, self.unit)

    @property
    def resolution_tags(self) -> dict[str, Any]:
        """TIFF's tags, in pixels per centimetre, as arguments of tifffile's writers."""
        x, y = (1e4 / (side * MICROMETERS[self.unit]) for side in (self.x, self.y))
        return {"resolution": (x, y), "resolutionunit": 3}

    def turned(self) -> "PixelSize":
        """Returns the size with width and height exchanged, for an image turned by 90 degrees."""
        return PixelSize(self.y, self.x, self.unit, self.source)

    def __str__(self) -> str:
        height = "" if self.is_square else f" x {self.y:.6g}"
        return f"{self.x:.6g}{height} {self.unit}"
