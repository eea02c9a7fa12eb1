"""Watches over an upload of Gradio's: says, before anything is sent, which files are too large.

It may also take what is dropped or pasted anywhere on the page while its tab is open. Without that,
a browser would leave the page for a file that misses the box.
"""

from pathlib import Path

import gradio as gr

from ...server import limits
from ..component import component

HERE = Path(__file__).parent


def upload_guard(upload: str, anywhere: bool = False, empties: bool = False) -> gr.HTML:
    """Stands where it says what it says.

    upload: The `elem_id` of a `gr.File`. anywhere: No other one on its tab takes what misses it.
    empties: The upload is emptied as soon as its files are here.
    """
    return component(
        HERE / "upload_guard",
        elem_id=f"{upload}_told",
        elem_classes="upload_guard",
        upload_id=upload,
        anywhere=anywhere,
        empties=empties,
        megabytes=limits.MAX_FILE_MEGABYTES,
        gigabytes=limits.MAX_UPLOAD_MEGABYTES / 2**10,
    )
