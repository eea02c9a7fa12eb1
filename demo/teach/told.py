"""The updates of a place of the panel that says what went wrong."""

from typing import Any

import gradio as gr

from ..parts.html_parts import alert
from ..server.errors_in_words import page_sentence

Updates = dict[Any, Any]


def sentence(text: str) -> Updates:
    """Shows a sentence; an empty one hides the place."""
    return gr.update(value=alert(text), visible=True if text else "hidden")


def words(error: Exception) -> Updates:
    """What went wrong, as an update of the place for it."""
    return sentence(page_sentence(error))


def no_words(told: gr.HTML) -> Updates:
    return {told: sentence("")}
