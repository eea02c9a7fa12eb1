"""How a component of our own is made: a `gr.HTML` from files that lie beside each other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

HIDDEN = {"api_visibility": "private"}  # of an event: programs are not offered it


def component(files: Path, scripts: Sequence[str] = (), **options: Any) -> gr.HTML:
    """Makes a `gr.HTML` of `files` with the endings .html, .css and .js.

    Without an .html file it shows its `value`, and without a .css file it has no style.

    scripts: Names of the files to run instead of the .js file, all relative to its folder.
    options: Of `gr.HTML`; those it does not know are what the script finds in `props`.
    """
    known: dict[str, Any] = {"value": None}
    if (markup := files.with_suffix(".html")).is_file():
        known |= {"html_template": _read(markup), "apply_default_css": False}
    if (style := files.with_suffix(".css")).is_file():
        known["css_template"] = _read(style)
    names = scripts or [f"{files.name}.js"]
    known["js_on_load"] = "\n".join(_read(files.parent / name) for name in names)
    return gr.HTML(**(known | options))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
