"""The events of a page, called as Gradio calls them, without a browser or a server."""

from collections.abc import Callable
from typing import Any

import gradio as gr


class Events:
    """The functions of a page's events, by name."""

    def __init__(self, page: gr.Blocks) -> None:
        self.page = page

    def __getattr__(self, name: str) -> Callable:
        return next(event.fn for event in self.page.fns.values() if event.name == name)


class ShownPage:
    """A page without a browser: what one would show of it."""

    def __init__(self, page: gr.Blocks) -> None:
        self.page, self.events = page, Events(page)
        self.shown: dict[Any, Any] = {}

    def show(self, updates: dict[gr.Component, Any]) -> None:
        """By `elem_id`; a state by its class."""
        for component, value in updates.items():
            name = component.elem_id or f"{type(component).__name__} {component.value}"
            if isinstance(value, dict) and value.get("__type__") == "update":
                self.shown.setdefault(name, {}).update(value)
            else:
                self.shown[name] = value
