"""The objects of the result in view: counted, measured, found again in the picture, taken home."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from unet_hf import Segmentation
from unet_hf.errors import ConfigError, TooManyObjectsError
from unet_hf.network.configuration import OBJECT_METHODS
from unet_hf.objects.objects import Objects
from unet_hf.predict.bundle import Reproduction, write_bundle

from ..parts.component import HIDDEN
from ..parts.downloads import Download, usable
from ..parts.html_parts import STYLE, alert, count
from ..parts.object_options import METHODS, read_min_size
from ..parts.panel import Panel
from ..server import limits
from ..server.errors_in_words import plain_sentence
from ..server.folders import ResultFolders
from ..server.in_view import InView
from ..server.queue import MEASURES
from ..server.result_files import file_stem, write_result
from ..server.result_store import GONE, GONE_OBJECTS, Handle, result_store
from ..viewer.drawn_as_seen import cut_as_seen, look_as_seen
from ..viewer.object_layer import object_layer
from .table import objects_table, say, show_objects

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
        method = gr.Radio(METHODS, value=OBJECT_METHODS[0], label="An object is", elem_id="method")
        min_size = gr.Textbox(
            "0", label="Smallest size, in pixels", max_lines=1, elem_id="min_size"
        )
        told = gr.HTML(visible="hidden", css_template=STYLE, elem_id="min_size_told")
        exclude_border = gr.Checkbox(False, label="Leave out what touches the border")
    options = [method, min_size, exclude_border]

    def on_new(
        handle: Handle | None,
        seen_now: dict,
        how: str,
        least: str,
        whole: bool,
        like: str,
        in_view: InView,
        version: int,
    ) -> Updates:
        """Another result is in view: it is counted as its checkpoint says, or as it was said of the
        last result of the same checkpoint."""
        if handle is None or in_view.version != version:
            return gr.skip()
        updates: Updates = {counted_like: in_view.segmented_with}
        try:
            result = result_store().get(handle)
            if like != in_view.segmented_with:
                how, least = result.object_recipe["method"], str(result.object_recipe["min_size"])
                updates |= {method: how, min_size: least}
            if recipe := in_view.counted_as:
                how, whole = recipe.method, recipe.exclude_border
                least = str(recipe.min_size)
                updates |= {method: how, min_size: least, exclude_border: whole}
        except ConfigError as error:
            return {table: say(plain_sentence(error))}
        # The viewer leaves the slider where it was for this checkpoint. Nobody knows whether it
        # showed this result already when it was asked how it is looked at.
        left = (seen_now or {}).get("thresholds", {}).get(in_view.title)
        cut = in_view.threshold if left is None or in_view.counted_as else left
        seen_now = (seen_now or {}) | {"threshold": cut}
        if is_large(result):
            return updates | {table: say(LARGE, ask=True)}
        return updates | counted(handle, seen_now, how, least, whole, in_view, version)

    def on_option(handle: Handle | None, old: Handle | None, *options: Any) -> Updates:
        """A field was left, changed or not."""
        seen_now, how, least, whole, in_view, version = options
        try:
            size = read_min_size(least)
            result = result_store().get(handle)
            before = result_store().get(old, GONE_OBJECTS)
        except ConfigError as error:
            return {told: gr.update(value=alert(str(error)), visible=True)}
        quiet = {told: gr.update(value="", visible="hidden")}
        if result is None or (before and _options(before[1]) == (how, size, whole)):
            return quiet
        if is_large(result):
            return quiet | outdated() | {table: say(LARGE, ask=True)}
        return quiet | counted(handle, seen_now, how, least, whole, in_view, version)

    def on_run(
        handle: Handle | None,
        seen_now: dict,
        how: str,
        least: str,
        whole: bool,
        in_view: InView,
        version: int,
    ) -> Updates:
        """A visitor asks for the objects."""
        if handle is None:
            # The viewer still shows a result that the server has deleted after its hour.
            return {table: say(GONE if in_view.segmented_with else NO_RESULT)}
        return counted(handle, seen_now, how, least, whole, in_view, version) or gr.skip()

    def counted(
        handle: Handle,
        seen_now: dict,
        how: str,
        least: str,
        whole: bool,
        in_view: InView,
        version: int,
    ) -> Updates:
        """Says nothing if another result has come into view meanwhile: that one is counted, too."""
        typed = seen_now.get("pixel_size")
        try:
            size = read_min_size(least)
        except ConfigError as error:
            return {told: gr.update(value=alert(str(error)), visible=True)}
        try:
            cut = cut_as_seen(result_store().get(handle), seen_now)
            objects = cut.objects(
                method=how,
                min_size=size,
                exclude_border=whole,
                pixel_size=tuple(typed) if typed else None,
                max_objects=limits.MAX_OBJECTS,
            )
            shown = show_objects(objects, cut.threshold, typed, object_layer(cut, objects))
        except Exception as error:
            sentence = TOO_MANY if isinstance(error, TooManyObjectsError) else plain_sentence(error)
            return outdated() | {table: say(sentence), downloads: usable(objects=False)}
        if in_view.version != version:
            return {}
        return {
            found: result_store().keep((cut, objects)),
            table: shown,
            downloads: usable(objects=True),
        }

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
        result, objects = value
        folder, look = folders.new(), look_as_seen(result, seen_now)
        if kind != "everything":
            return write_result(result, folder, look, [kind], objects)[kind]
        path = folder / f"{file_stem(result)}_everything.zip"
        write_bundle(result, path, Reproduction(in_view.segmented_with, look=look), objects)
        return str(path)

    def outdated() -> Updates:
        return {found: None, table: None}

    # The first result may be counted before the viewer is there.
    root = f"document.querySelector('#{main_viewer} .viewer')"
    seen_now = f"JSON.parse({root}?.dataset.seen ?? '{{}}')"
    outputs = [found, table, told, downloads]
    _, version_shown = in_view
    version_shown.change(
        on_new,
        [current, look, *options, counted_like, *in_view],
        [*outputs, counted_like, *options],
        js=f"(first, _, ...others) => [first, {seen_now}, ...others]",
        trigger_mode="always_last",
        show_progress_on=table,
        **MEASURES,
        **HIDDEN,
    )
    table.submit(
        on_run,
        [current, look, *options, *in_view],
        outputs,
        js=f"(first, _, ...others) => [first, {seen_now}, ...others]",
        show_progress_on=table,
        **MEASURES,
        **HIDDEN,
    )
    gr.on(
        [method.input, exclude_border.input, min_size.submit, min_size.blur],
        on_option,
        [current, found, look, *options, *in_view],
        outputs,
        js=f"(first, found, _, ...others) => [first, found, {seen_now}, ...others]",
        trigger_mode="always_last",
        show_progress_on=table,
        **MEASURES,
        **HIDDEN,
    )
    return Panel(outdated, found, write)


def is_large(result: Segmentation) -> bool:
    """Whether its objects are counted only when somebody asks."""
    return result.mask.size > limits.COUNTED_AT_ONCE


def _options(objects: Objects) -> tuple[str, int, bool]:
    return objects.method, objects.min_size, objects.exclude_border
