"""Opening zarr arrays and OME-Zarr images: the array, its axes and its pixel size."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import (
    ConfigError,
    UnreadableImageError,
    UnsupportedLayoutError,
    how_to_install,
)
from .image_data import check_level, level_notes
from .one_file import check_folder
from .pixel_size import NO_UNIT, PixelSize, unknown_unit

METADATA_FILES = ("zarr.json", ".zarray", ".zgroup")  # a folder of zarr has one of these


@dataclass(frozen=True)
class ZarrImage:
    """An opened zarr image.

    array: A `zarr.Array`. axes: One letter for each axis; None if they are not known.
    """

    array: Any
    axes: str | None
    pixel_size: PixelSize | None = None
    level: int = 0
    scale: tuple[float, float] = (1.0, 1.0)  # of a pixel, in pixels of the finest level: x, y
    notes: tuple[str, ...] = ()


def is_zarr(path: Path) -> bool:
    """Whether the path is a folder of zarr: an array or a group."""
    return path.is_dir() and any((path / name).is_file() for name in METADATA_FILES)


def check_zarr() -> None:
    """Raises `ConfigError` if zarr is not installed."""
    try:
        import zarr  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"zarr is needed for this, and not installed. {how_to_install('large')}"
        ) from error


def open_zarr(path: Path, axes: str | None, level: int = 0) -> ZarrImage:
    """Opens a zarr array, or the array of one resolution of an OME-Zarr image (NGFF 0.4, 0.5).

    level: The resolution, counted from 0, the finest.

    Raises:
        UnsupportedLayoutError: The group does not say which of its arrays is the image, or the
            image has no such level.
        UnreadableImageError: Something in the folder leads outside of it.
    """
    import zarr

    check_folder(path)
    stored = zarr.open(str(path), mode="r")
    if not isinstance(stored, zarr.Group):
        check_level(level, 1, path.name)
        return ZarrImage(stored, axes)
    attributes = dict(stored.attrs)
    images = attributes.get("ome", attributes).get("multiscales") or []
    if not images:
        arrays = ", ".join(sorted(name for name, _ in stored.arrays())[:8]) or "none"
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
    notes += level_notes(level, len(levels))
    size, doubts = _pixel_size(names, named, [image, levels[level]])
    finest, array = (_array(stored, place, path) for place in (levels[0], levels[level]))
    scale = _scale(finest, array, letters.upper()) if level else (1.0, 1.0)
    return ZarrImage(array, letters, size, level, scale, tuple(notes + doubts))


def _array(stored: Any, dataset: dict, path: Path) -> Any:
    """Opens the array of one resolution, which lies in the folder of the image."""
    place = str(dataset["path"])
    if ".." in place.split("/"):
        raise UnreadableImageError(
            f"{path.name} names an array outside of its folder, {place}: it was not opened. Pass "
            "the folder of the image itself."
        )
    return stored[place]


def _scale(finest: Any, array: Any, axes: str) -> tuple[float, float]:
    """Returns the width and the height of an array's pixel, in pixels of the finest array."""
    places = [axes.find(axis) for axis in "XY"]
    if len(axes) != array.ndim or -1 in places:  # `read_image` says that axes do not fit
        return 1.0, 1.0
    x, y = (finest.shape[place] / max(1, array.shape[place]) for place in places)
    return x, y


def _pixel_size(
    names: list[str], axes: list[Any], scaled: list[dict]
) -> tuple[PixelSize | None, list[str]]:
    """Returns the product of all scales, if x and y both have a unit of length, and notes."""
    sides, units = [], []
    for axis in ("x", "y"):
        if axis not in names or not isinstance(axes[names.index(axis)], dict):
            return None, []
        scales = [
            step["scale"][names.index(axis)]
            for level in scaled
            for step in level.get("coordinateTransformations", ())
            if step.get("type") == "scale" and "scale" in step
        ]
        if not scales:
            return None, []
        sides.append(math.prod(scales))
        units.append(str(axes[names.index(axis)].get("unit", "")))
    if size := PixelSize.from_units(*sides, *units, source="OME-Zarr"):
        return size, []
    if any(unit.strip().lower() in NO_UNIT for unit in units):
        return None, []
    return None, [unknown_unit(tuple(sides), " x ".join(dict.fromkeys(units)))]
