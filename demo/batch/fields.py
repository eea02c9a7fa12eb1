"""What a visitor says of how images are segmented: the fields of the tab."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from ..parts.job_tab import model_box
from ..parts.object_options import METHODS
from ..parts.option_boxes import (
    min_size_box,
    pixel_size_box,
    read_least,
    read_seed,
    read_threshold,
    seed_box,
    threshold_box,
)
from ..server.recipe import Recipe

# Beside masks and tables, as `python -m unet_hf segment --only` names them.
MORE = [
    ("Overlays", "overlay"),
    ("Outlines (GeoJSON)", "outlines"),
    ("Instances (TIFF)", "instances"),
    ("Probabilities (TIFF)", "probabilities"),
]


class BatchFields:
    """Adds the fields where it is made."""

    def __init__(self, models: Sequence[str], chosen: str) -> None:
        with gr.Row():
            self.model = model_box(models, chosen, "batch_model")
            self.threshold = threshold_box("Threshold", "batch_threshold")
        with gr.Row():
            self.method = gr.Dropdown(
                [("As the checkpoint says", "auto"), *METHODS],
                value="auto",
                label="An object is",
                min_width=240,
                elem_id="batch_method",
            )
            self.seed = seed_box("Seed height", "batch_seed")
        with gr.Row():
            self.min_size = min_size_box("Smallest object", "batch_min_size")
            self.pixel_size = pixel_size_box("Pixel size", "batch_pixel_size")
        self.exclude_border = gr.Checkbox(
            False, label="Leave out what touches the border", elem_id="batch_border"
        )
        self.more = gr.CheckboxGroup(
            MORE, value=[MORE[0][1]], label="Also save", elem_id="batch_more"
        )

    @property
    def recipe(self) -> list[gr.components.Component]:
        """Inputs: what `recipe_of` reads, in the order of the fields of `Recipe`."""
        return [
            self.model, self.threshold, self.method, self.min_size, self.exclude_border,
            self.pixel_size, self.seed,
        ]  # fmt: skip

    def filled(self, recipe: Recipe) -> dict[Any, Any]:
        """They say this recipe."""
        return {
            self.model: recipe.model,
            self.threshold: "" if recipe.threshold is None else f"{recipe.threshold:g}",
            self.method: recipe.method,
            self.min_size: "" if recipe.min_size is None else str(recipe.min_size),
            self.exclude_border: recipe.exclude_border,
            self.pixel_size: recipe.pixel_size,
            self.seed: "" if recipe.seed is None else f"{recipe.seed:g}",
        }


def recipe_of(
    model: str,
    threshold: str,
    method: str,
    min_size: str,
    exclude_border: bool,
    pixel_size: str,
    seed: str = "",
) -> Recipe:
    """What the fields say. Raises `ConfigError`."""
    return Recipe(
        model,
        read_threshold(threshold),
        method,
        read_least(min_size),
        exclude_border,
        (pixel_size or "").strip(),
        read_seed(seed),
    )
