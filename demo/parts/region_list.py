"""A list of regions in which two masks differ; a click flies there in one or more viewers."""

import html
from collections.abc import Callable, Sequence
from pathlib import Path

import gradio as gr

from unet_hf.evaluation.comparison import Region

from .component import component
from .html_parts import STYLE, count, note

SHOWN = 100  # the largest; a noisy mask has thousands of single pixels


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
    items = "".join(
        f'<li><button type="button" data-box="{list(region.box)}"><b>{count(region.pixels)} px</b> '
        f"<span>{html.escape(words(region))}</span></button></li>"
        for region in regions[:SHOWN]
    )
    more = f"These are the {SHOWN} largest." if len(regions) > SHOWN else ""
    return f'{top}<ul class="regions">{items}</ul>{note(more)}'
