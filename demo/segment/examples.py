"""Pictures to start with: real ones that scikit-image ships, and our own drawings."""

import base64
import io
import re
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gradio as gr
import numpy as np
import PIL.Image

from unet_hf.hub.find import SHIPPED

from ..parts.component import component

SAMPLE = Path("sample") / "input.png"


@dataclass(frozen=True)
class Example:
    title: str
    path: str
    model: str  # the shipped checkpoint that is made for it

    @property
    def slug(self) -> str:
        """Its title, fit for an address: "em-drawn"."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@cache
def examples() -> tuple[Example, ...]:
    """Written once a process, to a folder that lives as long as the process does."""
    # The folder goes with the object that made it, hence the attribute.
    examples.folder = tempfile.TemporaryDirectory(prefix="unet_hf_examples_")
    tissue = Path(examples.folder.name) / "tissue.png"
    PIL.Image.fromarray(haematoxylin()).save(tissue)
    return (
        Example("Tissue", str(tissue), "unet-nuclei"),
        Example("EM, drawn", str(SHIPPED / "unet-isbi" / SAMPLE), "unet-isbi"),
        Example("Nuclei, drawn", str(SHIPPED / "unet-nuclei" / SAMPLE), "unet-nuclei"),
        Example("Alloy, drawn", str(SHIPPED / "unet-superalloy" / SAMPLE), "unet-superalloy"),
    )


def haematoxylin() -> np.ndarray:
    """A real section of colon that scikit-image ships, (512, 512, 3) uint8, its nuclear stain
    alone: the brown of its second stain, which covers the nuclei and which unet-nuclei has never
    seen, is taken out by colour deconvolution (Ruifrok and Johnston 2001)."""
    from skimage import data
    from skimage.color import hed2rgb, rgb2hed

    stains = rgb2hed(data.immunohistochemistry())
    stains[..., 1:] = 0
    return np.rint(255 * hed2rgb(stains)).astype(np.uint8)


def picker() -> gr.HTML:
    """A row of buttons with thumbnails; a click is a `select` event with the example's number.

    (A `gr.Gallery` does not tell of a second click on the same picture.)
    """
    buttons = "".join(
        f'<button type="button" data-index="{index}"><img src="{_thumbnail(example.path)}" alt="">'
        f"{example.title}</button>"
        for index, example in enumerate(examples())
    )
    return component(
        Path(__file__).parent / "examples",
        value=f'<div class="examples" role="group" aria-label="Examples">{buttons}</div>',
        elem_id="examples",
    )


def _thumbnail(path: str) -> str:
    buffer = io.BytesIO()
    with PIL.Image.open(path) as image:
        image.thumbnail((220, 220))
        image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
