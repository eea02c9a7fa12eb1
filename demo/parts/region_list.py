"""Lists of places in a picture, such as regions in which two masks differ.

A click on one flies there in one or more viewers; of a kind of places there is also a next one.
"""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from unet_hf.evaluation.comparison import Region

from .component import component
from .html_parts import STYLE, count, note

SHOWN = 100  # the largest; a noisy mask has thousands of single pixels


@dataclass(frozen=True)
class Listed:
    """A place: its size in pixels, its box (x, y, width, height), and what is said of it."""

    pixels: int
    box: tuple[int, int, int, int]
    words: str


def region_list(elem_id: str, targets: Sequence[str]) -> gr.HTML:
    """An empty list. `targets`: the `elem_id` of the viewers that fly."""
    return component(
        Path(__file__).parent / "region_list",
        css_template=STYLE,
        elem_id=elem_id,
        targets=list(targets),
    )


def regions_html(title: str, regions: Sequence[Region], words: Callable[[Region], str]) -> str:
    """One button a region, with its size and what `words` says; of many, the first `SHOWN`."""
    top = f'<h3 class="title">{html.escape(title)}</h3>'
    if not regions:
        return f'{top}<p class="note" role="status">There are none.</p>'
    return top + _buttons([Listed(each.pixels, each.box, words(each)) for each in regions])


def lists_html(title: str, kinds: Sequence[tuple[str, str, str, Sequence[Listed]]]) -> str:
    """A list for each kind of places, with its number and buttons for the next and the last one.

    kinds: Name, colour, meaning in a sentence, and the places.
    """
    return f'<h3 class="title">{html.escape(title)}</h3>' + "".join(
        f'<section class="kind" aria-label="{name}" title="{html.escape(meaning)}">'
        f'<i style="background: {color}"></i><span>{name.capitalize()}</span>'
        f"<b>{count(len(places))}</b>{_steps(name) if places else ''}"
        f"{_closed(places) if places else ''}</section>"
        for name, color, meaning, places in kinds
    )


def _steps(name: str) -> str:
    return (
        f'<button type="button" data-step="-1" aria-label="Previous {name}">‹</button>'
        f'<button type="button" data-step="1" aria-label="Next {name}">›</button>'
        '<output aria-live="polite"></output>'
    )


def _closed(places: Sequence[Listed]) -> str:
    return f"<details><summary>List</summary>{_buttons(places)}</details>"


def _buttons(places: Sequence[Listed]) -> str:
    items = "".join(
        f'<li><button type="button" data-box="{list(place.box)}"><b>{count(place.pixels)} px</b> '
        f"<span>{html.escape(place.words)}</span></button></li>"
        for place in places[:SHOWN]
    )
    more = f"These are the {SHOWN} largest." if len(places) > SHOWN else ""
    return f'<ul class="regions">{items}</ul>{note(more)}'
