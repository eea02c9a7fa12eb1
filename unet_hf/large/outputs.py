"""The files that a large prediction is saved as: tiled TIFF, or zarr."""

import contextlib
import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..images.pixel_size import PixelSize
from ..images.preprocessing import PreparedImage
from ..images.zarr_windows import check_zarr
from ..objects.instances import check_skimage
from ..predict.outputs import NEEDS_TTA, geo_tags, nodata_id
from ..predict.overlay import tiff_palette
from .objects import OBJECT_OUTPUTS
from .outlines import write_outlines
from .partial_result import Plane, move
from .prediction import Prediction
from .result import LargeSegmentation

# File names, by the names that the option `outputs` takes.
LARGE_OUTPUTS = {
    "mask": "mask.tif",
    "mask.zarr": "mask.zarr",
    "classes": "classes.tif",
    "probabilities": "probabilities.tif",
    "probabilities.zarr": "probabilities.zarr",
    "uncertainty": "uncertainty.tif",
    "uncertainty.zarr": "uncertainty.zarr",
    "summary": "summary.json",
    "instances": "instances.tif",
    "objects": "objects.csv",
    "outlines": "outlines.geojson",
}
TILE = 512  # px: side of the tiles of a TIFF and of the chunks of a zarr array
MAX_CLASSIC_TIFF_BYTES = 2**32 - 2**26  # bytes; larger files are written as BigTIFF
CHUNK_BYTES = 2**23  # bytes that are read and compressed at once


def checked_large_outputs(outputs: Collection[str], tta: bool = False) -> list[str]:
    """Returns these names in the order of `LARGE_OUTPUTS`; raises `ConfigError`."""
    if unknown := sorted(set(outputs) - set(LARGE_OUTPUTS)):
        raise ConfigError(
            f"There is no output {', '.join(unknown)} of large images; there are "
            f"{', '.join(LARGE_OUTPUTS)}. Overlays and ROIs need the image as a whole: cut out a "
            "part of it and segment that."
        )
    if not outputs:
        raise ConfigError(f"outputs is empty. Name some of {', '.join(LARGE_OUTPUTS)}.")
    if not tta and "uncertainty" in planes_for(outputs):
        raise ConfigError(NEEDS_TTA)
    if any(name.endswith(".zarr") for name in outputs):
        check_zarr()
    if set(outputs) & set(OBJECT_OUTPUTS):
        check_skimage()
    return [name for name in LARGE_OUTPUTS if name in outputs]


def planes_for(outputs: Collection[str]) -> list[str]:
    """Returns the planes that these outputs need, and always the mask, for the pixel counts."""
    wanted = {name.removesuffix(".zarr") for name in outputs}
    return ["mask", *(name for name in ("probabilities", "uncertainty") if name in wanted)]


def check_replaceable(path: Path) -> None:
    """Raises `ConfigError` if an output of this name would replace a folder of the user's."""
    if path.is_dir() and not (path.suffix == ".zarr" and _is_result(path)):
        raise ConfigError(
            f"{path} is a folder, and not one that was written here: the result of that name "
            "would replace it. Move it away, or name another folder or prefix."
        )


def _is_result(path: Path) -> bool:
    """Whether `_write_zarr` wrote this folder: one array that knows its classes."""
    import zarr

    with contextlib.suppress(Exception):  # zarr raises anything on folders that are not its own
        attributes = zarr.open_array(str(path), mode="r").attrs
        return "axes" in attributes and "classes" in attributes
    return False


def write_large_outputs(
    result: "LargeSegmentation", prediction: Prediction, colors: list[str]
) -> None:
    """Writes `result.files`, each completely or not at all.

    They are written into the folder of the partial result and then moved.
    """
    size = result.image.pixel_size
    labels = [result.id2label[index] for index in range(len(result.id2label))]
    prepared = prediction.prepared
    no_data = nodata_id(result.image, len(labels))
    planes, objects = prediction.planes, result.objects
    writers: dict[str, Callable[[Path], Any]] = {
        "mask": lambda path: _write_tiff(
            path, planes["mask"], {"axes": "YX"}, size, prepared, no_data,
            photometric="palette", colormap=tiff_palette(colors), compression="zlib",
        ),
        "classes": lambda path: _write_tiff(
            path, planes["mask"], {"axes": "YX", "Classes": labels}, size, prepared, no_data,
            photometric="minisblack", compression="zlib",
        ),
        # Not compressed: deflate takes minutes for each gigabyte, and saves a tenth.
        "probabilities": lambda path: _write_tiff(
            path, planes["probabilities"], {"axes": "CYX", "Labels": labels}, size, prepared, None,
            photometric="minisblack",
        ),
        "uncertainty": lambda path: _write_tiff(
            path, planes["uncertainty"], {"axes": "YX"}, size, prepared, None,
            photometric="minisblack",
        ),
        "summary": lambda path: path.write_text(
            json.dumps(result.summary(), indent=2), encoding="utf-8", newline="\n"
        ),
        "instances": lambda path: _write_tiff(
            path, objects.found.instances, {"axes": "YX"}, objects.pixel_size, prepared, None,
            photometric="minisblack", compression="zlib",
        ),
        "objects": lambda path: move(objects.csv_file, path),
        "outlines": lambda path: write_outlines(path, objects, colors, result.image.place),
    }  # fmt: skip
    finished = {name: prediction.partial.folder / path.name for name, path in result.files.items()}
    for name, path in finished.items():
        if path.suffix == ".zarr":
            _write_zarr(path, planes[name.removesuffix(".zarr")], labels, size)
        else:
            writers[name](path)
    for name, path in finished.items():
        move(path, result.files[name])


def _write_tiff(
    path: Path,
    plane: Plane,
    metadata: dict[str, Any],
    size: PixelSize | None,
    prepared: PreparedImage,
    nodata: int | None,
    **options: Any,
) -> None:
    """Writes a tiled TIFF, with the pixel size and the georeference if they are known.

    nodata: As `nodata_id` returns it. It is written where the image holds no data.
    """
    import tifffile

    if extra := geo_tags(prepared.image, nodata):
        options["extratags"] = extra
    shape = plane.shape if "C" in metadata["axes"] else plane.shape[1:]
    pixels = _tiles(plane, prepared, nodata)
    if shape[-1] == 1:  # tifffile would take the only column for samples, and the tiles for others
        pixels = np.concatenate(list(pixels)).reshape(shape)
    else:
        options |= {"shape": shape, "dtype": plane.dtype, "tile": (TILE, TILE)}
    with tifffile.TiffWriter(path, bigtiff=plane.nbytes > MAX_CLASSIC_TIFF_BYTES) as writer:
        writer.write(
            pixels,
            metadata=metadata,
            maxworkers=2,
            buffersize=CHUNK_BYTES,
            **(size.resolution_tags if size else {}),
            **options,
        )


def _tiles(plane: Plane, prepared: PreparedImage, nodata: int | None) -> Iterator[np.ndarray]:
    """Yields the tiles in order; the writer pads the smaller ones at the right and bottom."""
    for layer in range(plane.shape[0]):
        for rows, columns in plane.blocks(TILE, CHUNK_BYTES):
            block = plane.read(layer, rows, columns)
            if nodata is not None and (valid := prepared.valid(rows, columns)) is not None:
                block = np.where(valid, block, block.dtype.type(nodata))
            for left in range(0, block.shape[1], TILE):
                yield block[:, left : left + TILE]


def _write_zarr(path: Path, plane: Plane, labels: list[str], size: PixelSize | None) -> None:
    """Writes one array, with its axes, class names and pixel size as attributes."""
    import zarr

    flat = plane.shape[0] == 1
    array = zarr.open(
        str(path),
        mode="w",
        shape=plane.shape[1:] if flat else plane.shape,
        chunks=(TILE, TILE) if flat else (1, TILE, TILE),
        dtype=plane.dtype,
    )
    array.attrs["axes"] = "YX" if flat else "CYX"
    array.attrs["classes"] = labels
    if size:
        array.attrs["pixel_size"] = [size.x, size.y, size.unit]
    for layer in range(plane.shape[0]):
        for rows, columns in plane.blocks(TILE, CHUNK_BYTES):
            index = (rows, columns) if flat else (layer, rows, columns)
            array[index] = plane.read(layer, rows, columns)
