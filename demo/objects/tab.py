"""The objects of the result in view: counted, measured, found again in the picture, taken home."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from unet_hf.errors import ConfigError
from unet_hf.network.configuration import OBJECT_METHODS
from unet_hf.predict.bundle import Reproduction, write_bundle

from ..parts.component import HIDDEN
from ..parts.downloads import Download, usable
from ..parts.html_parts import STYLE, alert
from ..parts.panel import Panel
from ..server import limits
from ..server.errors_in_words import plain_sentence
from ..server.folders import ResultFolders
from ..server.in_view import MOVED_ON, InView
from ..server.queue import ONE_AT_A_TIME
from ..server.result_files import file_stem, write_result
from ..server.result_store import GONE, GONE_OBJECTS, Handle, result_store
from ..viewer.component import seen
from ..viewer.drawn_as_seen import cut_as_seen, look_as_seen
from .table import objects_table, show_objects

TABLE = "objects"
NO_RESULT = "There is no result yet. Segment an image first."
DOWNLOADS = (
    Download("objects", "Objects (CSV)", "objects"),
    Download("everything", "Everything (zip)", "objects"),
    Download("instances", "Instances (TIFF)", "objects", more=True),
    Download("outlines", "Outlines (GeoJSON)", "objects", more=True),
    Download("rois", "Outlines (ImageJ)", "objects", more=True),
)
HIGHLIGHT = (
    "(id) => { document.querySelector('#%s .objects')"
    "?.dispatchEvent(new CustomEvent('objects:highlight', { detail: id || null })); }"
)


def objects_view(
    current: gr.State,
    in_view: Sequence[gr.components.Component],
    picture: gr.HTML,
    main_viewer: str,
    folders: ResultFolders,
    downloads: gr.HTML,
) -> Panel:
    """Adds the view to the page that is being built.

    Args:
        current: Holds the handle of the result in view, see `result_store`.
        in_view: The session's `InView`, and the version of it that the browser shows.
        picture: The viewer that shows it, `main_viewer` its `elem_id`.
        folders: Where files go.
        downloads: The menu that offers `DOWNLOADS`.
    """
    found = gr.State(None, time_to_live=limits.KEEP_SECONDS)
    view = gr.JSON(visible="hidden")  # how it was looked at when a button was clicked
    clicked = gr.Number(visible="hidden")
    with gr.Row(equal_height=True):
        method = gr.Radio(
            [("What hangs together", "components"), ("Part what touches", "watershed")],
            value=OBJECT_METHODS[0],
            label="An object is",
            info=f"up to {limits.MAX_OBJECTS:,} are measured at a time",
            min_width=240,
        )
        min_size = gr.Number(
            0, label="Smallest size", info="pixels", precision=0, minimum=0, min_width=110
        )
        pixel_size = gr.Textbox(
            "", label="Pixel size", info="such as 0.25 um; empty: the file's", min_width=150
        )
        exclude_border = gr.Checkbox(
            False, label="Leave out what touches the border", min_width=240
        )
    run = gr.Button("Count and measure", variant="primary", elem_id="objects_run")
    told = gr.HTML(visible="hidden", css_template=STYLE, elem_id="objects_told")
    table = objects_table(TABLE, main_viewer)

    def on_run(
        handle: Handle | None,
        seen_now: dict,
        how: str,
        least: float,
        size: str,
        whole: bool,
        in_view: InView,
        version: int,
    ) -> dict[Any, Any]:
        """Lists nothing if another picture or result has come into view meanwhile, and says so."""
        late = {told: gr.update(value=alert(MOVED_ON), visible=True)}
        try:
            result = result_store().get(handle)
            if result is None:
                # The viewer still shows one that the server has deleted after its hour.
                raise ConfigError(GONE if in_view.segmented_with else NO_RESULT)
            if in_view.version != version:  # it has waited for the network
                return late
            cut = cut_as_seen(result, seen_now)
            objects = cut.objects(
                method=how,
                min_size=int(least or 0),
                exclude_border=whole,
                pixel_size=size.strip() or None,
                max_objects=limits.MAX_OBJECTS,
            )
        except Exception as error:
            sentence = alert(plain_sentence(error))
            return {
                downloads: usable(objects=False),
                found: None,
                table: None,
                told: gr.update(value=sentence, visible=True),
            }
        if in_view.version != version:
            return late
        return {
            downloads: usable(objects=True),
            found: result_store().keep((cut, objects)),
            table: show_objects(objects),
            told: gr.update(value="", visible="hidden"),
        }

    def on_pick(handle: Handle | None, event: gr.EventData) -> int:
        """The object under a click in the viewer; 0 for none."""
        try:
            value = result_store().get(handle)
        except ConfigError:  # is told to who wants to have something of them
            return 0
        if value is None:
            return 0
        labels, x, y = value[1].labels, int(event.x), int(event.y)
        inside = 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1]
        return int(labels[y, x]) if inside else 0

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

    look = f"(first, _, ...others) => [first, {seen(main_viewer)}, ...others]"
    run.click(
        on_run,
        [current, view, method, min_size, pixel_size, exclude_border, *in_view],
        [found, table, told, downloads],
        js=look,
        **ONE_AT_A_TIME,
        **HIDDEN,
    )

    picked = picture.select(on_pick, found, clicked, show_progress="hidden", **HIDDEN)
    picked.success(None, clicked, None, js=HIGHLIGHT % TABLE, **HIDDEN)
    return Panel(lambda: {found: None, table: None}, found, write)
