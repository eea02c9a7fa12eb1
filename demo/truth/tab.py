"""The result in view against the truth: scores, what is right, missed and false, and where."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
import numpy as np

from unet_hf import Segmentation
from unet_hf.errors import ConfigError
from unet_hf.evaluation.comparison import OUTCOMES, Region, Score, score_mask

from ..parts.component import HIDDEN
from ..parts.html_parts import STYLE, alert, note, table
from ..parts.panel import Panel
from ..parts.region_list import SHOWN, region_list, regions_html
from ..parts.upload_guard import upload_guard
from ..server import limits
from ..server.errors_in_words import plain_sentence
from ..server.in_view import InView
from ..server.queue import ONE_AT_A_TIME
from ..server.result_store import GONE, Handle, result_store
from ..viewer.component import show_map, viewer
from .label_image import read_truth

VIEWER = "truth_viewer"
# Of Okabe and Ito's palette, in the order of OUTCOMES[1:]: told apart with any colour vision.
COLORS = ["#009e73", "#d55e00", "#56b4e9", "#9a9a9a"]
EMPTY = "Segment an image first, then drop its mask here."


def truth_tab(
    current: gr.State,
    result_of: Callable[[Any], Segmentation | None] = lambda value: value,
    in_view: Sequence[gr.components.Component] = (),
    main_viewer: str | None = None,
) -> Panel:
    """Adds the view to the page that is being built.

    Args:
        current: Holds the result in view, or what `result_of` finds it by; that may raise a
            `UNetError`, whose sentence is shown.
        in_view: The session's `InView`, and the version of it that the browser shows; none: what
            `current` holds stays the same while it is scored.
        main_viewer: The `elem_id` of the viewer in which a visitor moves the threshold; None:
            there is no such viewer, and the result's own threshold counts.
    """
    scored = gr.State(None, time_to_live=limits.KEEP_SECONDS)
    # The page's viewer writes it, see `look` below.
    cut = gr.JSON(None, visible="hidden", label="Threshold in view")
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=280):
            upload = gr.File(label="Mask that is known to be right", height=128, elem_id="truth")
            upload_guard("truth")
            gr.HTML(
                note(
                    "Class ids, palette PNG, black and white for two classes, or the classes' own "
                    "colours; as large as the image."
                ),
                css_template=STYLE,
            )
            # A result that is new, or cut elsewhere, is scored again by this button.
            again = gr.Button("Score again", interactive=False, elem_id="truth_again")
            scores = gr.HTML(css_template=STYLE, elem_id="truth_scores")
        with gr.Column(scale=8, min_width=280):
            shown_class = gr.Radio(
                [], label="Class", visible="hidden", elem_id="truth_class", interactive=True
            )
            picture = viewer(VIEWER, label="Right and wrong")
            errors = region_list("truth_errors", [VIEWER])
    outputs = [scored, again, scores, shown_class, picture, errors]

    def outdated() -> dict[Any, Any]:
        """The mask stays: the next result may be scored against it."""
        return {
            scored: None,
            scores: "",
            shown_class: gr.update(visible="hidden"),
            picture: None,
            errors: "",
        }

    def on_truth(
        value: Any,
        path: str | None,
        threshold: float | None,
        view: InView | None = None,
        version: int = 0,
    ) -> dict[Any, Any]:
        empty = outdated() | {again: gr.update(interactive=path is not None)}
        if not path:
            return empty
        try:
            result = result_of(value)
            if result is None:
                gone = view is not None and view.segmented_with
                return empty | {scores: alert(GONE if gone else EMPTY)}
            if view is not None:
                view.check(version)  # it has waited for the network
            if threshold is not None and result.threshold not in (None, threshold):
                result = result.with_threshold(threshold)
            truth, rule = read_truth(path, result)
            found = score_mask(result, truth)
            class_id = max(found.id2label) if len(found.id2label) == 2 else 0
            regions = found.errors(SHOWN + 1)
            painted = outcome_map(result, found, class_id)
            if view is not None:
                view.check(version)
        except Exception as error:
            return empty | {scores: alert(plain_sentence(error))}
        choices = [(name, key) for key, name in found.id2label.items()]
        return {
            scored: result_store().keep((result, found)),
            again: gr.update(interactive=True),
            scores: scores_html(found, rule, result.threshold),
            shown_class: gr.update(choices=choices, value=class_id, visible=True),
            picture: painted,
            errors: regions_html("Errors, the largest first", regions, error_words),
        }

    def on_class(handle: Handle | None, class_id: int) -> dict[Any, Any]:
        try:
            value = result_store().get(handle)
        except ConfigError as error:
            return {picture: None, scores: alert(str(error))}
        return {picture: outcome_map(*value, class_id) if value else None}

    inputs = [current, upload, cut, *in_view]
    options = {"js": look(main_viewer) if main_viewer else None, **ONE_AT_A_TIME, **HIDDEN}
    upload.change(on_truth, inputs, outputs, **options)
    again.click(on_truth, inputs, outputs, **options)
    shown_class.input(on_class, [scored, shown_class], [picture, scores], **ONE_AT_A_TIME, **HIDDEN)
    return Panel(outdated)


def look(main_viewer: str) -> str:
    """JavaScript for an event's `js=`: the threshold in view as the last input, null for none."""
    return (
        "(current, file, _, ...others) => { "
        f"const root = document.querySelector('#{main_viewer} .viewer'); "
        "const seen = root?.dataset.seen; "  # there is none before the first drawing
        "return [current, file, seen ? JSON.parse(seen).threshold : null, ...others]; }"
    )


def outcome_map(result: Segmentation, found: Score, class_id: int) -> dict[str, Any]:
    """What the viewer shows of one class: nothing is painted where neither mask has it."""
    name = found.id2label[class_id]
    painted = found.outcome(class_id) - np.uint8(1)  # "elsewhere" becomes 255, which has no name
    return show_map(
        result.image,
        painted,
        [f"{name}, {outcome}" if outcome != OUTCOMES[4] else outcome for outcome in OUTCOMES[1:]],
        COLORS,
        f"{result.image.source}: where {name} is correct, missed and false",
    )


def scores_html(found: Score, rule: str, threshold: float | None) -> str:
    rows = [
        (name, number(found.iou[name]), number(found.dice[name]))
        for name in found.id2label.values()
    ]
    whole = [("Pixel accuracy", found.pixel_accuracy), ("Mean IoU", found.mean_iou)]
    if found.v_rand is not None:
        whole += [("V_rand, thinned", found.v_rand), ("V_info, thinned", found.v_info)]
    at = f" Scored at the threshold {threshold:g}." if threshold is not None else ""
    return (
        table(["Class", "IoU", "Dice"], rows, "Scores of each class")
        + table(["Whole image", ""], [(n, number(v)) for n, v in whole], "Scores of the image")
        + note(f"The mask: {rule}.{at}")
    )


def error_words(region: Region) -> str:
    """ "missed: cell, found as background, at 12, 40"."""
    x, y, width, height = region.box
    return (
        f"{region.kind}: {region.truth}, found as {region.predicted}, at {x}, {y} "
        f"({width} × {height})"
    )


def number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
