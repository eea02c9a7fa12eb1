"""Pictures to start with: real ones that scikit-image ships, and our own drawings."""

import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import gradio as gr
import numpy as np
import PIL.Image

from unet_hf.hub.find import SHIPPED
from unet_hf.images.reading import read_image
from unet_hf.predict.overlay import to_display

from ..parts.component import component
from ..parts.gradio_internals import served_address
from ..synthetic import stained_nuclei

SAMPLE = Path("sample") / "input.png"


@dataclass(frozen=True)
class Example:
    title: str
    slug: str  # in addresses; links that people have made keep working
    path: str
    model: str  # the shipped checkpoint that is made for it


@cache
def examples() -> tuple[Example, ...]:
    """Written once a process, to a folder that lives as long as the process does."""
    # The folder goes with the object that made it, hence the attribute.
    examples.folder = tempfile.TemporaryDirectory(prefix="unet_hf_examples_")
    tissue = Path(examples.folder.name) / "tissue.png"
    PIL.Image.fromarray(haematoxylin()).save(tissue)
    brown = Path(examples.folder.name) / "brown-stain-synthetic.png"
    PIL.Image.fromarray(stained_nuclei().image).save(brown)
    return (
        Example("Tissue", "tissue", str(tissue), "unet-nuclei"),
        _synthetic("Membranes", "em-drawn", "unet-isbi"),
        _synthetic("Nuclei", "nuclei-drawn", "unet-nuclei"),
        Example("Brown stain (synthetic)", "brown-drawn", str(brown), "unet-nuclei"),
        _synthetic("Living cells", "phase-drawn", "unet-phase"),
        _synthetic("Alloy", "alloy-drawn", "unet-superalloy"),
    )


def _synthetic(title: str, slug: str, model: str) -> Example:
    """The drawing that a checkpoint brings along, which nobody is to take for a real image."""
    path = Path(examples.folder.name) / f"{title.lower().replace(' ', '-')}-synthetic.png"
    shutil.copy(SHIPPED / model / SAMPLE, path)
    return Example(f"{title} (synthetic)", slug, str(path), model)


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
        f'<button type="button" data-index="{index}">'
        f'<img src="{thumbnail(example)}" alt="" width="160" height="120">'
        f"{example.title}</button>"
        for index, example in enumerate(examples())
    )
    gr.set_static_paths([examples.folder.name])
    return component(
        Path(__file__).parent / "examples",
        value=f'<div class="examples" role="group" aria-label="Examples">{buttons}</div>',
        elem_id="examples",
    )


def thumbnail(example: Example) -> str:
    """The address of a small picture, which the browser keeps."""
    path = Path(examples.folder.name) / f"{example.slug}.webp"
    small = PIL.Image.fromarray(to_display(read_image(example.path)))  # 16 bits, too
    small.thumbnail((240, 240))
    small.save(path, quality=70)
    return served_address(path)
