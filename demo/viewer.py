"""The viewer component: what it is made of, and what Python shows in it.

A picture and what is known of its pixels go over once (`transfer.py`). Everything a person then
changes (zoom, opacity, threshold, classes, contrast ...) is drawn in the browser, from
`viewer.*.js`, and no request is sent. Several viewers may stand on one page; those of one
`group` pan and zoom together.

JavaScript may tell a viewer to fly somewhere and blink: `tell("viewer", "fly")` gives the
function for an event's `js=`. The viewer triggers Gradio's `select` where it is clicked:
`gr.EventData` then has `x` and `y` in pixels of the image.
"""

import uuid
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from unet_hf import Segmentation
from unet_hf.errors import ConfigError
from unet_hf.image_data import ImageData
from unet_hf.pixel_size import PixelSize

from .transfer import FINE, STEPS, entropy, fixed_point, probability_codes, write_planes

HERE = Path(__file__).parent
# One function in the browser: each part uses what stands before it.
SCRIPTS = (".data", ".colors", ".camera", ".paint", ".panel", ".input", "")
DEFAULT_ALPHA = 0.45  # opacity of the classes
MOST_PIXELS = 4096 * 4096  # sent; larger images are thinned out for the eye, not the files

Size = PixelSize | tuple | str | None  # of a pixel; None: what the file says, if it does
Box = dict[str, float]  # "x", "y", "width", "height" in pixels of the image


def viewer(elem_id: str = "viewer", group: str | None = None) -> gr.HTML:
    """An empty viewer. Those of one `group` pan and zoom together."""
    return gr.HTML(
        value=None,
        html_template=_read("viewer.html"),
        css_template=_read("viewer.css"),
        js_on_load="\n".join(_read(f"viewer{part}.js") for part in SCRIPTS),
        apply_default_css=False,
        elem_id=elem_id,
        group=group,
    )


def show_image(image: ImageData, pixel_size: Size = None) -> dict[str, Any]:
    """The picture alone, before anything is known about it."""
    return _payload(image, {}, pixel_size, alt=f"{image.source}, not segmented yet")


def show_result(
    result: Segmentation, alpha: float = DEFAULT_ALPHA, pixel_size: Size = None
) -> dict[str, Any]:
    """The picture and its classes. `alpha`: their opacity, until the visitor chooses another."""
    step = thinning(*result.mask.shape)
    thinned = result.probabilities[:, ::step, ::step]
    two_classes = result.threshold is not None
    if two_classes:
        planes = {"codes": probability_codes(thinned[1])}
    else:
        planes = {
            "classes": result.mask[::step, ::step],
            "probability": fixed_point(thinned.max(axis=0), np.uint16),
            "entropy": fixed_point(entropy(thinned), np.uint8),
        }
    names = [result.id2label[index] for index in range(len(result.id2label))]
    return _payload(
        result.image,
        planes,
        pixel_size,
        names=names,
        colors=list(result.colors),
        alpha=alpha,
        threshold=result.threshold if two_classes else None,
        steps=STEPS,
        fine=FINE,
        alt=f"{result.image.source} with its classes painted over: {', '.join(names)}",
    )


def show_map(
    image: ImageData,
    mask: np.ndarray,
    names: list[str],
    colors: list[str],
    alt: str,
    *,
    alpha: float = DEFAULT_ALPHA,
    pixel_size: Size = None,
) -> dict[str, Any]:
    """Any map of classes over any image: ground truth, errors, disagreement ...

    mask: (H, W) uint8 of the image's own size; values without a name stay unpainted.
    colors: "#rrggbb" by value, as many as `names`.
    Raises `ConfigError` if the mask is of another size.
    """
    if mask.shape != (image.height, image.width):
        raise ConfigError(
            f"The map has the shape {mask.shape}, the image {(image.height, image.width)}. "
            "Give one class for each of the image's pixels."
        )
    step = thinning(*mask.shape)
    return _payload(
        image,
        {"classes": mask[::step, ::step].astype(np.uint8, copy=False)},
        pixel_size,
        names=names,
        colors=colors,
        alpha=alpha,
        threshold=None,
        alt=alt,
    )


def focus(payload: dict[str, Any], box: Box) -> dict[str, Any]:
    """The same, opened at a region, which blinks."""
    return payload | {"focus": box}


def tell(elem_id: str, event: str) -> str:
    """JavaScript for an event's `js=`: hands its first input to a viewer.

    `fly` takes a `Box`; `opacity` and `threshold` take numbers from 0 to 1.
    """
    return (
        f"(detail) => {{ document.querySelector('#{elem_id} .viewer')"
        f".dispatchEvent(new CustomEvent('viewer:{event}', {{ detail }})); return detail; }}"
    )


def seen(elem_id: str = "viewer") -> str:
    """JavaScript expression: {"opacity": number, "threshold": number or null}, as now in view."""
    return f"JSON.parse(document.querySelector('#{elem_id} .viewer').dataset.seen)"


def thinning(height: int, width: int) -> int:
    """Every how many-th pixel is drawn."""
    step = 1
    while -(-height // step) * -(-width // step) > MOST_PIXELS:
        step += 1
    return step


def display_window(image: ImageData) -> tuple[float, float]:
    """What is drawn black and white at first, as in `unet_hf.overlay.to_display`."""
    if image.dtype == bool:
        return 0.0, 1.0
    if image.dtype == np.uint8:
        return 0.0, 255.0
    step = max(1, int((image.height * image.width / 1e6) ** 0.5))
    sample = _drawn_channels(image)[::step, ::step]
    finite = sample[np.isfinite(sample)]
    low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 0.0)
    return float(low), float(high)


def _drawn_channels(image: ImageData) -> np.ndarray:
    return image.pixels[..., :3] if image.channels >= 3 else image.pixels[..., :1]


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _payload(
    image: ImageData, planes: dict[str, np.ndarray], pixel_size: Size, **known: Any
) -> dict[str, Any]:
    """As `viewer.js` reads it. See `transfer.write_planes` for the pixels.

    Raises `ConfigError` if `pixel_size` is none, see `PixelSize.of`.
    """
    size = PixelSize.of(pixel_size) or image.pixel_size
    step = thinning(image.height, image.width)
    pixels = _drawn_channels(replace(image, pixels=image.pixels[::step, ::step]))
    return {
        "id": uuid.uuid4().hex,  # the same picture twice is still a new drawing
        # The view stays where it was if the next picture is the same.
        "picture": f"{image.width} {image.height} {zlib.crc32(np.ascontiguousarray(pixels))}",
        "width": image.width,
        "height": image.height,
        "step": step,
        "channels": pixels.shape[2],
        "dtype": str(image.dtype),
        "window": display_window(image),
        "pixel_size": [size.x, size.unit] if size else None,  # the scale bar lies along x
        **write_planes({"image": pixels, **planes}),
        **known,
    }
