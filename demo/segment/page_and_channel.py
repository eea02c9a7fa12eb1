"""Where in a file to look: its page, its channel, and what its axes mean.

Sliders and a field above the picture, shown as far as there is something to choose. What a
visitor changes there triggers Gradio's `input`.
"""

import uuid
from pathlib import Path
from typing import Any

import gradio as gr

from unet_hf.images.image_data import ImageData

from ..parts.component import component

HERE = Path(__file__).parent
PLAIN = ("YX", "YXS")  # axes that nobody has to be told of


def place_chooser() -> gr.HTML:
    """Shows nothing until it has a value, see `show_place`."""
    return component(
        HERE / "page_and_channel",
        visible="hidden",
        elem_id="place",
    )


def show_place(image: ImageData) -> dict[str, Any]:
    """What can be chosen of an image's file, as `page_and_channel.js` reads it."""
    return {
        "id": uuid.uuid4().hex,
        "page": image.page,
        "pages": image.pages,
        "channel": image.channel,
        # Colours belong together; channels may be looked at one by one.
        "channels": 1 if image.is_rgb else image.all_channels or image.channels,
        "axes": image.axes,
        "own_axes": "" if image.axes_given else image.axes,  # what the file says by itself
        "size": [image.width, image.height],  # None while it is not known
    }


def ask_axes(given: str = "") -> dict[str, Any]:
    """For a file whose axes are not clear."""
    return {
        "id": uuid.uuid4().hex, "page": 0, "pages": 1, "channel": None, "channels": 1,
        "axes": given, "own_axes": "", "size": None,
    }  # fmt: skip


def offers_choice(value: dict[str, Any]) -> bool:
    return value["pages"] > 1 or value["channels"] > 1 or value["axes"] not in PLAIN
