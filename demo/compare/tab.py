"""Two checkpoints, or two thresholds, on one image: side by side, and where they differ."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr
import numpy as np

from unet_hf import Segmentation
from unet_hf.errors import ConfigError
from unet_hf.evaluation.comparison import Disagreement, Region, compare_predictions

from ..parts.component import HIDDEN
from ..parts.html_parts import STYLE, alert, count, note, table
from ..parts.panel import Panel
from ..parts.region_list import SHOWN, region_list, regions_html
from ..parts.threshold_box import read_threshold, threshold_box
from ..server import sign_in
from ..server.errors_in_words import plain_sentence
from ..server.in_view import InView
from ..server.predictions import Place, segment_file
from ..server.queue import ONE_AT_A_TIME
from ..viewer.component import show_map, show_result, viewer

GROUP = "compare"  # these viewers move together
VIEWERS = ("compare_a", "compare_b", "compare_map")
COLORS = ["#d55e00", "#0072b2"]
MOVED_ON = "Another image has come into view meanwhile. Compare again on this one."


def compare_tab(
    image: Sequence[gr.components.Component],
    in_view: gr.State,
    models: Sequence[str],
    any_model: bool,
    chosen: str,
) -> Panel:
    """Adds the view to the page that is being built.

    Args:
        image: Hold the path of the image in view, and where to look in it, see `Place.chosen`.
        in_view: The session's `InView`.
        models: Checkpoints to choose from. any_model: Others may be typed.
        chosen: The one both sides begin with.
    """
    sides = []
    with gr.Row():
        for side in "AB":
            with gr.Column(min_width=280):
                with gr.Row():
                    name = gr.Dropdown(
                        list(models),
                        value=chosen,
                        label=f"Checkpoint {side}",
                        allow_custom_value=any_model,
                        min_width=160,
                        elem_id=f"compare_model_{side.lower()}",
                    )
                    cut = threshold_box(f"Threshold {side}", f"compare_threshold_{side.lower()}")
                sides.append((name, cut))
    run = gr.Button("Compare on the image in view", variant="primary", elem_id="compare_run")
    told = gr.HTML(css_template=STYLE, elem_id="compare_told")
    with gr.Row():
        pictures = []
        for elem_id, label in zip(VIEWERS, "AB", strict=False):
            with gr.Column(min_width=280):
                pictures.append(viewer(elem_id, GROUP, label))
    with gr.Row(equal_height=False):
        with gr.Column(scale=7, min_width=280):
            difference = viewer(VIEWERS[2], GROUP, "Difference")
        with gr.Column(scale=5, min_width=280):
            regions = region_list("compare_regions", VIEWERS)
    outputs = [told, *pictures, difference, regions]

    def outdated() -> dict[Any, Any]:
        return {told: "", **dict.fromkeys([*pictures, difference]), regions: ""}

    def on_compare(
        path: str | None,
        place: dict | None,
        name_a: str,
        cut_a: str,
        name_b: str,
        cut_b: str,
        in_view: InView,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> Iterator[dict[Any, Any]]:
        where = Place.chosen(place)
        empty = outdated()

        def still_in_view(shown: dict[Any, Any]) -> dict[Any, Any]:
            if in_view.is_elsewhere(path, where):
                raise ConfigError(MOVED_ON)
            return shown

        try:
            still_in_view({})  # it has waited for the network
            asked = [("A", name_a, read_threshold(cut_a)), ("B", name_b, read_threshold(cut_b))]
            if asked[0][1:] == asked[1][1:]:
                raise ConfigError(
                    "A and B are the same. Choose another checkpoint or threshold for one."
                )
            visitor = sign_in.visitor(profile, token)
            found = []
            for (side, name, cut), picture in zip(asked, pictures, strict=True):
                result = segment_file(
                    path,
                    name,
                    cut,
                    progress=_said(progress, f"{side}: {name}"),
                    visitor=visitor,
                    place=where,
                )
                found.append((side, name, result))
                shown = {picture: show_result(result)}
                yield still_in_view(empty | shown if side == "A" else shown)
            (_, _, a), (_, _, b) = found
            differs = compare_predictions(a, b)
            listed = differs.regions(SHOWN + 1)
            shown = {
                told: told_html(found, differs),
                difference: difference_map(a, differs),
                regions: regions_html("Differences, the largest first", listed, difference_words),
            }
            yield still_in_view(shown)
        except Exception as error:
            moved = in_view.is_elsewhere(path, where)
            yield (empty if moved else {}) | {told: alert(plain_sentence(error))}

    inputs = [*image, *(component for side in sides for component in side), in_view]
    run.click(on_compare, inputs, outputs, show_progress_on=told, **ONE_AT_A_TIME, **HIDDEN)
    return Panel(outdated)


def difference_map(a: Segmentation, differs: Disagreement) -> dict[str, Any]:
    """What the viewer shows: nothing is painted where they agree."""
    alt = f"{a.image.source}: where A and B differ"
    if len(differs.id2label) != 2:
        painted = np.where(differs.map, np.uint8(0), np.uint8(255))
        return show_map(a.image, painted, ["A and B differ"], COLORS[:1], alt)
    painted = np.where(differs.map, differs.second, np.uint8(255))  # 0: of class 1 in A alone
    name = differs.id2label[1]
    return show_map(a.image, painted, [f"{name} in A only", f"{name} in B only"], COLORS, alt)


def told_html(found: Sequence[tuple[str, str, Segmentation]], differs: Disagreement) -> str:
    """Both timings and areas, and how much they differ."""
    names = list(found[0][2].id2label.values())
    rows = [
        (
            side,
            name,
            "–" if result.threshold is None else f"{result.threshold:g}",
            f"{result.seconds:.2f} s",
            *(f"{100 * result.areas()[label]['share']:.2f} %" for label in names),
        )
        for side, name, result in found
    ]
    counts = [
        (label, *map(count, differs.confusion[key].tolist()))
        for key, label in differs.id2label.items()
    ]
    return (
        table(["", "Checkpoint", "Threshold", "Time", *names], rows, "Both predictions")
        + f'<p class="state" role="status">They differ in {100 * differs.share:.2f} % of the '
        f"pixels ({count(differs.pixels)} px).</p>"
        + table(["Pixels: A down, B across", *names], counts, "Pixels by class in A and in B")
        + note(
            "The views move together, and a click on a difference flies there in all. What is "
            "compared are the thresholds above, wherever a view's own slider stands."
        )
    )


def difference_words(region: Region) -> str:
    x, y, width, height = region.box
    return f"{region.truth} in A, {region.predicted} in B, at {x}, {y} ({width} × {height})"


def _said(progress: gr.Progress, what: str) -> Callable[[int, int], None]:
    return lambda done, total: progress((done, total), desc=what)
