"""How a component of our own is made: a `gr.HTML` from files that lie beside each other.

Its script is a module that the browser loads by its address, with all that it imports, and whose
`mount` it then calls. What is in the repository is what runs: nothing is built.
"""

import json
from collections.abc import Sequence
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any

import gradio as gr

from .gradio_internals import served_address

PARTS = Path(__file__).parent
DEMO = PARTS.parent
GRID_TABLE = PARTS / "grid_table.css"
HIDDEN = {"api_visibility": "private"}  # of an event: programs are not offered it
# What Gradio runs for a component. Addresses begin where it says that its own do, whatever stands
# before the path. `element` and the others are what it hands each script. A component that was
# updated before it was first seen, on a tab that is not open, has lost the options that Gradio does
# not know: they are said here once more.
MOUNT = """
const options = OPTIONS;
const whole = new Proxy(props, {
  get: (given, name) => given[name] ?? options[name] ?? null,
  set: (given, name, value) => { given[name] = value; return true; },
});
const root = window.gradio_config?.root ? `${window.gradio_config.root}/` : document.baseURI;
import(new URL("ADDRESS", root)).then(({ mount }) => {
  mount({ element, props: whole, trigger, watch });
}).catch((error) => {
  console.error(error);
  const sentence = "This part of the page did not load. Reload the page.";
  element.append(Object.assign(document.createElement("p"), { textContent: sentence }));
});
"""


def component(files: Path, *, styles: Sequence[Path] = (), **options: Any) -> gr.HTML:
    """Makes a `gr.HTML` of `files` with the endings .html, .css and .js.

    Without an .html file it shows its `value`, and without a .css file it has no style.

    styles: CSS files that it shares with others, before its own.
    options: Of `gr.HTML`; those it does not know are what the script finds in `props`.
    """
    _serve_scripts()
    known: dict[str, Any] = {"value": None}
    if (markup := files.with_suffix(".html")).is_file():
        known |= {"html_template": _read(markup), "apply_default_css": False}
    own_style = files.with_suffix(".css")
    if styles := [*styles, *([own_style] if own_style.is_file() else ())]:
        known["css_template"] = "".join(map(_read, styles))
    own = {name: value for name, value in options.items() if name not in _known_options()}
    script = MOUNT.replace("ADDRESS", served_address(files.with_suffix(".js")))
    known["js_on_load"] = script.replace("OPTIONS", json.dumps(own))
    return gr.HTML(**(known | options))


@cache
def _known_options() -> frozenset[str]:
    """Of `gr.HTML`."""
    return frozenset(signature(gr.HTML).parameters)


@cache
def _serve_scripts() -> None:
    """For as long as this process lives: of `demo/` nothing but its scripts and the folders `web/`,
    which are of a page alone. Gradio compares the address of each file with all that is named here,
    so that folders take a third less of its time at each visit than their files would."""
    served = {_web_folder(path) or path for path in DEMO.rglob("*.js")}
    gr.set_static_paths(sorted(served))


def _web_folder(script: Path) -> Path | None:
    return next((folder for folder in script.parents if folder.name == "web"), None)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
