"""Segments one image of many, and says what went wrong in words that name it and the cure."""

import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ..engine.memory import is_shortage
from ..engine.precision import best_precision
from ..errors import ImageNotFoundError, TooManyObjectsError, UNetError
from ..files import DISK_FAULTS
from ..large import LargeSegmentation, segment_large
from ..predict.outputs import OBJECT_OUTPUTS
from ..unet import UNet
from .item import Failure, Item, Job
from .options import BatchOptions
from .records import Record
from .tables import measured

logger = logging.getLogger(__name__)


class BatchStoppedError(UNetError):
    """A run over many images cannot go on; what is finished stays, and the next run goes on."""


def attempt(
    model: "UNet", item: Item, job: Job, progress: Callable[[int, int], None] | None = None
) -> Record | Failure:
    """Segments one image and writes its outputs; whatever is wrong with it, others go on.

    Returns:
        The record of what was written, which is for `Records.add`, or why it was not.

    Raises:
        BatchStoppedError: The outputs cannot be written.
    """
    try:
        return _segmented(model, item, job, progress)
    except UNetError as error:
        return Failure(item, name_file(item, str(error)))
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return Failure(item, f"{item}: its name is too long for its outputs. Shorten it.")
        raise cannot_write(job.output, error) from error
    except Exception as error:
        if is_out_of_memory(error):
            return Failure(
                item,
                f"{item}: there is too little memory for it. Use a smaller --tile_size, fewer "
                "--jobs, or --only mask.",
            )
        logger.debug("%s", item, exc_info=True)
        text = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        return Failure(
            item, f"{item}: {type(error).__name__}: {text}. This is a fault of unet_hf: report it."
        )


def _segmented(
    model: "UNet", item: Item, job: Job, progress: Callable[[int, int], None] | None
) -> Record:
    options = job.options
    try:
        wanted = job.wanted(item)  # before it is read: who changes it meanwhile, changes it
    except OSError as error:
        raise ImageNotFoundError(
            f"{item.file.path.name} cannot be looked at ({error.strerror}). Check that it is "
            "still there."
        ) from error
    common = {
        "threshold": options.threshold,
        "tile_size": options.tile_size,
        "precision": _precision_to_ask_for(options, model),
        "tta": options.tta,
        "progress": progress,
    }
    base, prefix = job.output / item.name, f"{Path(item.name).name}_"
    objects, left_out = None, []
    if item.large:

        def by_windows(outputs: set[str]) -> LargeSegmentation:
            return segment_large(
                model,
                item.file.path,
                base.parent,
                outputs=outputs,
                prefix=prefix,
                objects=options.objects if outputs & set(OBJECT_OUTPUTS) else None,
                resume=not options.overwrite,
                **options.place(item.page),
                **common,
            )

        outputs = options.without_overlay()
        try:
            result = by_windows(outputs)
        except TooManyObjectsError as error:
            if outputs <= set(OBJECT_OUTPUTS):
                raise
            result = by_windows(outputs - set(OBJECT_OUTPUTS))
            left_out = [f"no objects: {error}"]
        written, objects = result.files, result.objects
        if "overlay" in options.outputs:
            left_out += ["no overlay: the image was segmented by windows"]
    else:
        result = model.segment(options.read(item.file.path, item.page), **common)
        outputs = options.outputs
        if set(outputs) & set(OBJECT_OUTPUTS):
            try:
                objects = result.objects(**options.objects)
            except TooManyObjectsError as error:  # the other outputs are as good as any
                outputs = [output for output in outputs if output not in OBJECT_OUTPUTS]
                left_out = [f"no objects: {error}"]
        written = result.save(
            base.parent,
            **vars(options.look),
            only=outputs,
            prefix=prefix,
            objects=objects,
        )
    areas, ratio = result.areas(), result.unlike_training
    unlike = {} if ratio is None else {"unlike_training": round(ratio, 3)}
    # Other pages are looked at in their turn.
    notes = [note for note in result.notes if not note.startswith(f"page {item.page} of ")]
    notes += left_out
    # A summary's length depends on the seconds it tells, which differ from run to run.
    files = {
        path.relative_to(job.output).as_posix(): path.stat().st_size
        if output != "summary"
        else None
        for output, path in written.items()
    }
    return {
        "name": item.name,
        "file": item.file_name,
        "input": os.path.abspath(item.file.path),  # noqa: PTH100  links are kept as they are
        **wanted,
        "width": result.image.width,
        "height": result.image.height,
        "axes": result.image.axes,
        "pixels": {label: area["pixels"] for label, area in areas.items()},
        **({} if objects is None else {"objects": objects.counts(), "measured": measured(objects)}),
        **unlike,
        "notes": notes,
        "files": files,
        "left_out": [file for file in item.outputs(options) if file not in files],
    }


def _precision_to_ask_for(options: BatchOptions, model: "UNet") -> str:
    """Where it is the device's own choice, another is taken for values that it cannot hold."""
    if options.fast:
        return "fast"
    return "auto" if options.precision == best_precision(model.device) else options.precision


def name_file(item: Item, sentence: str) -> str:
    """The sentence with the file's path in it; most already begin with its name."""
    name = item.file.path.name
    if sentence.startswith(f"{name} "):
        return f"{item}{sentence[len(name) :]}"
    return sentence if str(item.file.path) in sentence else f"{item}: {sentence}"


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory is what was missing."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or is_shortage(str(error))


def cannot_write(output: Path, error: OSError) -> BatchStoppedError:
    words = DISK_FAULTS.get(error.errno or 0, f"{error.strerror or error}. See to it")
    return BatchStoppedError(
        f"{error.filename or output} cannot be written: {words}, or name another --output; the "
        "same command then goes on where it stopped."
    )


@contextmanager
def explaining_write_errors(output: Path) -> Iterator[None]:
    """An `OSError` inside becomes a `BatchStoppedError` with the cause and the cure."""
    try:
        yield
    except UNetError:
        raise
    except OSError as error:
        raise cannot_write(output, error) from error
