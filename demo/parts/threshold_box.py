"""A field for a threshold that may stay empty."""

import gradio as gr

from unet_hf.errors import ConfigError


def threshold_box(label: str, elem_id: str) -> gr.Textbox:
    # A `gr.Number` that is left empty arrives as 0 once it has a minimum.
    return gr.Textbox(
        "",
        label=label,
        info="for two classes, 0 to 1",
        placeholder="the checkpoint's own",
        max_lines=1,
        min_width=130,
        elem_id=elem_id,
    )


def read_threshold(text: str | None) -> float | None:
    """None for an empty field. Raises `ConfigError` for what is no number."""
    text = (text or "").strip().replace(",", ".")
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise ConfigError(
            f"The threshold {text[:40]!r} is no number. Type one from 0 to 1, or leave it empty "
            "for the checkpoint's own."
        ) from None
