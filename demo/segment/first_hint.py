"""A note for first-time visitors, which stays away once it was closed."""

from pathlib import Path

import gradio as gr

from ..parts.component import component


def first_hint() -> gr.HTML:
    return component(Path(__file__).parent / "first_hint", elem_id="hint")
