"""Says above the picture that it is unlike what its checkpoint was trained on, and what to do."""

from typing import Any
from weakref import WeakKeyDictionary

import gradio as gr

from unet_hf import Segmentation
from unet_hf.engine.scope import over_the_limit, unlike_training
from unet_hf.errors import UNetError
from unet_hf.hub.find import shipped_checkpoints
from unet_hf.images.image_data import ImageData

from ..server.checkpoints.model_facts import title_of
from ..server.checkpoints.models import load_model

Updates = dict[Any, Any]
SENTENCE = "**Unlike the images this checkpoint was trained on**"
WHAT_TO_DO = "Look closely at the result; teach the checkpoint, under Teach, or choose another one."


class UnlikeHint:
    """A sentence and a button; added to the page where it is made.

    The button's words name the checkpoint that it brings into use; `fitting` is which one that is.
    """

    def __init__(self) -> None:
        with gr.Row(visible="hidden", elem_id="unlike") as self.row:
            self.words = gr.Markdown(elem_id="unlike_words")
            self.use = gr.Button("", size="sm", min_width=110, elem_id="unlike_use")
        self._fitting: WeakKeyDictionary[Segmentation, str | None] = WeakKeyDictionary()

    @property
    def outputs(self) -> list[gr.blocks.Block]:
        return [self.row, self.words, self.use]

    def nothing(self) -> Updates:
        return {self.row: gr.update(visible="hidden")}

    def fitting(self, result: Segmentation, model: str) -> str | None:
        """The checkpoint to offer. The first time it is asked, others look at the image, too: that
        is for whoever computes the result, as the page may not wait when it is shown."""
        if result.unlike_training is None or result.unlike_training <= 1:
            return None
        if result not in self._fitting:
            self._fitting[result] = best_fitting(result.image, model)
        return self._fitting[result]

    def show(self, result: Segmentation, model: str) -> tuple[str | None, Updates]:
        """The checkpoint that fits better, if one does, and what the page is told."""
        if result.unlike_training is None or result.unlike_training <= 1:
            return None, self.nothing()
        fitting = self.fitting(result, model)
        offered = f" {title_of(fitting)} was trained on images like it." if fitting else ""
        words = f"{SENTENCE} ({over_the_limit(result.unlike_training)}).{offered} {WHAT_TO_DO}"
        return fitting, {
            self.row: gr.update(visible=True),
            self.words: words,
            self.use: gr.update(
                value=f"Use {title_of(fitting)}" if fitting else "",
                visible=bool(fitting),
            ),
        }


def best_fitting(image: ImageData, other_than: str) -> str | None:
    """The shipped checkpoint whose training images are most like this image; None if none are."""
    found: dict[str, float] = {}
    for name in shipped_checkpoints():
        if name == other_than:
            continue
        try:
            model = load_model(name)
            unlike = unlike_training(model, model.preprocessing.prepare(image))
        except UNetError:  # such as one for other channels
            continue
        if unlike is not None and unlike <= 1:
            found[name] = unlike
    return min(found, key=found.__getitem__) if found else None
