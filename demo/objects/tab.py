"""The objects of the result in view: counted, measured, found again in the picture, taken home."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from unet_hf.errors import ConfigError, TooManyObjectsError
from unet_hf.predict.bundle import Reproduction, write_bundle

from ..parts.component import HIDDEN
from ..parts.downloads import Download, usable
from ..parts.html_parts import STYLE, alert, count
from ..parts.panel import Panel
from ..server import limits
from ..server.checkpoints.taught import is_taught
from ..server.errors_in_words import plain_sentence
from ..server.folders import ResultFolders
from ..server.in_view import InView
from ..server.recipe import HOW_TAKEN_HOME, at_home
from ..server.results.result_files import file_stem, write_result
from ..server.results.result_store import GONE, GONE_OBJECTS, Handle, result_store
from ..server.work.queue import MEASURES, PARTS
from ..viewer.drawn_as_seen import look_as_seen
from .counting import counting, read_counting, show_counting, with_seed
from .parting import (
    Counted,
    as_seen,
    count_objects,
    cut_in_view,
    is_large,
    layer_of,
    part_objects,
)
from .table import objects_table, say, show_objects, show_parted

TABLE = "objects"
NO_RESULT = "There is no result yet. Segment an image first."
DOWNLOADS = (
    Download("objects", "Objects (CSV)", "objects"),
    Download("everything", "Everything (zip)", "objects"),
    Download("instances", "Instances (TIFF)", "objects", more=True),
    Download("outlines", "Outlines (GeoJSON)", "objects", more=True),
    Download("rois", "Outlines (ImageJ)", "objects", more=True),
)
TOO_MANY = (
    f"More than {count(limits.MAX_OBJECTS)} objects, too many to measure here. Choose a larger "
    "smallest size, or another threshold."
)
LARGE = "This image is large: counting takes a while."
Updates = dict[Any, Any]


def objects_view(
    current: gr.State,
    in_view: Sequence[gr.components.Component],
    picture: gr.HTML,
    main_viewer: str,
    folders: ResultFolders,
    downloads: gr.HTML,
) -> Panel:
    """Adds the view to the page that is being built.

    A result that comes into view is counted at once, unless its image is large.

    Args:
        current: Holds the handle of the result in view, see `result_store`.
        in_view: The session's `InView`, and the version of it that the browser shows.
        picture: The viewer that shows it, `main_viewer` its `elem_id`.
        folders: Where files go.
        downloads: The menu that offers `DOWNLOADS`.
    """
    found = gr.State(None, time_to_live=limits.KEEP_SECONDS)
    # The checkpoint whose way of counting is in the fields, until a visitor changes it.
    counted_like = gr.State("", time_to_live=limits.KEEP_SECONDS)
    look = gr.JSON(visible="hidden")  # how the picture was looked at
    table = objects_table(TABLE, main_viewer)
    with gr.Accordion("How objects are counted", open=False, elem_id="objects_options"):
        fields = counting()
        told = gr.HTML(visible="hidden", css_template=STYLE, elem_id="min_size_told")

    def on_new(
        handle: Handle | None,
        seen_now: dict,
        options: dict,
        like: str,
        in_view: InView,
        version: int,
    ) -> Updates:
        """Another result is in view: it is counted as its checkpoint says, or as it was said of the
        last result of the same checkpoint."""
        if handle is None or in_view.version != version:
            return gr.skip()
        try:
            result = result_store().get(handle)
        except ConfigError as error:
            return {table: say(plain_sentence(error))}
        learned, whole = bool(result.object_channels), options.get("exclude_border") is True
        if recipe := in_view.counted_as:
            options = show_counting(recipe.as_json(), learned, recipe.exclude_border)
        elif like != in_view.segmented_with:
            options = show_counting(result.object_recipe, learned, whole)
        updates: Updates = {counted_like: in_view.segmented_with, fields: options}
        # The viewer leaves the slider where it was for this checkpoint. Nobody knows whether it
        # showed this result already when it was asked how it is looked at.
        left = (seen_now or {}).get("thresholds", {}).get(in_view.title)
        cut = in_view.threshold if left is None or in_view.counted_as else left
        seen_now = (seen_now or {}) | {"threshold": cut}
        if is_large(result):
            return updates | {table: say(LARGE, ask=True)}
        return updates | counted(handle, seen_now, options, in_view, version)

    def on_slide(
        handle: Handle | None, seen_now: dict, options: dict, in_view: InView, version: int
    ) -> Updates:
        """A slider is on its way: how many objects, and which, without measuring them."""
        asked, earlier = in_view.ask_for_objects(measured=False), painted(in_view)
        try:
            result = result_store().get(handle)
            if result is None or is_large(result):
                return gr.skip()
            how = read_counting(with_seed(options, result))
            parted = part_objects(cut_in_view(result, seen_now, earlier), how, earlier)
        except (ConfigError, TooManyObjectsError):
            return gr.skip()  # it is told when the slider rests
        if in_view.is_late(asked, version):
            return gr.skip()
        in_view.painted = result_store().keep(parted)
        threshold = parted.result.threshold
        return {table: show_parted(parted.counts(), threshold, layer_of(parted))}

    def on_option(
        handle: Handle | None, seen_now: dict, options: dict, in_view: InView, version: int
    ) -> Updates:
        """A slider was let go, or a field was left."""
        try:
            read_counting(options)
            result = result_store().get(handle)
        except ConfigError as error:
            return {told: gr.update(value=alert(str(error)), visible=True)}
        quiet = {told: gr.update(value="", visible="hidden")}
        if result is None:
            return quiet
        asked, options = options, with_seed(options, result)
        if options != asked:  # else the visitor may have gone on from what was asked
            quiet |= {fields: options}
        if is_large(result):
            return quiet | outdated() | {table: say(LARGE, ask=True)}
        return quiet | counted(handle, seen_now, options, in_view, version)

    def on_run(
        handle: Handle | None, seen_now: dict, options: dict, in_view: InView, version: int
    ) -> Updates:
        """A visitor asks for the objects."""
        if handle is None:
            # The viewer still shows a result that the server has deleted after its hour.
            return {table: say(GONE if in_view.segmented_with else NO_RESULT)}
        return counted(handle, seen_now, options, in_view, version) or gr.skip()

    def counted(
        handle: Handle, seen_now: dict, options: dict, in_view: InView, version: int
    ) -> Updates:
        """Says nothing if another result has come into view meanwhile, or others were asked for:
        those are counted, too."""
        typed, asked = seen_now.get("pixel_size"), in_view.ask_for_objects(measured=True)
        try:
            how = read_counting(options)
        except ConfigError as error:
            return {told: gr.update(value=alert(str(error)), visible=True)}
        try:
            result, earlier = result_store().get(handle), painted(in_view)
            fresh = count_objects(cut_in_view(result, seen_now, earlier), how, typed, earlier)
            threshold = fresh.result.threshold
            shown = show_objects(fresh.objects, threshold, typed, layer_of(fresh))
        except Exception as error:
            if in_view.is_late(asked, version):
                return {}
            sentence = TOO_MANY if isinstance(error, TooManyObjectsError) else plain_sentence(error)
            return outdated() | {table: say(sentence), downloads: usable(objects=False)}
        if in_view.is_late(asked, version):
            return {}
        in_view.painted = result_store().keep(fresh)
        return {found: in_view.painted, table: shown, downloads: usable(objects=True)}

    def write(
        kind: str,
        handle: Handle | None,
        seen_now: dict,
        in_view: InView,
        version: int,
    ) -> str:
        value = result_store().get(handle, GONE_OBJECTS)
        if value is None:
            raise ConfigError(GONE_OBJECTS)
        in_view.check(version)
        result, objects = as_seen(value, seen_now)
        folder, look = folders.new(), look_as_seen(result, seen_now)
        if kind != "everything":
            return write_result(result, folder, look, [kind], objects)[kind]
        path = folder / f"{file_stem(result)}_everything.zip"
        model = in_view.segmented_with
        note = HOW_TAKEN_HOME if is_taught(model) else ""
        write_bundle(result, path, Reproduction(at_home(model), look=look, note=note), objects)
        return str(path)

    def outdated() -> Updates:
        return {found: None, table: None}

    # The first result may be counted before the viewer is there.
    root = f"document.querySelector('#{main_viewer} .viewer')"
    seen_now = f"JSON.parse({root}?.dataset.seen ?? '{{}}')"
    outputs = [found, table, told, downloads]
    inputs = [current, look, fields]
    with_look = f"(first, _, ...others) => [first, {seen_now}, ...others]"
    each = {"js": with_look, "trigger_mode": "always_last"} | HIDDEN
    shown = {"show_progress_on": table} | each | MEASURES
    _, version_shown = in_view
    version_shown.change(
        on_new, [*inputs, counted_like, *in_view], [*outputs, counted_like, fields], **shown
    )
    table.submit(on_run, [*inputs, *in_view], outputs, **shown)
    fields.submit(on_option, [*inputs, *in_view], [*outputs, fields], **shown)
    # Nothing is laid over a table that follows a slider.
    gr.on(
        [fields.input, table.input],
        on_slide,
        [*inputs, *in_view],
        table,
        show_progress="hidden",
        **each,
        **PARTS,
    )
    return Panel(outdated, found, write)


def painted(in_view: InView) -> Counted | None:
    """The objects that the viewer was sent last; None if there are none, or none any more."""
    return None if in_view.painted is None else result_store().peek(in_view.painted)
