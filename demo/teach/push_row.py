"""The row of the panel that pushes a taught checkpoint: only where visitors can sign in."""

import html
from collections.abc import Iterator
from typing import Any

import gradio as gr

from unet_hf.errors import ConfigError

from ..parts.component import HIDDEN
from ..parts.html_parts import alert
from ..server import sign_in
from ..server.errors_in_words import page_sentence
from ..server.folders import ResultFolders
from .push import push_taught
from .sitting import Lesson, Sitting
from .take_home import usual_name

AT_ONCE = 4  # pushes of all visitors
SIGN_IN = (
    "Sign in first, with the button at the top of the page: the checkpoint goes to an account of "
    "yours."
)
NOTHING = "Nothing was taught yet."


class PushRow:
    """Adds its components where it is made; `connect` comes last."""

    def __init__(self, folders: ResultFolders) -> None:
        self.folders = folders
        with gr.Row(elem_id="teach_push", visible=False) as self.row:
            self.name = gr.Textbox(
                label="Repository in your account", max_lines=1, elem_id="teach_push_name"
            )
            self.private = gr.Checkbox(True, label="Private", min_width=90)
            self.button = gr.Button(
                "Push to my account", size="sm", min_width=150, elem_id="teach_push_start"
            )
        self.told = gr.HTML(elem_id="teach_pushed")

    def shown_for(self, lesson: Lesson) -> dict[Any, Any]:
        """The updates once there is something to push."""
        return {
            self.row: gr.update(visible=True),
            self.name: gr.update(placeholder=usual_name(lesson)),
            self.told: "",
        }

    @property
    def outputs(self) -> list[gr.components.Component]:
        """Those that `shown_for` changes."""
        return [self.row, self.name, self.told]

    def connect(self, sitting: gr.State, model: gr.Dropdown) -> None:
        self.button.click(
            self.on_push,
            [self.name, self.private, model, sitting],
            [self.told, self.button],
            show_progress="hidden",
            concurrency_id="pushing",
            concurrency_limit=AT_ONCE,
            **HIDDEN,
        )

    def on_push(
        self,
        name: str,
        is_private: bool,
        model: str,
        sitting: Sitting,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> Iterator[dict[Any, Any]]:
        """Pushes the teaching that is chosen as the checkpoint, or the last one."""
        visitor = sign_in.visitor(profile, token)
        lesson = sitting.lesson_at(model)
        yield {self.told: "<p>Pushing …</p>", self.button: gr.update(interactive=False)}
        try:
            if visitor is None:
                raise ConfigError(SIGN_IN)
            if lesson is None:
                raise ConfigError(NOTHING)
            address = push_taught(
                lesson, name, is_private, visitor, sitting.pushed, self.folders.new
            )
            told = pushed_html(lesson, address)
        except Exception as error:
            told = alert(page_sentence(error))
        yield {self.told: told, self.button: gr.update(interactive=True)}


def pushed_html(lesson: Lesson, address: str) -> str:
    where = html.escape(address, quote=True)
    return (
        f'<p role="status">{html.escape(lesson.title)} is at <a href="{where}" target="_blank" '
        f'rel="noopener">{where}</a>.</p>'
    )
