"""The files of a result that a visitor takes home."""

import re
from collections.abc import Collection
from pathlib import Path

import PIL.Image

from unet_hf import Segmentation
from unet_hf.files import write_atomically
from unet_hf.objects.objects import Objects
from unet_hf.predict.outputs import DEFAULT_OUTPUTS, OUTPUTS, OVERLAY_PNG_OPTIONS
from unet_hf.predict.overlay import Look


def write_result(
    result: Segmentation,
    folder: Path,
    look: Look,
    only: Collection[str] = DEFAULT_OUTPUTS,
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
    write_atomically(path, lambda temporary: drawn.save(temporary, **OVERLAY_PNG_OPTIONS))
    return str(path)


def file_stem(result: Segmentation) -> str:
    """What files of a result begin with: the image's name, without what file systems refuse, and
    where in the file it is, if that has several pages or a channel was chosen."""
    image = result.image
    name = re.sub(r"[^\w.-]+", "_", Path(image.source).stem)[:60] or "image"
    page = f"_page{image.page}" if image.pages > 1 else ""
    channel = "" if image.channel is None else f"_channel{image.channel}"
    return name + page + channel
