"""Fields for options that a checkpoint or a file has already: each may stay empty."""

import gradio as gr

from unet_hf.errors import ConfigError
from unet_hf.images.pixel_size import PixelSize

from .object_options import read_min_size

OWN = "checkpoint's"  # short: half of a phone's width shows it whole


def threshold_box(label: str, elem_id: str) -> gr.Textbox:
    return _box(label, elem_id, "for two classes, 0 to 1")


def seed_box(label: str, elem_id: str) -> gr.Textbox:
    return _box(label, elem_id, "of learned objects, 0 to 1")


def min_size_box(label: str, elem_id: str) -> gr.Textbox:
    return _box(label, elem_id, "pixels")


def pixel_size_box(label: str, elem_id: str) -> gr.Textbox:
    return _box(label, elem_id, "such as 0.25 um", "what a file says")


def interval_box(label: str, elem_id: str) -> gr.Textbox:
    return _box(label, elem_id, "such as 5 min or 30 s", "what a file says")


def read_threshold(text: str | None) -> float | None:
    """None for an empty field. Raises `ConfigError` for what is no number."""
    return _read(text, "threshold")


def read_seed(text: str | None) -> float | None:
    """None for an empty field. Raises `ConfigError` for what is no number."""
    return _read(text, "seed height")


def read_least(text: str | None) -> int | None:
    """A number of pixels; None for an empty field. Raises `ConfigError`."""
    return read_min_size(text) if (text or "").strip() else None


def as_typed(size: PixelSize) -> str:
    """ "0.25 um", as a field for pixel sizes takes it."""
    sides = f"{size.x:g}" if size.x == size.y else f"{size.x:g} {size.y:g}"
    return f"{sides} {size.ascii_unit}"


def _box(label: str, elem_id: str, info: str, placeholder: str = OWN) -> gr.Textbox:
    # A `gr.Number` that is left empty arrives as 0 once it has a minimum.
    return gr.Textbox(
        "",
        label=label,
        info=info,
        placeholder=placeholder,
        max_lines=1,
        min_width=130,
        elem_id=elem_id,
    )


def _read(text: str | None, what: str) -> float | None:
    text = (text or "").strip().replace(",", ".")
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise ConfigError(
            f"The {what} {text[:40]!r} is no number. Type one from 0 to 1, or leave it empty "
            "for the checkpoint's own."
        ) from None
