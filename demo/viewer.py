"""The overlay in the browser: what Python sends, and the component that draws it.

Image and classes go over once. Opacity and threshold are then changed in the browser, on a
canvas, without asking the server. For two classes the browser gets, for each pixel, how many
of the thresholds 0.00, 0.01 ... 1.00 its probability exceeds: one byte, and the mask drawn at
any of them is exactly the mask that Python computes.
"""

import base64
import io
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import PIL.Image

from unet_hf import Segmentation
from unet_hf.image_data import ImageData
from unet_hf.overlay import to_display

HERE = Path(__file__).parent
DEFAULT_ALPHA = 0.45  # opacity of the classes
STEPS = 100  # thresholds a unit of probability
LONGEST_SIDE = 2048  # of what is drawn; larger images are thinned out for the eye, not the files


def viewer() -> gr.HTML:
    return gr.HTML(
        value=None,
        html_template=(HERE / "viewer.html").read_text(),
        css_template=(HERE / "viewer.css").read_text(),
        js_on_load=(HERE / "viewer.js").read_text(),
        elem_id="viewer",
    )


def show_image(image: ImageData) -> dict[str, Any]:
    """The picture alone, before anything is known about it."""
    step = thinning(image.height, image.width)
    return {
        "id": uuid.uuid4().hex,  # the same picture twice is still a new drawing
        "image": _png(to_display(replace(image, pixels=image.pixels[::step, ::step]))),
        "width": image.width,
        "height": image.height,
        "step": step,
        "alt": f"{image.source}, not segmented yet",
    }


def show_result(result: Segmentation, alpha: float) -> dict[str, Any]:
    """The picture and its classes, as `viewer.js` reads them."""
    step = thinning(*result.mask.shape)
    two_classes = result.threshold is not None
    if two_classes:
        classes = threshold_levels(result.probabilities[1, ::step, ::step])
    else:
        classes = result.mask[::step, ::step]
    names = list(result.id2label.values())
    return show_image(result.image) | {
        "classes": _png(classes),
        "threshold": result.threshold if two_classes else None,
        "steps": STEPS,
        "names": names,
        "colors": result.colors,
        "alpha": alpha,
        "alt": f"{result.image.source} with its classes painted over: {', '.join(names)}",
    }


def threshold_levels(probability: np.ndarray) -> np.ndarray:
    """(H, W) float32 -> (H, W) uint8: how many of the thresholds 0, 0.01 ... 1 it exceeds.

    `probability > k / 100` is then exactly `level > k`, in Python as in the browser.
    """
    thresholds = np.array([step / STEPS for step in range(STEPS + 1)]).astype(probability.dtype)
    return np.searchsorted(thresholds, probability, side="left").astype(np.uint8)


def thinning(height: int, width: int) -> int:
    """Every how many-th pixel is drawn."""
    return -(-max(height, width) // LONGEST_SIDE)


def _png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    # Fast compression: the page waits for it, and on localhost nobody waits for the bytes.
    PIL.Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
