"""`Georeference`: the tags of a GeoTIFF that say where on the Earth its pixels lie."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .pixel_size import PixelSize

if TYPE_CHECKING:
    import tifffile  # slow to import, so only where it is used


SCALE, TIE_POINTS, MATRIX = 33550, 33922, 34264
KEYS, DOUBLES, TEXTS = 34735, 34736, 34737
GEO_TAGS = (SCALE, TIE_POINTS, MATRIX, KEYS, DOUBLES, TEXTS)
# Numbers of keys in the tag KEYS, and of some of their values.
MODEL_TYPE, RASTER_TYPE, PROJECTED_SYSTEM, LINEAR_UNIT = 1024, 1025, 3072, 3076
PROJECTED, GEOGRAPHIC, PIXEL_IS_POINT, METRE, USER_DEFINED = 1, 2, 2, 9001, 32767
# EPSG codes of common projections in metres whose scale is right within about 1 %: UTM, and the
# national grids of France, Great Britain, the Netherlands, Switzerland and Europe's equal areas.
IN_METRES = (
    *range(32601, 32661), *range(32701, 32761), *range(25828, 25839), *range(26901, 26924),
    *range(28348, 28359), *range(7846, 7860), 2154, 27700, 28992, 2056, 21781, 3035,
)  # fmt: skip
WEB_MERCATOR = (3857, 3785, 900913, 54004, 41001)


def _is_whole(code: int, value: Any) -> bool:
    """Whether a tag has as many values as its meaning needs."""
    if code == TEXTS:
        return isinstance(value, str)
    if not isinstance(value, tuple):
        return code == DOUBLES and isinstance(value, float)
    sizes = {SCALE: len(value) == 3, MATRIX: len(value) == 16, TIE_POINTS: len(value) % 6 == 0}
    return sizes.get(code, True)


@dataclass(frozen=True)
class Georeference:
    """The tags, as (code, data type, value); values are as in the file."""

    tags: tuple[tuple[int, int, Any], ...]

    @classmethod
    def from_page(cls, page: "tifffile.TiffPage") -> "Georeference | None":
        """Reads the tags of a directory; None if it says nothing of a place.

        Damaged tags count as absent: they are no reason to refuse an image.
        """
        tags = tuple(
            (tag.code, int(tag.dtype), tag.value)
            for tag in page.tags
            if tag.code in GEO_TAGS and _is_whole(tag.code, tag.value)
        )
        placed = {code for code, _, _ in tags} & {SCALE, TIE_POINTS, MATRIX}
        return cls(tags) if placed else None

    def value(self, code: int) -> Any:
        return next((value for own, _, value in self.tags if own == code), None)

    def keys(self) -> dict[int, int]:
        """Returns the values of those keys that are short numbers."""
        entries = tuple(self.value(KEYS) or ())
        rows = [entries[start : start + 4] for start in range(4, len(entries), 4)]
        return {row[0]: row[3] for row in rows if len(row) == 4 and row[1] == 0}

    def at_scale(self, x: float, y: float) -> "Georeference":
        """Returns the tags for pixels that are x times as wide and y times as high."""
        if (x, y) == (1, 1):
            return self
        # A coordinate counts from the centre of the first pixel, or from its outer corner.
        point = 0.5 if self.keys().get(RASTER_TYPE) == PIXEL_IS_POINT else 0.0

        def scaled(code: int, value: Any) -> Any:
            if code == SCALE:
                return (value[0] * x, value[1] * y, *value[2:])
            if code == TIE_POINTS:
                points = [value[start : start + 6] for start in range(0, len(value), 6)]
                moved = [
                    ((p[0] + point) / x - point, (p[1] + point) / y - point, *p[2:]) for p in points
                ]
                return tuple(number for each in moved for number in each)
            if code == MATRIX:
                rows = [list(value[start : start + 4]) for start in range(0, 16, 4)]
                for row in rows:
                    row[3] += point * ((x - 1) * row[0] + (y - 1) * row[1])
                    row[0], row[1] = row[0] * x, row[1] * y
                return tuple(number for row in rows for number in row)
            return value

        return Georeference(tuple((code, kind, scaled(code, v)) for code, kind, v in self.tags))

    def extra_tags(self) -> list[tuple[int, int, int, Any, bool]]:
        """Returns the tags as tifffile's writers take them."""
        return [
            (
                code,
                kind,
                len(value) if isinstance(value, tuple) else int(code != TEXTS),
                value,
                True,
            )
            for code, kind, value in self.tags
        ]

    def pixel_size(self) -> tuple[PixelSize | None, str | None]:
        """Returns the size of a pixel on the ground, or a note that says why it is not used."""
        keys, sides = self.keys(), self._sides()
        if sides is None:
            return None, "georeferenced by points alone: the pixel size is not used"
        if keys.get(MODEL_TYPE) == GEOGRAPHIC:
            return None, "georeferenced; pixel size in degrees is not used"
        system, unit = keys.get(PROJECTED_SYSTEM), keys.get(LINEAR_UNIT)
        if keys.get(MODEL_TYPE) == PROJECTED:
            if system in WEB_MERCATOR:
                return None, "georeferenced; Web Mercator's metres are not those on the ground"
            if unit == METRE or (unit is None and system in IN_METRES):
                return PixelSize(*sides, "m", "GeoTIFF"), None
        named = f" (EPSG:{system})" if system and system != USER_DEFINED else ""
        return (
            None,
            f"georeferenced; the unit of its coordinates{named} is not known: pass pixel_size",
        )

    def _sides(self) -> tuple[float, float] | None:
        """Returns width and height of a pixel in the unit of the coordinates."""
        if scale := self.value(SCALE):
            x, y = abs(scale[0]), abs(scale[1])
        elif matrix := self.value(MATRIX):
            x, y = math.hypot(matrix[0], matrix[4]), math.hypot(matrix[1], matrix[5])
        else:
            return None
        return (x, y) if 0 < x < math.inf and 0 < y < math.inf else None
