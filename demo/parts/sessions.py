"""Who asks, as far as Gradio knows: a page or a program, and that it has left."""

import gradio as gr

from ..server.work.runs import sessions


def session_of(request: gr.Request | None) -> str | None:
    """What `sessions().run` and `.stop` take; Gradio hands an event its request by the type of an
    argument, `request: gr.Request`. None: called by no page, as in a test."""
    return request.session_hash if request is not None else None


def stop_when_closed(page: gr.Blocks) -> None:
    """Whoever closes the page or goes elsewhere has nothing computed any more."""

    def on_unload(request: gr.Request) -> None:
        sessions().stop(session_of(request))

    page.unload(on_unload)
