"""One image of many: what is to be done with it, and what became of it."""

import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ..engine.calibration import checked_calibration
from ..engine.fast import settled_precision
from ..engine.precision import best_precision, checked_precision
from ..errors import ConfigError, ImageNotFoundError, TooManyObjectsError, UNetError
from ..files import DISK_FAULTS
from ..hub.few_missed import settled_threshold
from ..images.image_data import ImageData
from ..images.reading import read_image
from ..images.windows import is_large, is_zarr
from ..large import LargeSegmentation, segment_large
from ..large.objects import ObjectOptions
from ..large.outputs import LARGE_OUTPUTS, checked_large_outputs
from ..network.configuration import checked_threshold, checked_tile_size, settled_objects
from ..objects.objects import check_options
from ..options import option
from ..predict.outputs import DEFAULT_OUTPUTS, NEEDS_TTA, OBJECT_OUTPUTS, OUTPUTS, checked_outputs
from ..predict.overlay import Look
from ..unet import UNet
from .inputs import InputFile
from .records import Record
from .tables import measured

logger = logging.getLogger(__name__)


DEVICES = ("auto", "cpu", "cuda")


class BatchStoppedError(UNetError):
    """A run over many images cannot go on; what is finished stays, and the next run goes on."""


def found_device(name: str) -> str:
    """Returns "cpu" or "cuda" for one of `DEVICES`. Raises `ConfigError` if it is not there."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise ConfigError(
            "--device cuda: PyTorch finds no CUDA device here. Leave --device out, or install a "
            "PyTorch built for this machine's GPU."
        )
    return "cuda" if name != "cpu" and there else "cpu"


@dataclass(frozen=True)
class BatchOptions:
    """How many images are segmented; `UNet.segment`, `Segmentation.save` and, for what is in
    `objects`, `Segmentation.objects` explain most."""

    model: str = option(MISSING, "shipped name, folder, or Hub id org/name")
    revision: str | None = option(None, "branch, tag or commit of the model")
    threshold: float | str | None = option(
        None,
        "two classes: class 1 begins above this probability; few_missed: where the checkpoint's "
        "evaluation promises that at most 10 % of it is missed (default: the checkpoint's)",
    )
    tile_size: int | None = option(
        None,
        "side of what the network sees at once, in pixels; less needs less memory (default: the "
        "checkpoint's; of images by windows, what 400 MB allow)",
    )
    page: int | None = option(None, "one page of those with several, counted from 0 (default: all)")
    axes: str | None = option(None, "what the axes of TIFF and NPY files are, e.g. CYX")
    channel: int | None = option(
        None, "one channel of those with several, counted from 0, as a gray image (default: all)"
    )
    level: int = option(
        0, "one resolution of pyramids (TIFF, OME-Zarr), counted from 0, the finest"
    )
    outputs: tuple[str, ...] = DEFAULT_OUTPUTS
    objects: dict[str, Any] = field(default_factory=dict)  # only what differs from the default
    look: Look = field(default_factory=Look)  # of the overlay
    jobs: int = option(
        1,
        "processes, each with a model and a share of the cores; probabilities are rounded "
        "otherwise on another number of cores, by about 1e-7",
    )
    overwrite: bool = option(False, "compute everything again, and replace files of the same names")
    device: str = option("auto", "auto: a GPU if there is one")
    precision: str = option(
        "auto",
        "of the network's arithmetic; auto: what the device is fast in; fast: int8 where the "
        "checkpoint's record says that it loses at most 0.001, otherwise auto",
    )
    tta: bool = option(
        False, "the mean over all eight turns and flips of each image: eight times as slow"
    )
    large: bool = option(
        False,
        "all images by windows, in flat memory, with masks as tiled TIFF (default: TIFF and NPY "
        "of more than 67 million pixels, unless ROIs are asked for, or objects by a watershed); "
        "no overlay then",
    )

    fast: bool = False  # settled: "fast" was asked for, and each result says what came of it

    def load(self) -> "UNet":
        """The model on its device. Raises `CheckpointError` or `ConfigError`."""
        from ..unet import UNet

        device = found_device(self.device)  # before a checkpoint is downloaded
        return UNet.from_pretrained(self.model, revision=self.revision).to(device)

    def place(self, page: int) -> dict[str, Any]:
        """Where in a file to look, as `read_image` and `segment_large` take it."""
        return {
            "page": page,
            "axes": self.axes,
            "channel": self.channel,
            "level": self.level,
        }

    def read(self, path: Path, page: int) -> ImageData:
        """One image, as a whole. Raises `ImageError`."""
        return read_image(path, **self.place(page))

    def settled(self, model: "UNet") -> "BatchOptions":
        """The same with the model's own values where none were given. Raises `ConfigError`, and
        `CalibrationError` for int8."""
        threshold = settled_threshold(model, self.threshold)
        if threshold is None:
            threshold = model.threshold
        else:
            checked_threshold(threshold, model.config["num_classes"])
        if self.tile_size is not None:
            checked_tile_size(self.tile_size, model.geometry)
        checked_outputs(self.outputs)
        check_options(model.id2label, **self.objects)
        self.look.hidden_ids(model.id2label)
        if "uncertainty" in self.outputs and not self.tta:
            raise ConfigError(NEEDS_TTA)
        if self.large:
            checked_large_outputs(self.without_overlay(), self.tta)
            if self.without_overlay() & set(OBJECT_OUTPUTS):
                ObjectOptions.settled(model, self.objects)
        precision, notes = settled_precision(model, self.precision)
        for note in notes:
            logger.info("precision=%s: %s", self.precision, note)
        precision = checked_precision(precision, model.device)
        if precision == "int8":
            checked_calibration(model)  # or tells that there is none
        fast = self.fast or self.precision == "fast"
        return replace(self, threshold=threshold, precision=precision, fast=fast)

    def by_windows(self, path: Path, model: "UNet") -> bool:
        """Whether an image is so large that it is segmented by windows; not if outputs are asked
        for that need it as a whole."""
        asked = self.without_overlay()
        able = bool(asked) and asked <= set(LARGE_OUTPUTS)
        if asked & set(OBJECT_OUTPUTS):
            recipe = settled_objects(
                model.config.get("objects"), self.objects.get("method", "auto")
            )
            able = able and recipe["method"] != "watershed"
        return self.large or is_zarr(path) or (able and is_large(path, self.level))

    def has_joint_tables(self, images: int) -> bool:
        """Whether all objects also go into one table; of a single image, its own has them."""
        return "objects" in self.outputs and images > 1

    def without_overlay(self) -> set[str]:
        return set(self.outputs) - {"overlay"}


@dataclass(frozen=True)
class Item:
    """One page of one file."""

    file: InputFile
    page: int = 0
    pages: int = 1
    large: bool = False  # segmented by windows, see `segment_large`

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
        files = LARGE_OUTPUTS if self.large else OUTPUTS
        return [f"{self.name}_{files[output]}" for output in files if output in options.outputs]


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
            "alpha": options.look.alpha,
            "precision": options.precision,
            **({"tta": True} if options.tta else {}),
            **({"channel": options.channel} if options.channel is not None else {}),
            **({"level": options.level} if options.level else {}),
            **options.look.extras(),
            **({"objects": options.objects} if options.objects else {}),
        }


@dataclass(frozen=True)
class Failure:
    """An image that could not be segmented."""

    item: Item
    reason: str  # a sentence that names the file


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
    """Whether memory is what was missing: PyTorch says it of the CPU in words alone."""
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "allocate memory" in str(error)


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
