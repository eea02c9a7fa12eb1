"""The files that a result can be saved as: their names and how they are written."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..images.georeference import Georeference
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


def write_tiff(
    path: Path,
    pixels: np.ndarray,
    metadata: dict[str, Any],
    size: PixelSize | None = None,
    reference: Georeference | None = None,
) -> None:
    """Writes a deflated TIFF, with the pixel size as resolution tags if it is known.

    reference: The place on the Earth of an image that has these pixels.
    """
    import tifffile

    tags = size.resolution_tags if size else {}
    if reference:
        tags["extratags"] = reference.extra_tags()
    tifffile.imwrite(
        path, pixels, compression="zlib", photometric="minisblack", metadata=metadata, **tags
    )
