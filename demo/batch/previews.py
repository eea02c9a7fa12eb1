"""A look at a batch without unzipping: a small picture of each image with its classes."""

import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
import PIL.Image

from unet_hf import Segmentation
from unet_hf.predict.overlay import display_window, draw_overlay, to_display

from ..parts.component import component
from ..parts.gradio_internals import served_file

HERE = Path(__file__).parent
MOST = 120  # pictures; a batch may have a thousand pages
SIDE = 200  # pixels of the longer side
ALPHA = 0.5


@dataclass(frozen=True)
class Preview:
    """name: The image's, within the batch. path: Of its picture."""

    name: str
    page: int
    path: Path


class Previews:
    """The pictures of one batch, in a folder that Gradio serves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shown: dict[tuple[str, int], Preview] = {}  # by name and page

    def add(self, name: str, page: int, result: Segmentation) -> None:
        """Draws an image that is segmented; nothing beyond `MOST`."""
        if len(self.shown) < MOST and (name, page) not in self.shown:
            path = self.folder / f"{uuid.uuid4().hex}.webp"
            draw_small(result).save(path, format="WEBP", quality=70)
            self.shown[name, page] = Preview(name, page, path)

    def __len__(self) -> int:
        return len(self.shown)

    def clear(self) -> None:
        self.shown.clear()

    def as_value(self) -> dict[str, Any] | None:
        """What `previews.js` reads."""
        if not self.shown:
            return None
        pictures = [
            {"name": one.name, "page": one.page, "file": served_file(one.path)}
            for one in self.shown.copy().values()  # another thread adds some
        ]
        return {"pictures": pictures}


def draw_small(result: Segmentation) -> PIL.Image.Image:
    """The overlay, small: drawn of every n-th pixel, so that a large image takes no longer."""
    step = max(1, max(result.mask.shape) // (2 * SIDE))
    few = replace(result.image, pixels=result.image.pixels[::step, ::step])
    mask = result.mask[::step, ::step]
    ground = [index for index, name in result.id2label.items() if name == "background"]
    picture = draw_overlay(
        to_display(few, display_window(result.image)), mask, result.colors, ALPHA, hidden=ground
    )
    picture.thumbnail((SIDE, SIDE))
    return picture


def previews() -> gr.HTML:
    """Empty. A click on a picture triggers `select`; `gr.EventData` has its `name` and `page`."""
    return component(HERE / "previews", elem_id="batch_previews")
