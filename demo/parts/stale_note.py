"""Says that something was computed at another threshold than the picture is looked at."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from .component import component


def stale_note(elem_id: str, viewer: str, verb: str, greys: Sequence[str]) -> gr.HTML:
    """Out of sight as long as there is nothing to say; see `computed_at` for its value.

    viewer: The `elem_id` of the viewer with the threshold. verb: Such as "Scored". greys: The
    `elem_id` of what was computed.
    """
    return component(
        Path(__file__).parent / "stale_note",
        elem_id=elem_id,
        elem_classes="stale_note",
        viewer=viewer,
        verb=verb,
        greys=list(greys),
    )


def computed_at(threshold: float | None) -> dict[str, Any]:
    """The value; None: there is no threshold."""
    return {"threshold": threshold}
