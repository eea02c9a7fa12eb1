"""The viewer component: what it is made of, and what Python shows in it.

A picture and what is known of its pixels go over once (`payload.py`). Everything a person then
changes (zoom, opacity, threshold, classes, contrast ...) is drawn in the browser, from
`web/`, and no request is sent. Of a picture above `MOST_PIXELS` every second pixel, or
fewer, go over at first; who looks closer is brought the rest, tile by tile (`tiles.py`). Several
viewers may stand on one page; those of one `group` pan and zoom together.

JavaScript may tell a viewer to fly somewhere and blink: `tell("viewer", "fly")` gives the
function for an event's `js=`. The viewer triggers Gradio's `select` where it is clicked:
`gr.EventData` then has `x` and `y` in pixels of the image, and as `value` the class there by name
(None while its tile is on the way).

With `paints=True` a visitor can paint strokes on the picture, which stay in the browser until
something else reads them (`painted`). After each stroke, and whenever strokes or classes change,
the viewer triggers Gradio's `input`: `gr.EventData` then has `picture`, its key, and `strokes`,
their number there; `total` is their number on all pictures.
"""

import uuid
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from unet_hf import Segmentation
from unet_hf.errors import ConfigError
from unet_hf.images.image_data import ImageData
from unet_hf.images.pixel_size import PixelSize
from unet_hf.network.configuration import PALETTE
from unet_hf.predict.overlay import display_window, drawn_channels

from ..parts.component import component
from .color_maps import HEAT, MAPS
from .payload import (
    FINE,
    NO_DATA,
    STEPS,
    Payload,
    entropy,
    fixed_point,
    probability_codes,
    write_transfer,
)
from .tiles import Planes

WEB = Path(__file__).parent / "web"
BACKGROUNDS = ("background", "void", "unlabeled", "unlabelled", "matrix")
DEFAULT_ALPHA = 0.45  # opacity of the classes, unless one is asked for
MOST_PIXELS = 4096 * 4096  # sent at once; of a larger image some, and the others in tiles

Size = PixelSize | tuple | str | None  # of a pixel; None: what the file says, if it does
Box = dict[str, float]  # "x", "y", "width", "height" in pixels of the image
# "x", "y": the image's point in the middle; "zoom": CSS pixels to a pixel of the image.
Camera = dict[str, float]


def viewer(
    elem_id: str = "viewer",
    group: str | None = None,
    label: str = "Segmentation",
    paints: bool = False,
) -> gr.HTML:
    """An empty viewer. Those of one `group` pan and zoom together.

    label: What it shows, for screen readers.
    paints: It has a brush.
    """
    return component(
        WEB / "viewer",
        elem_id=elem_id,
        group=group,
        label=label,
        alpha=DEFAULT_ALPHA,
        status=None,
        maps=MAPS,
        heat=HEAT,
        paints=paints,
        palette=list(PALETTE),
    )


def result_before(elem_id: str = "viewer") -> gr.HTML:
    """Its value, as `show_result` gives it and of the picture in view, is shown in a viewer left of
    the line of the split view; of None, the bare picture is."""
    return component(WEB / "result_before", viewer=elem_id)


def show_image(image: ImageData, pixel_size: Size = None, camera: Camera | None = None) -> Payload:
    """The picture alone, before anything is known about it. `camera`: see `show_result`."""
    return _payload(
        image,
        lambda rows, columns: {},
        pixel_size,
        camera,
        by="not segmented",
        alt=f"{image.source}, not segmented yet",
    )


def show_result(
    result: Segmentation,
    alpha: float | None = None,
    pixel_size: Size = None,
    camera: Camera | None = None,
    by: str = "",
) -> Payload:
    """The picture and its classes.

    alpha: their opacity from now on, until the visitor chooses another; None: as it is.
    by: The checkpoint, as people call it.
    camera: where a picture that was not there before is opened; without it the whole is seen.
    Raises `ConfigError` if `pixel_size` is none, or `camera` not three finite numbers.
    """
    two_classes, valid = result.threshold is not None, result.image.valid

    def planes(rows: slice, columns: slice) -> dict[str, np.ndarray]:
        probabilities = result.probabilities[:, rows, columns]
        codes = probability_codes(probabilities[1]) if two_classes else result.mask[rows, columns]
        if valid is not None:  # what has no class is not painted
            nothing = codes.dtype.type(NO_DATA if two_classes else 255)
            codes = np.where(valid[rows, columns], codes, nothing)
        if two_classes:
            return {"codes": codes}
        return {
            "classes": codes,
            "probability": fixed_point(probabilities.max(axis=0), np.uint16),
            "entropy": fixed_point(entropy(probabilities), np.uint8),
        }

    names = [result.id2label[index] for index in range(len(result.id2label))]
    return _payload(
        result.image,
        planes,
        pixel_size,
        camera,
        by=by,
        names=names,
        colors=list(result.colors),
        unpainted=unpainted(result.id2label),
        **({} if alpha is None else {"alpha": alpha}),
        threshold=result.threshold if two_classes else None,
        steps=STEPS,
        fine=FINE,
        **({} if valid is None else {"counted": int(valid.sum())}),
        alt=f"{result.image.source} with its classes painted over",
    )


def show_map(
    image: ImageData,
    mask: np.ndarray,
    names: list[str],
    colors: list[str],
    alt: str,
    *,
    pixel_size: Size = None,
) -> Payload:
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
    return _payload(
        image,
        lambda rows, columns: {"classes": mask[rows, columns].astype(np.uint8, copy=False)},
        pixel_size,
        names=names,
        colors=colors,
        threshold=None,
        alt=alt,
    )


def unpainted(id2label: Mapping[int, str]) -> list[int]:
    """Ids of the classes that are not painted at first, so that the image is seen: what is called
    background, void or matrix, and whatever is no membrane where one of two classes is."""
    names = {key: name.strip().lower() for key, name in id2label.items()}
    if len(names) == 2 and "membrane" in names.values():
        return [key for key, name in names.items() if name != "membrane"]
    return [key for key, name in names.items() if name in BACKGROUNDS]


def picture_name(image: ImageData) -> str:
    """The file's name, and where in the file: "stack.tif · page 2 of 0 to 4 · channel 1"."""
    parts = [image.source]
    if image.pages > 1:
        parts.append(f"page {image.page} of 0 to {image.pages - 1}")
    if image.channel is not None:
        parts.append(f"channel {image.channel}")
    return " · ".join(parts)


def picture_key(image: ImageData) -> str:
    """What tells a picture from another one, for `Payload.picture`."""
    step = thinning(image.height, image.width)
    check = zlib.crc32(np.ascontiguousarray(drawn_channels(image)[::step, ::step]))
    return f"{image.width} {image.height} {check}"


def focus(payload: dict[str, Any], box: Box) -> Payload:
    """The same, opened at a region, which blinks."""
    return payload | {"focus": box}


def busy(words: str, stop: bool = True, payload: Payload | None = None) -> dict[str, Any]:
    """The update of a viewer that says what is at work on its picture.

    stop: There is a button, which triggers Gradio's `stop`.
    payload: Of another picture that it shows from now on.
    """
    status = {"words": words, "stop": stop}
    return gr.update(status=status, **({} if payload is None else {"value": payload}))


def idle(*payload: Payload | None) -> dict[str, Any]:
    """The update of a viewer when nothing is at work on its picture any more, and with another
    picture, or None for no picture, if that is given."""
    return gr.update(
        status={"words": "", "stop": False}, **({"value": payload[0]} if payload else {})
    )


def tell(elem_id: str, event: str) -> str:
    """JavaScript for an event's `js=`: hands its first input to a viewer.

    `fly` and `visit` take a `Box`, which the former lets blink; `opacity` and `threshold` numbers
    from 0 to 1; `objects` what `object_layer` gives, and `choose` the id of one of these objects.
    `paint` turns the brush on, with the classes in {"classes": [{"name", "color"} ...]} (without a
    colour one is found), which then stay, or with null, those of the result in view. `strokes`
    takes what `painted` gives, which comes after what is painted already.
    """
    return (
        f"(detail) => {{ document.querySelector('#{elem_id} .viewer')"
        f".dispatchEvent(new CustomEvent('viewer:{event}', {{ detail }})); return detail; }}"
    )


def seen(elem_id: str = "viewer") -> str:
    """JavaScript expression: how the picture is looked at now.

    {"opacity": 0 to 1, "threshold": 0 to 1, or null unless there are two classes,
    "outline": bool, "hidden": [class ids], "view": "classes", "objects", "probability" or
    "uncertainty", "pixel_size": [number, unit] as it was typed, or null,
    "window": [black, white], "colormap": "Gray" ..., "split": the image's first column right of the
    line, null without one, "camera": see `Camera`, "fitted": bool, the whole picture is seen}
    """
    return f"JSON.parse(document.querySelector('#{elem_id} .viewer').dataset.seen)"


def painted(elem_id: str = "viewer") -> str:
    """JavaScript expression: what was painted for the classes in use, on every picture.

    {"classes": [{"name", "color", "formerly"} ...], "pictures": {`Payload.picture`: {"name",
    "width", "height", "strokes": [{"class": id, or 255 for the eraser, "radius",
    "points": [x0, y0, ...]} ...]}}}: integers in quarters of a pixel, later strokes win, see
    web/strokes.js. Pictures without a stroke are left out. "formerly" are all names that a class
    had before it was renamed, and is left out of any other. Strokes of an earlier visit are there
    as soon as the browser has read them; the viewer triggers `input` then.
    """
    return (
        "((asked) => { "
        f"document.querySelector('#{elem_id} .viewer')"
        ".dispatchEvent(new CustomEvent('viewer:painted', { detail: asked })); "
        "return asked; })({ classes: [], pictures: {} })"
    )


def thinning(height: int, width: int) -> int:
    """Every how many-th pixel is sent at once."""
    step = 1
    while -(-height // step) * -(-width // step) > MOST_PIXELS:
        step += 1
    return step


def _checked(camera: Camera) -> Camera:
    try:
        place = {name: float(camera[name]) for name in ("x", "y", "zoom")}
    except (KeyError, TypeError, ValueError):
        place = {}
    if not place or not np.isfinite([*place.values()]).all() or place["zoom"] <= 0:
        raise ConfigError(
            f"A view cannot be opened at {camera}. "
            'Expected: {"x": ..., "y": ..., "zoom": ...}, finite numbers, the zoom above 0.'
        )
    return place


def _payload(
    image: ImageData,
    planes: Planes,
    pixel_size: Size,
    camera: Camera | None = None,
    **known: Any,
) -> Payload:
    """As `web/scene.js` reads it; `planes`: all but the picture. See `payload.write_transfer`."""
    known = {"name": picture_name(image)} | known
    size = PixelSize.of(pixel_size) or image.pixel_size
    step = thinning(image.height, image.width)
    pixels = drawn_channels(image)
    if image.dtype.kind == "f" and image.valid is not None:  # NaN is drawn as nothing
        pixels = np.where(image.valid[..., None], pixels, pixels.dtype.type(np.nan))
    return {
        "id": uuid.uuid4().hex,
        "picture": picture_key(image),
        "width": image.width,
        "height": image.height,
        "step": step,
        "channels": pixels.shape[2],
        "dtype": str(image.dtype),
        "window": display_window(image),
        "camera": None if camera is None else _checked(camera),
        "pixel_size": [size.x, size.unit] if size else None,
        **write_transfer(
            lambda rows, columns: {"image": pixels[rows, columns]} | planes(rows, columns),
            image.height,
            image.width,
            step,
        ),
        **known,
    }
