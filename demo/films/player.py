"""Stands in for the player until that is here."""

from pathlib import Path

import gradio as gr

from ..parts.component import component


def film_player(elem_id: str = "film_player") -> gr.HTML:
    return component(Path(__file__).parent / "player", elem_id=elem_id)
