"""How a function of the demo becomes an endpoint, for programs."""

from collections.abc import Callable
from typing import Any

import gradio as gr


def publish(
    function: Callable[..., Any], inputs: list[Any], outputs: list[Any], **options: Any
) -> None:
    """The function as the endpoint of its name. Its docstring is what people read on the API page,
    and what agents read as the description of a tool; its arguments are those of the API.

    options: Of the event.
    """
    gr.Button().click(function, inputs, outputs, api_name=function.__name__, **options)
