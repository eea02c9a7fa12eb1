"""The fields that say how objects are counted: the way, the seed height, the smallest size.

A slider that is dragged triggers Gradio's `input`, and `submit` when it is let go, as any other
field does when it is left.
"""

from pathlib import Path
from typing import Any

import gradio as gr

from unet_hf import Segmentation
from unet_hf.errors import ConfigError
from unet_hf.network.configuration import (
    OBJECT_METHODS,
    check_objects,
    checked_seed,
    settled_objects,
)

from ..parts.component import component
from ..parts.object_options import methods_of, read_min_size

HERE = Path(__file__).parent


def counting() -> gr.HTML:
    """The fields; `show_counting` makes their value."""
    return component(HERE / "counting", elem_id="counting", value=show_counting(check_objects({})))


def show_counting(
    recipe: dict[str, Any], learned: bool = False, exclude_border: bool = False
) -> dict[str, Any]:
    """What `counting.js` reads. recipe: See `Segmentation.object_recipe`. learned: The checkpoint
    was trained to tell objects apart."""
    return {
        "method": recipe["method"],
        "methods": methods_of(learned),
        "seed": recipe.get("seed"),
        "min_size": str(recipe["min_size"]),
        "exclude_border": exclude_border,
    }


def with_seed(value: dict[str, Any], result: Segmentation) -> dict[str, Any]:
    """The same with a seed where the chosen way has one, and without where it has none."""
    seed = value["seed"] if value["method"] == "learned" else None
    settled = settled_objects(result.object_defaults, value["method"], seed)
    return value | {"seed": settled["seed"]}


def read_counting(value: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `Segmentation.objects`.

    Raises `ConfigError`, as a browser may send anything.
    """
    method, seed = value.get("method"), value.get("seed")
    if method not in OBJECT_METHODS:
        raise ConfigError(f"There is no method {str(method)[:20]!r} of counting.")
    return {
        "method": method,
        "seed": checked_seed(seed) if method == "learned" and seed is not None else None,
        "min_size": read_min_size(str(value.get("min_size") or "")),
        "exclude_border": value.get("exclude_border") is True,
    }
