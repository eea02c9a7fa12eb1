"""Watches over an upload of Gradio's: says, before anything is sent, which files are too large.

One of them may also take what is dropped or pasted anywhere on the page while its tab is open.
"""

from pathlib import Path

import gradio as gr

from ..server import limits
from .component import component

HERE = Path(__file__).parent


def upload_guard(upload: str, anywhere: bool = False) -> gr.HTML:
    """Stands where it says what it says. `upload`: the `elem_id` of a `gr.File`."""
    return component(
        HERE / "upload_guard",
        elem_id=f"{upload}_told",
        elem_classes="upload_guard",
        upload_id=upload,
        anywhere=anywhere,
        megabytes=limits.MAX_FILE_MEGABYTES,
        gigabytes=limits.MAX_UPLOAD_MEGABYTES / 2**10,
    )
