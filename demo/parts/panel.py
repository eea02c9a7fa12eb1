"""What parts of the page that show something of the result in view have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr


@dataclass(frozen=True)
class Panel:
    """A part of the page whose content belongs to the result in view.

    outdated: Gives the updates that empty it, or say that it is of an earlier view. Called whenever
        another picture, page, checkpoint or result comes into view.
    state: Holds what its files are written from.
    write: write(kind, value of `state`, how the picture is looked at, `InView`, its version in the
        browser) writes one file, and returns its path.
    """

    outdated: Callable[[], dict[Any, Any]]
    state: gr.State | None = None
    write: Callable[..., str] | None = None
