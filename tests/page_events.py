"""The events of a page, called as Gradio calls them, without a browser or a server."""

from collections.abc import Callable

import gradio as gr


class Events:
    """The functions of a page's events, by name."""

    def __init__(self, page: gr.Blocks) -> None:
        self.page = page

    def __getattr__(self, name: str) -> Callable:
        return next(event.fn for event in self.page.fns.values() if event.name == name)
