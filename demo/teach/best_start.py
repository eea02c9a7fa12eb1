"""Which checkpoint is the best start for what is painted: it decides more than anything else."""

import html
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from train.teaching.probe import Probed, probe
from train.teaching.strokes import raster, read_strokes
from unet_hf.errors import ConfigError, UNetError

from ..parts.component import HIDDEN
from ..segment.tab import SegmentTab
from ..server import sign_in
from ..server.checkpoints.model_facts import title_of
from ..server.checkpoints.models import Visitor, load_model
from ..server.in_view import InView
from ..server.predictions import read_upload
from ..server.work.queue import MEASURES, PREDICTS, turns
from ..server.work.runs import Run
from .sitting import Sitting
from .strokes_in import read_painted
from .told import words

MOST_PROBED = 8  # checkpoints of the list
TOO_FEW = (
    "To tell which checkpoint fits, paint two strokes or more of each class on the picture in view."
)
Updates = dict[Any, Any]


class BestStart:
    """A button; added to the page where it is made. `connect` comes last."""

    def __init__(self, models: Sequence[str]) -> None:
        self.models = list(models)[:MOST_PROBED]
        self.ask = gr.Button("Best start?", size="sm", min_width=110, elem_id="teach_best")

    def connect(
        self,
        segment: SegmentTab,
        given: gr.JSON,
        sitting: gr.State,
        told: gr.HTML,
        progress: gr.HTML,
        js: str,
        go_to: Callable[[str, InView], Updates],
    ) -> None:
        """progress: Shows the answer. go_to: Gives the updates that bring a checkpoint into use."""

        def on_ask(
            given: Any,
            sitting: Sitting,
            in_view: InView,
            profile: gr.OAuthProfile | None = None,
            token: gr.OAuthToken | None = None,
        ) -> Updates:
            try:
                found = self.probed(given, sitting, in_view, sign_in.visitor(profile, token))
            except Exception as error:
                return {told: words(error)}
            chosen = {} if found[0].name == in_view.model else go_to(found[0].name, in_view)
            return chosen | {progress: probed_html(found)}

        view = segment.images.in_view
        each = {"show_progress": "hidden"} | HIDDEN
        asked = self.ask.click(
            on_ask,
            [given, sitting, view],
            [told, progress, *segment.outputs],
            js=js,
            **each,
            **MEASURES,
        )
        asked.success(segment.on_segment, view, segment.outputs, **each, **PREDICTS)

    def probed(
        self, given: Any, sitting: Sitting, in_view: InView, visitor: Visitor | None = None
    ) -> list[Probed]:
        """Checkpoints, the best first. Raises `ConfigError` if too little is painted."""
        path, place, current = in_view.wanted
        painted = read_painted(given, sitting)
        here = [one for one in painted.pictures if (one.path, one.place) == (path, place)]
        if not here:
            raise ConfigError(TOO_FEW)
        image = read_upload(path, place)
        strokes = read_strokes(here[0].strokes, len(painted.classes))
        label = raster(strokes, (image.height, image.width))
        checkpoints = {}
        for name in dict.fromkeys([sitting.base_of(current), *self.models]):
            try:
                checkpoints[name] = load_model(name, visitor)
            except UNetError:  # one on the Hub that is not to be had now
                continue
        with turns().take(Run(), image.height * image.width):
            found = probe(checkpoints, image, label, painted.classes, painted.formerly)
        if not found:
            raise ConfigError(TOO_FEW)
        return found


def probed_html(found: Sequence[Probed]) -> str:
    """The best first, with how sure each is of what it was not shown."""
    rows = "".join(
        f"<tr><td>{html.escape(title_of(one.name))}</td><td>{100 * one.right:.0f} %</td></tr>"
        for one in found
    )
    return (
        '<div class="teaching"><div>How sure each checkpoint is of strokes, told from the others: '
        f"the best is chosen.</div><table>{rows}</table></div>"
    )
