"""What Gradio would say in red boxes at the edge of the page, as sentences above the picture."""

from pathlib import Path

import gradio as gr

from .component import component


def notices() -> gr.HTML:
    """Says nothing until something went wrong."""
    return component(Path(__file__).parent / "notices", elem_id="notices")
