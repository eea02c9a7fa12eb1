"""What a result is saved as: a name, a file, and how it is written."""

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ConfigError
from .files import write_whole
from .histogram import Histogram
from .instances import check_skimage
from .outline_files import check_roifile, to_geojson, to_roi_zip
from .overlay import Look
from .pixel_size import PixelSize

if TYPE_CHECKING:
    import numpy as np

    from .objects import Objects
    from .segmentation import Segmentation

# By the names that `only` takes.
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
    "histogram": "histogram.svg",
}
# Those of the pixels are written where nothing is said; the others are asked for.
NEEDS_TTA = "There is no uncertainty without test-time augmentation: segment with tta=True (--tta)."
USUAL = ("mask", "overlay", "probabilities", "summary")
# How an overlay becomes a file: noisy pictures take a quarter of the time, and no more bytes.
PHOTOGRAPH = {"format": "PNG", "compress_level": 1}
OF_OBJECTS = ("instances", "objects", "outlines", "rois", "histogram")


def all_outputs(result: "Segmentation") -> list[str]:
    """The names of everything that this result can be saved as."""
    return [name for name in OUTPUTS if name != "uncertainty" or result.uncertainty is not None]


def checked_outputs(only: Collection[str]) -> list[str]:
    """The same in the order of `OUTPUTS`.

    Raises:
        ConfigError: There is no such output, or the package that writes it is missing.
    """
    if unknown := sorted(set(only) - set(OUTPUTS)):
        raise ConfigError(
            f"There is no output {', '.join(unknown)}; there are {', '.join(OUTPUTS)}."
        )
    if set(only) & set(OF_OBJECTS):
        check_skimage()
    if "rois" in only:
        check_roifile()
    return [name for name in OUTPUTS if name in only]


def write_outputs(
    result: "Segmentation",
    folder: Path,
    *,
    look: Look,
    only: Collection[str],
    prefix: str = "",
    objects: "Objects | None" = None,
) -> dict[str, Path]:
    """See `Segmentation.save`. look: Of the overlay."""
    look.hidden_ids(result.id2label)  # before anything is written
    names = checked_outputs(only)
    if "uncertainty" in names and result.uncertainty is None:
        raise ConfigError(NEEDS_TTA)
    if objects is None and set(names) & set(OF_OBJECTS):
        objects = result.objects()
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{prefix}{OUTPUTS[name]}" for name in names}
    writers = _writers(result, objects, look)
    for name, path in paths.items():
        write_whole(path, writers[name])
    return paths


def _writers(
    result: "Segmentation", objects: "Objects | None", look: Look
) -> dict[str, Callable[[Path], Any]]:
    labels = [result.id2label[index] for index in range(len(result.id2label))]
    size = objects.pixel_size if objects else result.image.pixel_size
    page = result.image.page if result.image.pages > 1 else None

    def text(content: Callable[[], str]) -> Callable[[Path], Any]:
        return lambda path: path.write_text(content(), encoding="utf-8", newline="\n")

    return {
        "mask": lambda path: result.mask_image().save(path, format="PNG"),
        "overlay": lambda path: result.overlay(**vars(look)).save(path, **PHOTOGRAPH),
        "probabilities": lambda path: _write_tiff(
            path, result.probabilities, {"axes": "CYX", "Labels": labels}
        ),
        "summary": text(lambda: json.dumps(result.summary(), indent=2)),
        "classes": lambda path: _write_tiff(
            path, result.mask, {"axes": "YX", "Classes": labels}, size
        ),
        "uncertainty": lambda path: _write_tiff(path, result.uncertainty, {"axes": "YX"}, size),
        "instances": lambda path: _write_tiff(path, objects.instances(), {"axes": "YX"}, size),
        "objects": text(lambda: objects.csv()),
        "outlines": text(lambda: json.dumps(to_geojson(objects), separators=(",", ":"))),
        "rois": lambda path: path.write_bytes(to_roi_zip(objects, page)),
        "histogram": text(lambda: Histogram.of(objects).svg()),
    }


def _write_tiff(
    path: Path, pixels: "np.ndarray", metadata: dict[str, Any], size: PixelSize | None = None
) -> None:
    """Deflated; the size of a pixel as resolution tags, where it is known."""
    import tifffile

    scale = {"resolution": size.pixels_per_centimeter, "resolutionunit": 3} if size else {}
    tifffile.imwrite(
        path, pixels, compression="zlib", photometric="minisblack", metadata=metadata, **scale
    )
