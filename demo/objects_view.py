"""The objects of the result in view: counted, measured, found again in the picture, taken home."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from unet_hf.errors import ConfigError
from unet_hf.objects.instances import METHODS
from unet_hf.predict.bundle import Recipe, write_bundle

from . import actions
from .as_seen import cut_as_seen, look_as_seen
from .device import CAPACITY
from .downloads import connect, download_buttons
from .kept import GONE_OBJECTS, Handle, kept
from .objects_table import objects_table, show_objects
from .tab_style import STYLE, alert
from .viewer import seen

HIDDEN = {"api_visibility": "private"}
TABLE = "objects"
DOWNLOADS = {
    "objects": "Table (CSV)",
    "instances": "Instances (TIFF)",
    "outlines": "Outlines (GeoJSON)",
    "rois": "Outlines (ImageJ)",
    "everything": "Everything (zip)",
}
# A row flies to its object in the viewer; no request is sent.
FLY = """
document.querySelector("#%s").addEventListener("objects:select", (event) => {
  const viewer = document.querySelector("#%s .viewer");
  viewer?.dispatchEvent(new CustomEvent("viewer:fly", { detail: event.detail.box }));
});
"""
HIGHLIGHT = (
    "(id) => { document.querySelector('#%s .objects')"
    "?.dispatchEvent(new CustomEvent('objects:highlight', { detail: id || null })); }"
)


def objects_view(
    current: gr.State,
    picture: gr.HTML,
    main_viewer: str,
    model: gr.components.Component,
    folders: actions.ResultFolders,
) -> Callable[[], dict[Any, Any]]:
    """Adds the view to the page that is being built.

    Returns a function that gives the updates which empty it: another picture has other objects.

    Args:
        current: Holds the handle of the result in view, see `kept`. picture: The viewer that
            shows it, `main_viewer` its `elem_id`.
        model: Holds the checkpoint's name. folders: Where files go.
    """
    found = gr.State(None, time_to_live=actions.KEEP_SECONDS)
    view = gr.JSON(visible="hidden")  # how it was looked at when a button was clicked
    clicked = gr.Number(visible="hidden")
    with gr.Row(equal_height=True):
        method = gr.Radio(
            [("What hangs together", "components"), ("Part what touches", "watershed")],
            value=METHODS[0],
            label="An object is",
            info=f"up to {actions.MAX_OBJECTS:,} are measured at a time",
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
    table = objects_table(TABLE)
    buttons = download_buttons(DOWNLOADS)

    def on_run(
        handle: Handle | None, seen_now: dict, how: str, least: float, size: str, whole: bool
    ) -> dict[Any, Any]:
        try:
            result = kept().get(handle)
            if result is None:
                raise ConfigError("There is no result yet. Segment an image first.")
            cut = cut_as_seen(result, seen_now)
            objects = cut.objects(
                method=how,
                min_size=int(least or 0),
                exclude_border=whole,
                pixel_size=size.strip() or None,
                max_objects=actions.MAX_OBJECTS,
            )
        except Exception as error:
            sentence = alert(actions.plain_sentence(error))
            return usable(False) | {
                found: None,
                table: None,
                told: gr.update(value=sentence, visible=True),
            }
        return usable(True) | {
            found: kept().keep((cut, objects)),
            table: show_objects(objects),
            told: gr.update(value="", visible="hidden"),
        }

    def usable(yes: bool) -> dict[Any, Any]:
        return {button: gr.update(interactive=yes) for button in buttons.values()}

    def on_pick(handle: Handle | None, event: gr.EventData) -> int:
        """The object under a click in the viewer; 0 for none."""
        try:
            value = kept().get(handle)
        except ConfigError:  # is told to who wants to have something of them
            return 0
        if value is None:
            return 0
        labels, x, y = value[1].labels, int(event.x), int(event.y)
        inside = 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1]
        return int(labels[y, x]) if inside else 0

    def write(kind: str, handle: Handle | None, seen_now: dict, name: str) -> str:
        value = kept().get(handle, GONE_OBJECTS)
        if value is None:
            raise ConfigError(GONE_OBJECTS)
        result, objects = value
        folder, look = folders.new(), look_as_seen(result, seen_now)
        if kind != "everything":
            return actions.write_result(result, folder, look, [kind], objects)[kind]
        path = folder / f"{actions.file_stem(result)}_everything.zip"
        write_bundle(result, path, Recipe(name, look=look), objects)
        return str(path)

    look = f"(first, _, ...others) => [first, {seen(main_viewer)}, ...others]"
    run.click(
        on_run,
        [current, view, method, min_size, pixel_size, exclude_border],
        [found, table, told, *buttons.values()],
        js=look,
        **CAPACITY,
        **HIDDEN,
    )

    picked = picture.select(on_pick, found, clicked, show_progress="hidden", **HIDDEN)
    picked.success(None, clicked, None, js=HIGHLIGHT % TABLE, **HIDDEN)
    connect(buttons, write, [found, view, model], look, told)
    gr.HTML(js_on_load=FLY % (TABLE, main_viewer))
    return lambda: usable(False) | {found: None, table: None}
