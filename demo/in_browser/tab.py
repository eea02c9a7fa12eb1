"""Segmenting in the visitor's own browser: the image never leaves their computer.

The server gives a shipped checkpoint as an ONNX file (`unet_hf.export`) and onnxruntime-web, which
runs it (`vendor/`), and is then asked for nothing more. Decoding the image, tiling it as
`export.mirroring` says, codes for the viewer and files to take home are JavaScript
(`web/`), most of it in a worker beside the page.
"""

import importlib.util
import tempfile
import threading
import uuid
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr

from unet_hf import UNet
from unet_hf.errors import ExportError
from unet_hf.files import write_atomically
from unet_hf.hub.find import SHIPPED, shipped_checkpoints
from unet_hf.objects.learned import BORDER_DEPTH, prominence

from ..parts.component import HIDDEN, component
from ..parts.gradio_internals import served_file
from ..server.checkpoints.model_facts import model_choices
from ..server.checkpoints.models import load_model
from ..server.errors_in_words import plain_sentence
from ..viewer.component import viewer
from ..viewer.payload import FINE, STEPS

HERE = Path(__file__).parent
WEB = HERE / "web"
RUNTIME = HERE / "vendor" / "onnxruntime-web"
PANEL, VIEWER = "private", "private_viewer"

_one_at_a_time = threading.Lock()


def in_browser_tab() -> None:
    """Adds the view to the page that is being built."""
    # Served where they are, for as long as this process lives.
    gr.set_static_paths([RUNTIME, _folder()])
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=240):
            panel = component(
                WEB / "in_browser",
                elem_id=PANEL,
                names=model_choices(shipped_checkpoints()),
                viewer=VIEWER,
            )
        with gr.Column(scale=8, min_width=240):
            viewer(VIEWER, label="Segmentation in your browser")
    # Another one may be chosen while the first is on its way: Gradio would drop that event.
    panel.select(
        _on_choose,
        None,
        panel,
        queue=False,
        trigger_mode="multiple",
        show_progress="hidden",
        **HIDDEN,
    )


def offered(name: str) -> dict[str, Any]:
    """What the page needs to run a shipped checkpoint: facts, and files of Gradio's.

    Raises:
        ExportError: No such checkpoint ships, or the package `onnx` is not installed.
    """
    from unet_hf.hub.sample import sample_input

    model, facts = exported(name)
    files = {
        "module": RUNTIME / "ort.wasm.bundle.min.mjs",
        "wasm": RUNTIME / "ort-wasm-simd-threaded.wasm.gz",
        "model": model,
        "example": sample_input(name),
    }
    return {"files": {kind: served_file(path) for kind, path in files.items()}, "facts": facts}


def exported(name: str) -> tuple[Path, dict[str, Any]]:
    """A shipped checkpoint as ONNX, written once a process, and what `web/` knows of
    it. Raises as `offered` does."""
    with _one_at_a_time:  # two visitors at once share one file
        return _exported(name)


@cache
def _exported(name: str) -> tuple[Path, dict[str, Any]]:
    if name not in shipped_checkpoints():
        raise ExportError(
            f"{name!r} does not come with this package, so it cannot run in a browser. Choose one "
            f"of {', '.join(shipped_checkpoints())}."
        )
    if importlib.util.find_spec("onnx") is None:
        raise ExportError(
            "Checkpoints for browsers are written with the package onnx, which is not installed "
            "on this server. Install it there: pip install onnx"
        )
    from unet_hf.export.description import describe_export
    from unet_hf.export.onnx_file import write_onnx

    model = load_model(name)
    described = {"format": "onnx"} | describe_export(model, SHIPPED / name)
    path = _folder() / f"{name}.onnx"
    write_atomically(path, lambda temporary: write_onnx(model, described, temporary))
    return path, {
        "name": name,
        "names": list(described["classes"].values()),
        "colors": described["colors"],
        "threshold": described["threshold"],
        "channels": len(described["channels"]),
        "measures": described["normalization"] == "image",  # it wants the image's mean and std
        "clips": described["outliers"] == "clip",
        "multiple": described["multiple"],
        "halo": described["halo"],
        "steps": STEPS,
        "fine": FINE,
        "objects": _objects(model),
    }


def _objects(model: UNet) -> dict[str, Any] | None:
    """How `web/objects.js` parts objects; None if the checkpoint counts in another way."""
    recipe = model.config.get("objects", {})
    if recipe.get("method") != "learned":
        return None
    return {
        "channels": list(model.object_channels),
        "seed": recipe["seed"],
        "min_size": recipe["min_size"],
        "walled": model.walled,
        "prominence": prominence(model.walled),
        "border_depth": BORDER_DEPTH,
    }


def _on_choose(event: gr.SelectData) -> dict[str, Any]:
    """The page asks for a checkpoint by its name."""
    try:
        answer = offered(event.value)
    except Exception as error:
        answer = {"error": plain_sentence(error)}
    return {"id": uuid.uuid4().hex, **answer}


@cache
def _folder() -> Path:
    """Goes with this process."""
    _folder.kept = tempfile.TemporaryDirectory(prefix="unet_hf_onnx_")
    return Path(_folder.kept.name)
