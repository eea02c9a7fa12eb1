"""How a function of the demo becomes an endpoint, for programs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from ..server import sign_in
from ..server.checkpoints.models import Visitor
from ..server.errors_in_words import plain_sentence
from ..server.work.runs import Run, sessions
from .sessions import session_of


def publish(
    function: Callable[..., Any], inputs: list[Any], outputs: list[Any], **options: Any
) -> None:
    """The function as the endpoint of its name. Its docstring is what people read on the API page,
    and what agents read as the description of a tool; its arguments are those of the API.

    options: Of the event.
    """
    gr.Button().click(function, inputs, outputs, api_name=function.__name__, **options)


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """What goes wrong is told to programs in one sentence."""
    try:
        yield
    except Exception as error:
        raise gr.Error(plain_sentence(error), print_exception=False) from error


@contextmanager
def asked_by(
    request: gr.Request | None, profile: gr.OAuthProfile | None, token: gr.OAuthToken | None
) -> Iterator[tuple[Visitor | None, Run]]:
    """Who asks, and a run of theirs. Raises as `Sessions.run`."""
    visitor = sign_in.visitor(profile, token)
    with sessions().run(session_of(request)) as run:
        yield visitor, run


def segmenting_inputs(file: str) -> list[gr.components.Component]:
    """The first arguments of all that segment: a file, a model and a threshold.

    file: What it is called.
    """
    return [gr.File(label=file), gr.Textbox(label="Model"), gr.Number(None, label="Threshold")]
