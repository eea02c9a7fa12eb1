"""Watches over an upload of Gradio's: says, before anything is sent, which files are too large.

One of them may also take what is dropped or pasted anywhere on the page while its tab is open.
"""

from pathlib import Path

import gradio as gr

from .actions import MAX_FILE_MEGABYTES

HERE = Path(__file__).parent


def way_in(upload: str, anywhere: bool = False) -> gr.HTML:
    """Stands where it says what it says. `upload`: the `elem_id` of a `gr.File`."""
    return gr.HTML(
        value=None,
        html_template=_read("way_in.html"),
        js_on_load=_read("incoming.js") + _read("way_in.js"),
        apply_default_css=False,
        elem_id=f"{upload}_told",
        elem_classes="way_in",
        upload_id=upload,
        anywhere=anywhere,
        megabytes=MAX_FILE_MEGABYTES,
    )


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
