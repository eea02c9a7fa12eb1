"""Buttons that write a file when they are clicked, and hand it over without a second click."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import gradio as gr

from ..server.errors_in_words import plain_sentence
from .component import HIDDEN
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


def download_buttons(labels: dict[str, str]) -> dict[str, gr.Button]:
    """A row of buttons, which nobody can click before there is something to write."""
    with gr.Row():
        return {
            kind: gr.Button(label, interactive=False, min_width=130)
            for kind, label in labels.items()
        }


def connect(
    buttons: dict[str, gr.Button],
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

    def on_click(kind: str, *values: Any) -> dict[Any, Any]:
        try:
            path = write(kind, *values)
            return {prepared: path, told: gr.update(value="", visible="hidden")}
        except Exception as error:
            sentence = alert(plain_sentence(error))
            return {prepared: None, told: gr.update(value=sentence, visible=True)}

    for kind, button in buttons.items():
        written = button.click(
            partial(on_click, kind),
            list(inputs),
            [prepared, told],
            js=js,
            show_progress="hidden",
            **HIDDEN,
        )
        written.success(None, prepared, None, js=SAVE, **HIDDEN)
