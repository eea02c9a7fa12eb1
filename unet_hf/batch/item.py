"""One image of many: what is to be done with it, and what became of it."""

import errno
import hashlib
import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ..configuration import checked_threshold, checked_tile_size
from ..errors import ConfigError, ImageNotFoundError, UNetError
from ..objects import check_options
from ..outputs import OF_OBJECTS, OUTPUTS, USUAL, checked_outputs
from .inputs import InputFile
from .records import Record

if TYPE_CHECKING:
    from ..unet import UNet

# What the system says of files it does not write, and the cure.
DISK = {
    errno.ENOSPC: "the disk is full. Free some space",
    errno.EDQUOT: "your share of the disk is used up. Free some space",
    errno.EFBIG: "a file may not become as large as it has to (`ulimit -f`). Lift the limit",
    errno.EROFS: "the disk may only be read. Look after it, or name another --output",
    errno.EACCES: "you may not write there. Change its permissions, or name another --output",
    errno.EPERM: "you may not write there. Change its permissions, or name another --output",
    errno.EIO: "the disk fails. Look after it, or name another --output",
}

logger = logging.getLogger(__name__)


class BatchStoppedError(UNetError):
    """A run over many images cannot go on; what is finished stays, and the next run goes on."""


@dataclass(frozen=True)
class BatchOptions:
    """How many images are segmented; `UNet.segment`, `Segmentation.save` and, for what is in
    `objects`, `Segmentation.objects` explain most."""

    model: str
    revision: str | None = None
    threshold: float | None = None
    tile_size: int | None = None
    page: int | None = None  # of every file; None: all pages
    axes: str | None = None
    outputs: tuple[str, ...] = USUAL
    objects: dict[str, Any] = field(default_factory=dict)  # only what differs from the default
    alpha: float = 0.5
    jobs: int = 1
    overwrite: bool = False
    device: str = "auto"

    def load(self) -> "UNet":
        """The model on its device. Raises `CheckpointError` or `ConfigError`."""
        from ..unet import UNet

        if self.device == "cuda" and not torch.cuda.is_available():
            raise ConfigError(
                "--device cuda: PyTorch finds no CUDA device here. Leave --device out, or install "
                "a PyTorch built for this machine's GPU."
            )
        on_gpu = self.device != "cpu" and torch.cuda.is_available()
        model = UNet.from_pretrained(self.model, revision=self.revision)
        return model.to("cuda" if on_gpu else "cpu")

    def settled(self, model: "UNet") -> "BatchOptions":
        """The same with the model's own values where none were given. Raises `ConfigError`."""
        threshold, tile_size = self.threshold, self.tile_size
        if threshold is None:
            threshold = model.threshold
        else:
            checked_threshold(threshold, model.config["num_classes"])
        if tile_size is None:
            tile_size = model.config["tile_size"]
        checked_tile_size(tile_size, model.geometry)
        checked_outputs(self.outputs)
        check_options(model.id2label, **self.objects)
        if not 0 <= self.alpha <= 1:
            raise ConfigError(
                f"alpha={self.alpha!r} is not from 0 (image alone) to 1 (colours alone)."
            )
        return replace(self, threshold=threshold, tile_size=tile_size)


@dataclass(frozen=True)
class Item:
    """One page of one file."""

    file: InputFile
    page: int = 0
    pages: int = 1

    @property
    def name(self) -> str:
        """Of the outputs; it says the page where there are several."""
        return self.file.name if self.pages == 1 else f"{self.file.name}_page{self.page:04d}"

    def __str__(self) -> str:
        return str(self.file.path) + (f", page {self.page}" if self.pages > 1 else "")

    @property
    def file_name(self) -> str:
        """The file's, with its folders beneath the one that was named."""
        return self.file.name + self.file.path.suffix

    def outputs(self, options: BatchOptions) -> list[str]:
        """The files that are written, relative to the output folder."""
        return [f"{self.name}_{OUTPUTS[output]}" for output in OUTPUTS if output in options.outputs]


@dataclass(frozen=True)
class Job:
    """What all images of a run have in common, settled; fit to be sent to another process."""

    options: BatchOptions
    output: Path
    identity: str  # of the model, see `identify`

    def wanted(self, item: Item) -> Record:
        """What has to agree for outputs to count as those of this run. Raises `OSError`."""
        status = item.file.path.stat()
        return {
            "page": item.page,
            "bytes": status.st_size,
            "mtime_ns": status.st_mtime_ns,
            "model": self.identity,
            "options": self.shared(),
        }

    def shared(self) -> Record:
        options = self.options
        return {
            "threshold": options.threshold,
            "tile_size": options.tile_size,
            "axes": options.axes,
            "alpha": options.alpha,
            **({"objects": options.objects} if options.objects else {}),
        }


@dataclass(frozen=True)
class Failure:
    """An image that could not be segmented."""

    item: Item
    reason: str  # a sentence that names the file


def identify(model: "UNet") -> str:
    """sha256 of configuration and weights: what decides a prediction, whatever its name."""
    digest = hashlib.sha256(json.dumps(model.config, sort_keys=True).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


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
    result = model.segment(
        item.file.path,
        page=item.page,
        axes=options.axes,
        threshold=options.threshold,
        tile_size=options.tile_size,
        progress=progress,
    )
    base = job.output / item.name
    wants_objects = set(options.outputs) & set(OF_OBJECTS)
    written = result.save(
        base.parent,
        options.alpha,
        only=options.outputs,
        prefix=f"{base.name}_",
        objects=result.objects(**options.objects) if wants_objects else None,
    )
    areas = result.areas()
    # Other pages are looked at in their turn.
    notes = [note for note in result.notes if not note.startswith(f"page {item.page} of ")]
    return {
        "name": item.name,
        "file": item.file_name,
        "input": os.path.abspath(item.file.path),  # noqa: PTH100  links are kept as they are
        **wanted,
        "width": result.mask.shape[1],
        "height": result.mask.shape[0],
        "axes": result.image.axes,
        "pixels": {label: area["pixels"] for label, area in areas.items()},
        "notes": notes,
        # A summary's length depends on the seconds it tells, which differ from run to run.
        "files": {
            path.relative_to(job.output).as_posix(): path.stat().st_size
            if output != "summary"
            else None
            for output, path in written.items()
        },
    }


def name_file(item: Item, sentence: str) -> str:
    """The sentence with the file's path in it; most already begin with its name."""
    name = item.file.path.name
    if sentence.startswith(f"{name} "):
        return f"{item}{sentence[len(name) :]}"
    return sentence if str(item.file.path) in sentence else f"{item}: {sentence}"


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory is what was missing: PyTorch says it of the CPU in words alone."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "allocate memory" in str(error)


def cannot_write(output: Path, error: OSError) -> BatchStoppedError:
    words = DISK.get(error.errno or 0, f"{error.strerror or error}. See to it")
    return BatchStoppedError(
        f"{error.filename or output} cannot be written: {words}; the same command then goes on "
        "where it stopped."
    )
