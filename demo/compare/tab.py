"""Two checkpoints, or two thresholds, on one image: side by side, and where they differ."""

import base64
import html
import io
from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr
import numpy as np
import PIL.Image

from unet_hf import Segmentation, UNetError
from unet_hf.errors import ConfigError
from unet_hf.evaluation.comparison import Disagreement, Region, compare_predictions
from unet_hf.images.image_data import ImageData
from unet_hf.predict.overlay import to_display

from ..parts.component import HIDDEN
from ..parts.html_parts import STYLE, alert, count, note, table
from ..parts.option_boxes import read_threshold, threshold_box
from ..parts.panel import Panel
from ..parts.region_list import SHOWN, region_list, regions_html
from ..parts.sessions import session_of
from ..server import limits, sign_in
from ..server.checkpoints.model_facts import called, model_choices, title_of
from ..server.checkpoints.models import Visitor, load_model
from ..server.errors_in_words import page_sentence
from ..server.in_view import InView
from ..server.predictions import Place, read_upload, segment_file
from ..server.work.queue import PREDICTS
from ..server.work.runs import Run, sessions
from ..viewer.component import picture_name, show_map, show_result, viewer
from .sides import Asked, Side, around, check_sides, comparable

SUBJECT_STYLE = """
.subject { display: flex; align-items: center; gap: 14px; margin: 0; }
.subject img { max-width: 88px; max-height: 66px; border-radius: 6px; margin: 0; }
.subject figcaption { font-size: 15px; overflow-wrap: anywhere; }
"""
GROUP = "compare"  # these viewers move together
VIEWERS = ("compare_a", "compare_b", "compare_map")
COLORS = ["#d55e00", "#0072b2"]
MOVED_ON = "Another image has come into view meanwhile. Compare again on this one."
NO_IMAGE = "There is no image in view. Choose one under Segment, then compare here."
NOTHING_YET = "Choose two thresholds or two checkpoints, and see where they differ."
THUMBNAIL = 120  # pixels
WITH_CLOCK = "(...values) => [...values.slice(0, -1), performance.now()]"
Updates = dict[Any, Any]


def compare_tab(
    tab: gr.Tab,
    image: Sequence[gr.components.Component],
    in_view: gr.State,
    models: Sequence[str],
    chosen: str,
) -> Panel:
    """Adds the view to the page that is being built.

    Args:
        tab: What is opened to see it.
        image: Hold the path of the image in view, and where to look in it, see `Place.chosen`.
        in_view: The session's `InView`.
        models: Checkpoints to choose from. Others can be typed, or come from another tab.
        chosen: The one both sides begin with where no result is in view.
    """
    asked = gr.State(Asked(), time_to_live=limits.KEEP_SECONDS)
    # Whether a visitor has chosen what is compared: until then it is about the result in view.
    settled = gr.State(False, time_to_live=limits.KEEP_SECONDS)
    clock = gr.Number(visible=False)  # the page's, see `WITH_CLOCK`
    subject = gr.HTML(css_template=STYLE + SUBJECT_STYLE, elem_id="compare_image")
    sides = []
    with gr.Row():
        for side in "AB":
            with gr.Column(min_width=280), gr.Row():
                name = gr.Dropdown(
                    model_choices(models),
                    value=chosen,
                    label=f"Checkpoint {side}",
                    allow_custom_value=True,
                    min_width=240,
                    elem_id=f"compare_model_{side.lower()}",
                )
                cut = threshold_box(f"Threshold {side}", f"compare_threshold_{side.lower()}")
            sides += [name, cut]
    name_a, cut_a, name_b, cut_b = sides
    run = gr.Button("Compare", variant="primary", elem_id="compare_run")
    told = gr.HTML(note(NOTHING_YET), css_template=STYLE, elem_id="compare_told")
    # Out of sight as long as nothing is drawn in it, see page.css.
    with gr.Column(elem_id="compare_results"):
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

    def outdated() -> Updates:
        return {
            told: note(NOTHING_YET),
            **dict.fromkeys([*pictures, difference]),
            regions: "",
        }

    def on_open(
        path: str | None,
        place: dict | None,
        is_settled: bool,
        in_view: InView,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> Updates:
        """Names the image, and begins with the checkpoint of its result at two thresholds."""
        try:
            shown: Updates = {subject: subject_html(read_upload(path, Place.chosen(place)))}
        except UNetError as error:
            shown = {subject: note(NO_IMAGE) if not path else alert(page_sentence(error))}
        if is_settled:
            return shown
        name = in_view.segmented_with or in_view.model or chosen
        return shown | {name_a: name, name_b: name} | begin_with(name, profile, token)

    def on_model_a(
        name: str,
        other: str,
        asked: Asked,
        when: float,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> Updates:
        """B is offered what can be compared with A, and is A where it cannot be."""
        begun = begin_with(name, profile, token, other)
        asked.change(None, when)
        return outdated() | {settled: True} | begun

    def begin_with(
        name: str,
        profile: gr.OAuthProfile | None,
        token: gr.OAuthToken | None,
        other: str | None = None,
    ) -> Updates:
        try:
            model = load_model(name, sign_in.visitor(profile, token))
        except UNetError as error:
            return {told: alert(page_sentence(error))}
        choices = comparable(name, list(model.id2label.values()), models)
        low, high = around(model.threshold)
        kept = other if other in choices else name
        updates = {name_b: gr.update(choices=model_choices(choices), value=kept)}
        # Two checkpoints are compared each at its own threshold.
        return updates | ({cut_a: low, cut_b: high} if kept == name else {cut_a: "", cut_b: ""})

    def on_change(asked: Asked, *fields_and_when: Any) -> Updates:
        *fields, when = fields_and_when
        return (outdated() if asked.change(tuple(fields), when) else {}) | {settled: True}

    def on_left(asked: Asked, *fields_and_when: Any) -> Updates:
        """Of a field that was left: Gradio tells what is typed, but not what is pasted or cut."""
        *fields, _ = fields_and_when
        unknown = asked.compared is None or asked.fields == tuple(fields)
        return gr.skip() if unknown else on_change(asked, *fields_and_when)

    def on_compare(
        path: str | None,
        place: dict | None,
        name_a: str,
        cut_a: str,
        name_b: str,
        cut_b: str,
        in_view: InView,
        asked: Asked,
        when: float,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
        request: gr.Request | None = None,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> Iterator[Updates]:
        where = Place.chosen(place)
        fields = (name_a, cut_a, name_b, cut_b)
        asked.compare(fields, when)

        def still_in_view(shown: Updates) -> Updates:
            if in_view.is_elsewhere(path, where):
                raise ConfigError(MOVED_ON)
            asked.check(fields)
            return shown

        try:
            still_in_view({})  # it has waited
            visitor = sign_in.visitor(profile, token)
            a = Side("A", name_a, read_threshold(cut_a))
            b = Side("B", name_b, read_threshold(cut_b))
            check_sides(a, b, load_model(name_a, visitor), load_model(name_b, visitor))
            found: list[tuple[Side, Segmentation]] = []
            for side, picture in zip((a, b), pictures, strict=True):
                with sessions().run(session_of(request)) as run:
                    result = segmented_as(side, found, path, where, visitor, progress, run)
                found.append((side, result))
                by = f"{side.label} · {title_of(side.model)}"
                shown = {picture: show_result(result, by=by), told: ""}
                yield still_in_view(outdated() | shown if side is a else shown)
            differs = compare_predictions(found[0][1], found[1][1])
            listed = differs.regions(SHOWN + 1)
            shown = {
                told: told_html(found, differs),
                difference: difference_map(found[0][1], differs),
                regions: regions_html("Differences, the largest first", listed, difference_words),
            }
            yield still_in_view(shown)
        except Exception as error:
            yield outdated() | {told: alert(page_sentence(error))}

    opened = [subject, name_a, cut_a, name_b, cut_b, told]
    tab.select(on_open, [*image, settled, in_view], opened, show_progress="hidden", **HIDDEN)
    changed = [*outputs, settled]
    name_a.input(
        on_model_a,
        [name_a, name_b, asked, clock],
        [*changed, name_b, cut_a, cut_b],
        js=WITH_CLOCK,
        show_progress="hidden",
        **HIDDEN,
    )
    for events, listener in (
        ([name_b.input, cut_a.input, cut_b.input], on_change),
        ([cut_a.blur, cut_b.blur], on_left),
    ):
        gr.on(
            events,
            listener,
            [asked, *sides, clock],
            changed,
            js=WITH_CLOCK,
            queue=False,  # an event that is at work must hear of it
            show_progress="hidden",
            **HIDDEN,
        )
    inputs = [*image, *sides, in_view, asked, clock]
    run.click(
        on_compare, inputs, outputs, js=WITH_CLOCK, show_progress_on=told, **PREDICTS, **HIDDEN
    )
    return Panel(outdated)


def segmented_as(
    side: Side,
    found: Sequence[tuple[Side, Segmentation]],
    path: str | None,
    place: Place,
    visitor: Visitor | None,
    progress: gr.Progress,
    run: Run,
) -> Segmentation:
    """The result of one side; of a checkpoint that has been at work already, its other cut."""
    for other, result in found:
        if other.model == side.model and result.threshold is not None:
            own = load_model(side.model, visitor).threshold
            return result.with_threshold(own if side.threshold is None else side.threshold)

    def report(done: int, total: int) -> None:
        progress((done, total), desc=f"{side.label}: {called(side.model)}")

    return segment_file(path, side.model, side.threshold, place, report, visitor, run)


def subject_html(image: ImageData) -> str:
    """The image that is compared on, small, with its name."""
    drawn = PIL.Image.fromarray(to_display(image, None))
    drawn.thumbnail((THUMBNAIL, THUMBNAIL))
    png = io.BytesIO()
    drawn.save(png, "PNG")
    source = base64.b64encode(png.getvalue()).decode()
    name = html.escape(picture_name(image))
    return (
        f'<figure class="subject"><img src="data:image/png;base64,{source}" alt="">'
        f"<figcaption>On the image in view: <b>{name}</b></figcaption></figure>"
    )


def difference_map(a: Segmentation, differs: Disagreement) -> dict[str, Any]:
    """What the viewer shows: nothing is painted where they agree."""
    alt = f"{a.image.source}: where A and B differ"
    if len(differs.id2label) != 2:
        painted = np.where(differs.map, np.uint8(0), np.uint8(255))
        return show_map(a.image, painted, ["A and B differ"], COLORS[:1], alt)
    painted = np.where(differs.map, differs.second, np.uint8(255))  # 0: of class 1 in A alone
    name = differs.id2label[1]
    return show_map(a.image, painted, [f"{name} in A only", f"{name} in B only"], COLORS, alt)


def told_html(found: Sequence[tuple[Side, Segmentation]], differs: Disagreement) -> str:
    """Both timings and areas, and how much they differ."""
    names = list(found[0][1].id2label.values())
    rows = [
        (
            side.label,
            called(side.model),
            "–" if result.threshold is None else f"{result.threshold:g}",
            f"{result.seconds:.2f} s",
            *(f"{100 * result.areas()[label]['share']:.2f} %" for label in names),
        )
        for side, result in found
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
