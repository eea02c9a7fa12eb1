"""`segment_large`: predicts an image of any size in constant memory."""

import os
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from ..engine.fast import notes_on_precision, settled_precision
from ..engine.memory import MEMORY
from ..engine.scope import notes_on_unlikeness, unlike_training
from ..errors import ConfigError
from ..files import exclusive_writer, make_folder
from ..hashes import model_sha256, source_fingerprint
from ..images.reading import ImageSource
from ..images.windows import open_image
from ..network.configuration import checked_threshold, checked_tile_size
from ..network.network import Network
from ..predict.tiles import precisions_to_try
from .objects import OBJECT_OUTPUTS, ObjectOptions, find_large_objects
from .outputs import (
    LARGE_OUTPUTS,
    check_replaceable,
    checked_large_outputs,
    planes_for,
    write_large_outputs,
)
from .partial_result import PartialResult, partial_result_folder
from .prediction import predict_into_files
from .result import LargeSegmentation
from .tile_size import NOTED_OVERHEAD, megabytes_for, overlap_overhead, tile_size_for


def segment_large(
    model: Network,
    source: ImageSource | Any,
    folder: str | os.PathLike,
    *,
    outputs: Collection[str] = ("mask",),
    prefix: str = "",
    page: int = 0,
    axes: str | None = None,
    channel: int | None = None,
    level: int = 0,
    threshold: float | str | None = None,
    tile_size: int | None = None,
    precision: str = "auto",
    tta: bool = False,
    objects: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
    resume: bool = True,
) -> LargeSegmentation:
    """Predicts the class of every pixel and writes it into `folder`, made if missing.

    The values are those of `model.segment`, to the bit, if both compute the image in tiles or both
    in one window, which may round differently. Memory does not grow with the image. Until the
    result is complete, the disk needs room for it twice: one byte for each pixel, and with
    probabilities four more for each class.

    Args:
        source: What `read_image` takes, and zarr arrays and OME-Zarr; see `open_image` for the
            formats that are read by windows.
        outputs: Some of mask (mask.tif, class ids with a palette), classes (classes.tif, the same
            as gray values), probabilities and, with tta, uncertainty (both .tif, float32), and
            summary (summary.json); or mask.zarr, probabilities.zarr and uncertainty.zarr. For
            objects instances (instances.tif), objects (objects.csv) and outlines
            (outlines.geojson). TIFFs are tiled, are BigTIFF if they have to be, and hold the pixel
            size if it is known.
        prefix: The start of all file names.
        page, axes, channel, threshold, precision, tta: As for `UNet.segment`.
        level: Which resolution of a pyramid (TIFF, OME-Zarr), counted from 0, the finest.
        tile_size: By default what 400 MB allow, see `tile_size_for`; never the checkpoint's. For
            wide networks, larger tiles are faster and need more memory; a note says how much.
        objects: Options of `Segmentation.objects`, e.g. {"min_size": 20}. Objects are the same as
            there, by the methods "learned" and "components"; "watershed" needs the whole image.
            What they need of memory is in `objects.bands`. An object of more than 1024 x 1024 px is
            measured as a whole, and a note says how much memory that took.
        progress: Called as `progress(done, total)` after each tile. What it raises ends the
            prediction. It must not predict anything, nor wait for a thread that does.
        resume: Continues a run that was killed or stopped, if it had the same image, model,
            options and machine. What any other run left is deleted, and a note says so.

    Raises:
        ImageError, ConfigError, PrecisionError: As for `UNet.segment`. No output has its final
            name then.
        TooManyObjectsError: As for `Segmentation.objects`.
        ConfigError: Another run is writing the same outputs, or a folder that this function did not
            write has the name of an output.
        OSError: The outputs cannot be written.
    """
    names = checked_large_outputs(outputs, tta)
    num_classes, threshold = model.config["num_classes"], model.settled_threshold(threshold)
    threshold = model.threshold if threshold is None else checked_threshold(threshold, num_classes)
    if tile_size is not None:
        checked_tile_size(tile_size, model.geometry)
    wanted = ObjectOptions.settled(model, objects) if set(names) & set(OBJECT_OUTPUTS) else None
    if objects and not wanted:
        raise ConfigError(
            f"objects={dict(objects)} is for objects, but none are among the outputs "
            f"{', '.join(names)}. Add {' or '.join(OBJECT_OUTPUTS)}, or leave it out."
        )
    precision, notes_on_choice = settled_precision(model, precision)
    precisions = precisions_to_try(precision, model.device)
    files = {name: Path(folder) / f"{prefix}{LARGE_OUTPUTS[name]}" for name in names}
    for path in files.values():
        check_replaceable(path)
    started = time.perf_counter()

    place = {"page": page, "axes": axes, "channel": channel, "level": level}
    with open_image(source, **place, with_alpha=model.config["in_channels"]) as image:
        prepared = model.preprocessing.prepare(image)
        unlike = unlike_training(model, prepared)
        job = {
            "input": source_fingerprint(source, image),
            "model": model_sha256(model),
            "options": [page, axes, channel, level, threshold],
            "planes": planes_for(names) + (wanted.planes if wanted else []),
            "tta": tta,
            "computed_by": [torch.__version__, torch.get_num_threads(), str(model.device)],
        }
        jobs = [
            job | {"precision": name} | _windows(model, image, name, tta, tile_size)
            for name in precisions
        ]
        partial_folder = partial_result_folder(Path(folder), prefix)
        make_folder(partial_folder)
        with exclusive_writer(partial_folder):
            partial = PartialResult(partial_folder)
            prediction = predict_into_files(
                model, prepared, partial, jobs, threshold, resume=resume, progress=progress
            )
            job = prediction.job
            MEMORY.release()  # the tiles are done: leave the memory to objects and outputs
            found = find_large_objects(prediction, image, wanted) if wanted else None
            notes = [*notes_on_unlikeness(unlike), *prepared.image.notes, *prepared.notes]
            notes += [*prediction.notes, *notes_on_choice, *notes_on_precision(model, precision)]
            if job["precision"] != precisions[0]:
                notes.append(
                    f"{precisions[0]} cannot hold this network's values: float32 was taken"
                )
            if tile_size is None and len(prediction.tiles) > 1:
                notes += _notes_on_tiles(model, job["precision"], job["tile_size"], tta)
            notes += found.notes if found else ()
            result = LargeSegmentation(
                files=files,
                pixel_counts=prediction.count(num_classes),
                id2label=model.id2label,
                threshold=threshold,
                image=image,
                notes=tuple(notes),
                tiles=len(prediction.tiles),
                tile_size=job["tile_size"],
                seconds=time.perf_counter() - started,
                device=str(model.device),
                precision=job["precision"],
                objects=found,
                unlike_training=unlike,
            )
            write_large_outputs(result, prediction, model.config["colors"])
            partial.remove()
    return result


def _windows(
    model: Network, image: Any, precision: str, tta: bool, tile_size: int | None
) -> dict[str, Any]:
    """Returns the size of tiles, and whether the image is one window, as it is for `segment`."""
    side = tile_size or tile_size_for(model, precision, tta=tta)
    sides = (side, model.config["tile_size"])
    fits = all(model.geometry.fits(image.height, image.width, one) for one in sides)
    return {"tile_size": side, "whole": tile_size is None and fits}


def _notes_on_tiles(model: Network, precision: str, side: int, tta: bool) -> list[str]:
    """Returns a note on what larger tiles would gain, if the tiles had to be small."""
    times, larger = overlap_overhead(model.geometry, side), 2 * side
    if times <= NOTED_OVERHEAD:
        return []
    needed = megabytes_for(model, precision, larger, tta=tta)
    return [
        f"tiles of {side} px compute {times:.1f} times the pixels that they keep; with tile_size="
        f"{larger} it is {overlap_overhead(model.geometry, larger):.1f} times, in {needed:.0f} MB"
    ]
