"""Says below the picture that its file is a film, which the tab Film follows.

Its button triggers Gradio's `submit`.
"""

from pathlib import Path

import gradio as gr

from unet_hf.images.image_data import ImageData

from ..parts.component import component

HERE = Path(__file__).parent


def film_note() -> gr.HTML:
    """Out of sight while there is no film; its value is a number of frames."""
    return component(HERE / "film_note", elem_id="film_note")


def frames_in(image: ImageData) -> int | None:
    """How many frames the film has of which this is one; None if it is of none.

    Only T is time: planes of depth are no film, nor are pages of which nobody says what they are.
    """
    lengths = dict(zip(image.place.axes, image.place.shape, strict=False))
    stacked = [axis for axis in image.axes if axis not in "YXSC" and lengths.get(axis, 2) > 1]
    return image.pages if stacked == ["T"] and image.pages > 1 else None
