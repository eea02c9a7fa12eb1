"""The result in view against ground truth: scores, what is right, missed and false, and where."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
import numpy as np

from unet_hf import Segmentation
from unet_hf.errors import ConfigError
from unet_hf.evaluation.comparison import OUTCOMES, Region, Score, score_mask

from ..parts.component import HIDDEN
from ..parts.html_parts import STYLE, alert, count, note, table
from ..parts.object_options import method_words
from ..parts.panel import Panel
from ..parts.region_list import SHOWN, region_list, regions_html
from ..parts.stale_note import computed_at, stale_note
from ..parts.uploads.upload_guard import upload_guard
from ..server import limits
from ..server.errors_in_words import plain_sentence
from ..server.in_view import InView
from ..server.results.result_store import GONE, Handle, result_store
from ..server.work.queue import MEASURES
from ..viewer.component import show_map, viewer
from .label_image import Truth, read_truth
from .object_outcomes import ObjectOutcomes, outcomes_html, show_outcomes

VIEWER = "truth_viewer"
# Of Okabe and Ito's palette, in the order of OUTCOMES[1:]: told apart with any colour vision.
COLORS = ["#009e73", "#d55e00", "#56b4e9", "#9a9a9a"]
SCORES, ERRORS, OUTCOMES_LIST = "truth_scores", "truth_errors", "truth_objects"
OBJECTS = "objects"  # what is shown, beside ids of classes
DROP = (
    "Drop the mask of this image, as large as the image: classes (ids, palette, black and white, "
    "or the classes' colours) or one number for each object (Cellpose, StarDist, ImageJ)."
)
READ_AS_CHOICES = [("Automatic", "auto"), ("Classes", "classes"), ("Objects", "objects")]
EMPTY = "Segment an image first, then drop its mask here."
Updates = dict[Any, Any]


def truth_tab(
    current: gr.State,
    result_of: Callable[[Any], Segmentation | None] = lambda value: value,
    in_view: Sequence[gr.components.Component] = (),
    main_viewer: str | None = None,
    counted: gr.State | None = None,
) -> Panel:
    """Adds the view to the page that is being built.

    Another result of the same image is scored at once; with another image the mask is dropped.

    Args:
        current: Holds the result in view, or what `result_of` finds it by; that may raise a
            `UNetError`, whose sentence is shown.
        in_view: The session's `InView`, and the version of it that the browser shows; none: what
            `current` holds stays the same while it is scored.
        main_viewer: The `elem_id` of the viewer in which a visitor moves the threshold; None:
            there is no such viewer, and the result's own threshold counts.
        counted: Holds the handle of a result and its objects, see `objects_view`; None: they are
            counted here.
    """
    scored = gr.State(None, time_to_live=limits.KEEP_SECONDS)
    # Of which picture the mask is, as `InView` has it.
    mask_of = gr.State(None, time_to_live=limits.KEEP_SECONDS)
    counted = counted or gr.State(None, time_to_live=limits.KEEP_SECONDS)
    # The page's viewer writes it, see `look` below.
    cut = gr.JSON(None, visible="hidden", label="Threshold in view")
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=280):
            intro = gr.HTML(note(DROP), css_template=STYLE, elem_id="truth_intro")
            upload = gr.File(
                label="Ground truth mask", show_label=False, height=132, elem_id="truth"
            )
            upload_guard("truth")
            read_as = gr.Radio(
                READ_AS_CHOICES, value="auto", label="Read as", visible="hidden", elem_id="read_as"
            )
            greyed = [SCORES, VIEWER, OUTCOMES_LIST, ERRORS]
            stale = stale_note("truth_stale", main_viewer or "", "Scored", greyed)
            # A result that is cut elsewhere is scored again by this button.
            again = gr.Button("Score again", interactive=False, elem_id="truth_again")
            scores = gr.HTML(css_template=STYLE, elem_id=SCORES)
        with gr.Column(scale=8, min_width=280):
            shown_class = gr.Radio(
                [], label="Shown", visible="hidden", elem_id="truth_class", interactive=True
            )
            picture = viewer(VIEWER, label="Right and wrong")
            single = region_list(OUTCOMES_LIST, [VIEWER])
            errors = region_list(ERRORS, [VIEWER])
    outputs = [scored, again, read_as, stale, scores, shown_class, picture, single, errors]

    def outdated() -> Updates:
        """The mask stays: the next result may be scored against it."""
        return {
            scored: None,
            stale: None,
            scores: "",
            shown_class: gr.update(visible="hidden"),
            picture: None,
            single: "",
            errors: "",
        }

    def on_mask(
        value: Any,
        path: str | None,
        threshold: float | None,
        how: str,
        of: Handle | None,
        view: InView | None = None,
        version: int = 0,
    ) -> Updates:
        """Another mask; it is of the picture that is in view now."""
        picture_now = view.picture if view is not None else None
        found = on_truth(value, path, threshold, how, of, view, version)
        return {mask_of: picture_now, intro: note(DROP)} | found

    def on_view(
        value: Any,
        path: str | None,
        threshold: float | None,
        how: str,
        of: Handle | None,
        mask_of_now: Any,
        view: InView,
        version: int,
    ) -> Updates:
        """Another result, or another picture, is in view."""
        if not path:
            return gr.skip()
        if view.picture != mask_of_now:
            left = f"{Path(path).name} is of the image before. {DROP}"
            return outdated() | {
                upload: None,
                intro: note(left),
                read_as: gr.update(value="auto", visible="hidden"),
                again: gr.update(interactive=False),
            }
        return gr.skip() if value is None else on_truth(value, path, None, how, of, view, version)

    def on_truth(
        value: Any,
        path: str | None,
        threshold: float | None,
        how: str,
        of: Handle | None,
        view: InView | None = None,
        version: int = 0,
    ) -> Updates:
        there = path is not None
        empty = outdated() | {
            again: gr.update(interactive=there),
            read_as: gr.update(visible=True if there else "hidden"),
        }
        if not path:
            return empty
        try:
            result = result_of(value)
            if result is None:
                gone = view is not None and view.segmented_with
                return empty | {scores: alert(GONE if gone else EMPTY)}
            if view is not None:
                view.check(version)  # it has waited
            if threshold is not None and result.threshold not in (None, threshold):
                result = result.with_threshold(threshold)
            truth = read_truth(path, result, how)
            found = score_mask(result, truth.classes)
            held = Held(result, found, score_single(result, truth, of))
            shown = held.first_shown
            regions = found.errors(SHOWN + 1)
            painted = held.show(shown)
            listed = outcomes_html(held.single) if held.single else ""
            if view is not None:
                view.check(version)
        except Exception as error:
            return empty | {scores: alert(plain_sentence(error))}
        return empty | {
            scored: result_store().keep(held),
            stale: computed_at(result.threshold),
            scores: scores_html(found, truth.rule, result, held.single),
            shown_class: gr.update(choices=held.choices, value=shown, visible=True),
            picture: painted,
            single: listed,
            errors: regions_html("Errors, the largest first", regions, error_words),
        }

    def on_class(handle: Handle | None, shown: int | str) -> Updates:
        try:
            value = result_store().get(handle)
        except ConfigError as error:
            return {picture: None, scores: alert(str(error))}
        return {picture: value.show(shown) if value else None}

    inputs = [current, upload, cut, read_as, counted, *in_view]
    options = {"js": look(main_viewer) if main_viewer else None, **MEASURES, **HIDDEN}
    gr.on([upload.upload, upload.clear], on_mask, inputs, [*outputs, mask_of, intro], **options)
    gr.on([again.click, read_as.input], on_truth, inputs, outputs, **options)
    if in_view:
        of_view = [current, upload, cut, read_as, counted, mask_of, *in_view]
        in_view[1].change(
            on_view,
            of_view,
            [*outputs, upload, intro],
            trigger_mode="always_last",
            **MEASURES,
            **HIDDEN,
        )
    shown_class.input(on_class, [scored, shown_class], [picture, scores], **MEASURES, **HIDDEN)
    return Panel(outdated)


class Held(NamedTuple):
    """A result beside the truth. single: Its objects; None where the truth has none."""

    result: Segmentation
    score: Score
    single: ObjectOutcomes | None

    @property
    def choices(self) -> list[tuple[str, int | str]]:
        """What can be shown, in words and by value."""
        classes = [(name, key) for key, name in self.score.id2label.items()]
        return ([("Objects", OBJECTS)] if self.single else []) + classes

    @property
    def first_shown(self) -> int | str:
        ids = self.score.id2label
        return OBJECTS if self.single else max(ids) if len(ids) == 2 else 0

    def show(self, shown: int | str) -> dict[str, Any]:
        """What the viewer shows; `shown`: of `choices`."""
        if shown == OBJECTS:
            return show_outcomes(self.result, self.single)
        return outcome_map(self.result, self.score, shown)


def score_single(
    result: Segmentation, truth: Truth, counted: Handle | None
) -> ObjectOutcomes | None:
    """What became of single objects; None where the truth has none.

    counted: The handle of a result and its objects, which are taken if they are of this result;
    otherwise they are counted as the checkpoint says.
    """
    if truth.objects is None:
        return None
    try:
        kept = result_store().get(counted)
    except ConfigError:
        kept = None
    same = (
        kept
        and (kept[0].probabilities is result.probabilities)
        and (kept[0].threshold == result.threshold)
    )
    objects = kept[1] if same else result.objects(max_objects=limits.MAX_OBJECTS)
    return ObjectOutcomes.of(truth, objects)


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


def scores_html(
    found: Score,
    rule: str,
    result: Segmentation,
    single: ObjectOutcomes | None = None,
) -> str:
    rows = [
        (name, number(found.iou[name]), number(found.dice[name]))
        for name in found.id2label.values()
    ]
    whole = [("Pixel accuracy", found.pixel_accuracy), ("Mean IoU", found.mean_iou)]
    if found.v_rand is not None:
        what = "cells" if found.parted else "thinned"
        whole += [(f"V_rand, {what}", found.v_rand), (f"V_info, {what}", found.v_info)]
    at = f" Scored at the threshold {result.threshold:g}." if result.threshold is not None else ""
    if result.precision == "int8":
        at += " Scored as computed in int8; scores on cards are those of float32."
    return (
        note(f"The mask: {rule}.{at}")
        + (objects_html(single) if single else "")
        + table(["Pixels of", "IoU", "Dice"], rows, "Scores of each class")
        + table(["Whole image", ""], [(n, number(v)) for n, v in whole], "Scores of the image")
    )


def objects_html(single: ObjectOutcomes) -> str:
    """How good the objects are; what became of each is listed below the picture."""
    scores, objects = single.scores, single.objects
    least = f", {count(objects.min_size)} px or more" if objects.min_size else ""
    more = scores.proposed_count - scores.true_count
    rows = [
        ("AP@0.5", number(scores.ap50)),
        ("F1", number(scores.f1)),
        ("Precision", number(scores.precision)),
        ("Recall", number(scores.recall)),
        ("Counted", f"{count(scores.proposed_count)} of {count(scores.true_count)}"),
        ("Error of the count", f"{more:+d} ({100 * scores.count_error:.1f} %)"),
    ]
    return table(["Objects", ""], rows, "Scores of objects") + note(
        f"An object is matched if its IoU with a true one is above {scores.least_iou:g}. "
        f"Objects of the result: {method_words(objects.method, objects.seed)}{least}."
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
