"""A link to a view: an example, with its checkpoint, threshold, opacity, and where one looks.

`/?example=tissue&threshold=0.42&x=80&y=95.5&zoom=4`: what an address does not say is as usual.
Only examples have one. What a visitor uploads is for nobody else, and is gone after an hour.
"""

import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from unet_hf import Segmentation

from ..parts.component import component
from ..viewer.component import DEFAULT_ALPHA, Camera, show_result
from .examples import Example

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Asked:
    """What an address asks for; None where it says nothing, or nothing usable.

    faults: A sentence for each value that is not usable.
    """

    example: Example | None = None
    model: str | None = None
    threshold: float | None = None
    opacity: float | None = None
    camera: Camera | None = None
    faults: tuple[str, ...] = ()


def read_link(address: Mapping[str, str], known: Sequence[Example]) -> Asked:
    """The parameters of an address; none of them is an error."""
    faults: list[str] = []

    def number(name: str, low: float, high: float, expected: str) -> float | None:
        if (text := address.get(name)) is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if low <= value <= high:
            return value
        faults.append(f"The address asks for {name}={text[:40]}; {expected} was expected.")
        return None

    example = None
    if slug := address.get("example"):
        example = next((one for one in known if one.slug == slug), None)
        if example is None:
            names = ", ".join(one.slug for one in known)
            faults.append(f"There is no example {slug[:40]!r}; there are {names}.")
    most = float(2**32)  # pixels: whatever lies beside the picture, its nearest part is shown
    place = {
        "x": number("x", -most, most, "a place in pixels"),
        "y": number("y", -most, most, "a place in pixels"),
        "zoom": number("zoom", 1e-6, 1e6, "a number above 0"),
    }
    given = [name for name in place if name in address]
    if 0 < len(given) < len(place):
        faults.append(f"The address has {', '.join(given)}; x, y and zoom go together.")
    return Asked(
        example,
        address.get("model") or None,
        number("threshold", 0, 1, "a number from 0 to 1"),
        number("opacity", 0, 1, "a number from 0 to 1"),
        None if None in place.values() else place,
        tuple(faults),
    )


def show_as_asked(
    result: Segmentation, asked: Asked, by: str, camera: Camera | None = None
) -> dict[str, Any]:
    """What the viewer shows: the result as an address asks for it.

    by: The checkpoint's title. camera: Where a picture that was not there before is opened if the
    address does not say.
    """
    cut, meant = result, asked.threshold is not None and result.threshold is not None
    if meant:
        cut = result.with_threshold(asked.threshold)
    shown = show_result(cut, asked.opacity, camera=asked.camera or camera, by=by)
    return shown | ({"asked": True} if meant else {})


def share_button() -> gr.HTML:
    """Out of sight until it has a value, see `link_to`. Copying asks nothing of the server."""
    return component(
        HERE / "share_link",
        visible="hidden",
        elem_id="share",
    )


def link_to(example: Example | None, model: str, result: Segmentation) -> dict[str, Any]:
    """The update of the button for a result; None: it is not an example's."""
    if example is None:
        return no_link()
    value = {
        "id": uuid.uuid4().hex,
        "example": example.slug,
        "model": None if model == example.model else model,
        # What an address need not say.
        "threshold": result.threshold,
        "opacity": DEFAULT_ALPHA,
    }
    return gr.update(value=value, visible=True)


def no_link() -> dict[str, Any]:
    return gr.update(value=None, visible="hidden")
