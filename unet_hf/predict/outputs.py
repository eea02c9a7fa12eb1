"""The files that a result can be saved as: their names and how they are written."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..images.image_data import ImageData
from ..images.nodata import GDAL_NODATA
from ..images.pixel_size import PixelSize
from ..objects.instances import check_skimage
from ..objects.outline_files import check_roifile

# File names, by the names that the option `only` takes.
OUTPUTS = {
    "mask": "mask.png",
    "overlay": "overlay.png",
    "probabilities": "probabilities.tif",
    "summary": "summary.json",
    "classes": "classes.tif",
    "uncertainty": "uncertainty.tif",
    "instances": "instances.tif",
    "objects": "objects.csv",
    "outlines": "outlines.geojson",
    "rois": "rois.zip",
}
# What to do instead of asking for an output that was removed.
REMOVED = {
    "histogram": (
        "The output 'histogram' (histogram.svg) was removed. Write 'objects' (objects.csv) instead "
        "and count its areas, e.g. with np.histogram. The demo's page still draws the histogram."
    ),
}
NODATA_ID = 255
NEEDS_TTA = "There is no uncertainty without test-time augmentation: segment with tta=True (--tta)."
# Written unless `only` says otherwise.
DEFAULT_OUTPUTS = ("mask", "overlay", "probabilities", "summary")
# Options for saving overlays: noisy pictures take a quarter of the time, and no more bytes.
OVERLAY_PNG_OPTIONS = {"format": "PNG", "compress_level": 1}
OBJECT_OUTPUTS = ("instances", "objects", "outlines", "rois")


def checked_outputs(only: Collection[str]) -> list[str]:
    """Returns these names in the order of `OUTPUTS`.

    Raises:
        ConfigError: There is no such output, or the package that writes it is missing.
    """
    only = [only] if isinstance(only, str) else only
    for name in only:
        if name in REMOVED:
            raise ConfigError(REMOVED[name])
    if unknown := sorted(set(only) - set(OUTPUTS)):
        raise ConfigError(
            f"There is no output {', '.join(unknown)}; there are {', '.join(OUTPUTS)}."
        )
    if set(only) & set(OBJECT_OUTPUTS):
        check_skimage()
    if "rois" in only:
        check_roifile()
    return [name for name in OUTPUTS if name in only]


def nodata_id(image: ImageData, num_classes: int) -> int | None:
    """Returns the value that a TIFF of class ids has where the image holds no data: 255.

    None if the image's file names no nodata value, or if 255 is a class: then the file holds what
    the result holds.
    """
    return NODATA_ID if image.nodata is not None and num_classes <= NODATA_ID else None


def geo_tags(image: ImageData, nodata: int | None) -> list[tuple[int, Any, int, Any, bool]]:
    """Returns the tags that say where an image's pixels lie and what means nothing in a file."""
    reference = image.place.georeference
    tags = reference.extra_tags() if reference else []
    return tags if nodata is None else [*tags, (GDAL_NODATA, "s", 0, str(nodata), True)]


def write_tiff(
    path: Path,
    pixels: np.ndarray,
    metadata: dict[str, Any],
    size: PixelSize | None,
    image: ImageData,
    nodata: int | None = None,
) -> None:
    """Writes a deflated TIFF, with the pixel size as resolution tags if it is known.

    Args:
        pixels: (..., H, W) of the image's height and width.
        image: Its georeference is written as well.
        nodata: As `nodata_id` returns it. It is written where the image holds no data.
    """
    import tifffile

    tags = size.resolution_tags if size else {}
    if extra := geo_tags(image, nodata):
        tags["extratags"] = extra
    if nodata is not None and (valid := image.valid) is not None:
        pixels = np.where(valid, pixels, pixels.dtype.type(nodata))
    tifffile.imwrite(
        path, pixels, compression="zlib", photometric="minisblack", metadata=metadata, **tags
    )
