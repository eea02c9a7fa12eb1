"""How many images are segmented: every option of a run, with its default and its help text."""

import logging
from dataclasses import MISSING, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ..engine.calibration import checked_calibration
from ..engine.fast import MOST_LOST, MOST_OBJECTS_LOST, settled_precision
from ..engine.precision import checked_precision
from ..errors import ConfigError
from ..hub.few_missed import settled_threshold
from ..images.image_data import ImageData
from ..images.reading import read_image
from ..images.windows import is_large, is_zarr
from ..large.objects import ObjectOptions
from ..large.outputs import LARGE_OUTPUTS, checked_large_outputs
from ..network.configuration import checked_threshold, checked_tile_size, settled_objects
from ..objects.objects import check_options
from ..options import option
from ..predict.outputs import DEFAULT_OUTPUTS, NEEDS_TTA, OBJECT_OUTPUTS, checked_outputs
from ..predict.overlay import Look
from ..unet import UNet

logger = logging.getLogger(__name__)

DEVICES = ("auto", "cpu", "cuda")


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
        "of the network's arithmetic; auto: what the device is fast in; fast: int8 where it is "
        "known to be the fastest on this CPU, and where the checkpoint's record says that no score "
        f"loses more than {MOST_LOST}, and the average precision of objects no more than "
        f"{MOST_OBJECTS_LOST}; otherwise auto",
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
