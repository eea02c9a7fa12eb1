"""How every prediction of the demo is made, from the page and from the API alike."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unet_hf import Segmentation, UNet, read_image
from unet_hf.errors import CheckpointError, ConfigError
from unet_hf.images.image_data import ImageData

from . import limits
from .checkpoints.models import Visitor, copy_sample, load_model
from .fast import offered
from .work.device import best_device, on_gpu
from .work.queue import Urgency, turns
from .work.runs import Run

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where in a file to look, as `unet_hf.read_image` is told.

    channel: None for all of them. axes: What the axes of the file mean; None: what it says itself.
    """

    page: int = 0
    channel: int | None = None
    axes: str | None = None

    @classmethod
    def chosen(cls, value: dict[str, Any] | None) -> "Place":
        """What a visitor has chosen; `value`: of the chooser, see `segment.page_and_channel`."""
        if not value:
            return cls()
        axes = (value["axes"] or "").strip().upper()
        # What a file says by itself is better read by itself: it says more than letters.
        return cls(value["page"], value["channel"], axes if axes != value["own_axes"] else None)


FIRST = Place()  # the first page, every channel


def read_upload(path: str | None, place: Place = FIRST) -> ImageData:
    """Reads an uploaded file as pixels. Raises `ImageError`."""
    if not path:
        raise ConfigError("There is no image yet. Drop one, paste one, or pick an example.")
    return read_image(
        path,
        page=int(place.page),
        axes=place.axes or None,
        channel=place.channel,
        max_pixels=limits.MAX_PIXELS,
    )


def segment_file(
    path: str | None,
    model: str,
    threshold: float | None = None,
    place: Place = FIRST,
    progress: Callable[[int, int], None] | None = None,
    visitor: Visitor | None = None,
    run: Run | None = None,
    precision: str = "auto",
) -> Segmentation:
    """Segments a part of a file with a checkpoint that the visitor may use.

    run: Ends the prediction when it is stopped, by `StoppedError`. precision: See `fast.offered`.
    """
    run = run or Run()
    image = read_upload(path, place)
    network = load_model(model, visitor)
    return predict_in_turn(network, image, threshold, progress, run, precision=precision)


def predict_in_turn(
    model: UNet,
    image: ImageData,
    threshold: float | None,
    progress: Callable[[int, int], None] | None,
    run: Run,
    urgency: Urgency = Urgency.PERSON,
    precision: str = "auto",
) -> Segmentation:
    """`predict`, when it is this run's turn; between two tiles others may have theirs."""
    with turns().take(run, image.height * image.width, urgency) as turn:
        return predict(model, image, threshold, precision, progress=turn.reporting(progress))


@on_gpu
def predict(
    model: UNet,
    image: ImageData,
    threshold: float | None,
    precision: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Segmentation:
    """`UNet.segment` on the device at hand."""
    model = model.to(best_device())
    return model.segment(
        image, threshold=threshold, precision=offered(model, precision), progress=progress
    )


def start_with(model: str, folder: Path, visitor: Visitor | None = None) -> str | None:
    """The picture to open a checkpoint with: the one it brings along, copied to `folder`.

    None if it brings none. Raises as `load_model` does if the checkpoint is not to be had.
    """
    load_model(model, visitor)
    try:
        return str(copy_sample(model, folder, visitor))
    except CheckpointError as error:
        logger.info("%s", error)
        return None
