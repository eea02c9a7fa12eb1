"""zarr arrays and OME-Zarr images on disk: which array is meant, what its axes are, how large a
pixel is."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, UnsupportedLayoutError
from .image_data import check_level, say_level
from .pixel_size import MICROMETERS, UNITS, PixelSize

MARKS = ("zarr.json", ".zarray", ".zgroup")  # one of these makes a folder zarr's


@dataclass(frozen=True)
class ZarrImage:
    """array: a `zarr.Array`. axes: one letter an axis; None: as of any array."""

    array: Any
    axes: str | None
    pixel_size: PixelSize | None = None
    notes: tuple[str, ...] = ()


def is_zarr(path: Path) -> bool:
    return path.is_dir() and any((path / mark).is_file() for mark in MARKS)


def check_zarr() -> None:
    """Raises `ConfigError` where zarr is not installed."""
    try:
        import zarr  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            'zarr is needed for this, and not installed: pip install "unet_hf[large]".'
        ) from error


def open_zarr(path: Path, axes: str | None, level: int = 0) -> ZarrImage:
    """The array itself, or one of an OME-Zarr image (NGFF 0.4 and 0.5): of its resolutions the
    one of this number, 0 is the finest.

    Raises:
        UnsupportedLayoutError: A group that does not say which of its arrays is the image, or an
            image without this level.
    """
    import zarr

    found = zarr.open(str(path), mode="r")
    if not isinstance(found, zarr.Group):
        check_level(level, 1, path.name)
        return ZarrImage(found, axes)
    attributes = dict(found.attrs)
    images = attributes.get("ome", attributes).get("multiscales") or []
    if not images:
        arrays = ", ".join(sorted(name for name, _ in found.arrays())[:8]) or "none"
        raise UnsupportedLayoutError(
            f"{path.name} is a zarr group without the metadata of OME-Zarr. Pass one of its "
            f"arrays (seen: {arrays}), e.g. {path.name}/NAME, and axes."
        )
    image = images[0]
    notes = []
    if len(images) > 1:
        notes.append(f"the first of {len(images)} images of the group was taken")
    levels = image["datasets"]
    check_level(level, len(levels), path.name)
    named = image.get("axes") or []
    names = [axis["name"] if isinstance(axis, dict) else axis for axis in named]
    letters = axes or "".join(name[0] for name in names).upper() or "TCZYX"
    notes += say_level(level, len(levels))
    size = _pixel_size(names, named, [image, levels[level]])
    return ZarrImage(found[levels[level]["path"]], letters, size, tuple(notes))


def _pixel_size(names: list[str], axes: list[Any], scaled: list[dict]) -> PixelSize | None:
    """The product of all scales, if both sides have a length's unit."""
    sides, units = [], []
    for axis in ("x", "y"):
        if axis not in names or not isinstance(axes[names.index(axis)], dict):
            return None
        unit = UNITS.get(str(axes[names.index(axis)].get("unit", "")).lower())
        scales = [
            step["scale"][names.index(axis)]
            for level in scaled
            for step in level.get("coordinateTransformations", ())
            if step.get("type") == "scale" and "scale" in step
        ]
        if unit is None or not scales:
            return None
        sides.append(math.prod(scales))
        units.append(unit)
    x, y = sides[0], sides[1] * MICROMETERS[units[1]] / MICROMETERS[units[0]]
    return PixelSize(x, y, units[0], "OME-Zarr") if 0 < min(x, y) < math.inf else None
