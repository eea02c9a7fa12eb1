"""Buttons that write a file when they are clicked, and hand it over without a second click."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from ..server.errors_in_words import plain_sentence
from .component import HIDDEN, component
from .html_parts import alert

SAVE = """(file) => {
  if (!file) return;
  const link = Object.assign(document.createElement("a"), {
    href: file.url, download: file.orig_name || file.path.split("/").pop(),
  });
  document.body.append(link);
  link.click();
  link.remove();
}"""


@dataclass(frozen=True)
class Download:
    """One file that can be asked for.

    group: What has to be there first, see `usable`. more: It stands in the menu.
    """

    kind: str
    label: str
    group: str
    more: bool = False


def download_menu(entries: Sequence[Download], elem_id: str) -> gr.HTML:
    """A row of buttons and a menu, none of which can be clicked before `usable` says so."""
    return component(
        Path(__file__).parent / "downloads",
        elem_id=elem_id,
        entries=[vars(entry) for entry in entries],
    )


def usable(**groups: bool) -> dict[str, Any]:
    """The update that lets the files of these groups be asked for, or no longer. Groups that are
    not named stay as they are."""
    return gr.update(value={"id": uuid.uuid4().hex, "usable": groups})


def connect(
    menu: gr.HTML,
    write: Callable[..., str],
    inputs: Sequence[gr.components.Component],
    js: str | None,
    told: gr.HTML,
) -> None:
    """Lets each button call `write(kind, *inputs)`, which returns the path of a file.

    js: As of an event; what the visitor sees goes over with the click.
    told: Shows what went wrong, in a sentence.
    """
    prepared = gr.File(visible="hidden")

    def on_download(event: gr.EventData, *values: Any) -> dict[Any, Any]:
        try:
            path = write(event.kind, *values)
            return {prepared: path, told: gr.update(value="", visible="hidden")}
        except Exception as error:
            sentence = alert(plain_sentence(error))
            return {prepared: None, told: gr.update(value=sentence, visible=True)}

    written = menu.download(
        on_download, list(inputs), [prepared, told], js=js, show_progress="hidden", **HIDDEN
    )
    written.success(None, prepared, None, js=SAVE, **HIDDEN)
