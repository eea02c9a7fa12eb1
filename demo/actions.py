"""What the demo does, as plain functions: no Gradio here, so that each can be tested alone."""

import logging
import re
import tempfile
import time
import uuid
from collections.abc import Callable, Collection
from pathlib import Path
from shutil import rmtree

import PIL.Image

from unet_hf import Segmentation, UNet, UNetError, read_image
from unet_hf.errors import CheckpointError, ConfigError
from unet_hf.files import write_whole
from unet_hf.images.image_data import ImageData
from unet_hf.objects.objects import Objects
from unet_hf.predict.outputs import OUTPUTS, PHOTOGRAPH, USUAL
from unet_hf.predict.overlay import Look

from .device import best_device, on_gpu
from .models import Visitor, copy_sample, load_model

MAX_PIXELS = 8192 * 8192
MAX_FILE_MEGABYTES = 200
MAX_OBJECTS = 20_000  # measured at a time: a noisy mask has more than anybody looks at
KEEP_SECONDS = 3600  # uploads and results are deleted after this

logger = logging.getLogger(__name__)


def read_upload(
    path: str | None, page: int = 0, axes: str | None = None, channel: int | None = None
) -> ImageData:
    """An uploaded file as pixels. `axes`: what its axes mean, where it does not say so itself.

    Raises `ImageError`.
    """
    if not path:
        raise ConfigError("There is no image yet. Drop one, paste one, or pick an example.")
    axes = (axes or "").strip() or None
    return read_image(path, page=int(page), axes=axes, channel=channel, max_pixels=MAX_PIXELS)


def segment_file(
    path: str | None,
    model: str,
    threshold: float | None = None,
    page: int = 0,
    progress: Callable[[int, int], None] | None = None,
    visitor: Visitor | None = None,
    axes: str | None = None,
    channel: int | None = None,
) -> Segmentation:
    """The way of every prediction of the demo, from the page and from the API alike."""
    image = read_upload(path, page, axes, channel)
    return predict(load_model(model, visitor), image, threshold, progress=progress)


@on_gpu
def predict(
    model: UNet,
    image: ImageData,
    threshold: float | None,
    progress: Callable[[int, int], None] | None = None,
) -> Segmentation:
    """`UNet.segment` on the device at hand."""
    return model.to(best_device()).segment(image, threshold=threshold, progress=progress)


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


class ResultFolders:
    """Folders for results; those older than an hour go when a new one is made."""

    def __init__(self) -> None:
        self._root = tempfile.TemporaryDirectory(prefix="unet_hf_results_")

    def new(self) -> Path:
        root = Path(self._root.name)
        oldest = time.time() - KEEP_SECONDS
        for folder in root.iterdir():
            if folder.stat().st_mtime < oldest:
                rmtree(folder, ignore_errors=True)
        folder = root / uuid.uuid4().hex
        folder.mkdir()
        return folder


def write_result(
    result: Segmentation,
    folder: Path,
    look: Look,
    only: Collection[str] = USUAL,
    objects: Objects | None = None,
) -> dict[str, str]:
    """Saves a result, or `only` some of its files, under names that begin with the image's.

    look: Of the overlay.
    Returns {"mask": path, ...}.
    """
    prefix = f"{file_stem(result)}_"
    paths = result.save(folder, **vars(look), only=only, prefix=prefix, objects=objects)
    return {kind: str(path) for kind, path in paths.items()}


def write_overlay(result: Segmentation, folder: Path, drawn: PIL.Image.Image) -> str:
    """The same file as `write_result` writes, of an overlay that is drawn already."""
    path = folder / f"{file_stem(result)}_{OUTPUTS['overlay']}"
    write_whole(path, lambda temporary: drawn.save(temporary, **PHOTOGRAPH))
    return str(path)


def file_stem(result: Segmentation) -> str:
    """What files of a result begin with: the image's name, without what file systems refuse."""
    return re.sub(r"[^\w.-]+", "_", Path(result.image.source).stem)[:60] or "image"


def plain_sentence(error: Exception) -> str:
    """What a visitor reads. Unexpected errors are logged whole and told in one line."""
    if isinstance(error, UNetError):
        return str(error)
    code = uuid.uuid4().hex[:8]
    logger.error("unexpected error %s", code, exc_info=error)
    return (
        "Something went wrong that should not have. Try again or try another image; if it "
        f"stays, report it with the code {code}."
    )
