"""Fields for a threshold and for a seed height, which may stay empty."""

import gradio as gr

from unet_hf.errors import ConfigError


def threshold_box(label: str, elem_id: str) -> gr.Textbox:
    return _box(label, elem_id, "for two classes, 0 to 1")


def seed_box(label: str, elem_id: str) -> gr.Textbox:
    return _box(label, elem_id, "of learned objects, 0 to 1")


def read_threshold(text: str | None) -> float | None:
    """None for an empty field. Raises `ConfigError` for what is no number."""
    return _read(text, "threshold")


def read_seed(text: str | None) -> float | None:
    """None for an empty field. Raises `ConfigError` for what is no number."""
    return _read(text, "seed height")


def _box(label: str, elem_id: str, info: str) -> gr.Textbox:
    # A `gr.Number` that is left empty arrives as 0 once it has a minimum.
    return gr.Textbox(
        "",
        label=label,
        info=info,
        placeholder="the checkpoint's own",
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
