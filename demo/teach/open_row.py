"""The button of the panel that opens strokes again, with the images they were painted on."""

import json
from pathlib import Path
from typing import Any

import gradio as gr

from unet_hf.errors import ImageError

from ..parts.component import HIDDEN
from ..parts.uploads.upload_guard import upload_guard
from ..segment.file_list import Files
from ..segment.tab import SegmentTab
from ..server.folders import ResultFolders
from ..server.in_view import InView
from ..server.predictions import FIRST, read_upload
from ..server.work.queue import PARTS, PREDICTS
from ..viewer.component import picture_key, tell
from .sitting import Sitting
from .strokes_file import StrokesFile, open_strokes
from .told import sentence, words

AREA = "teach_open"
NOT_HERE = (
    "The file holds strokes on {count} without the image. Open the same image, and its strokes are "
    "on it."
)
# Strokes go over as text: shown as JSON, each of their numbers would be an element of the page.
TO_VIEWER = f"(text) => {{ if (text) ({tell('viewer', 'strokes')})(JSON.parse(text)); }}"
Updates = dict[Any, Any]


class OpenRow:
    """Adds its components where it is made; `connect` comes last."""

    def __init__(self, folders: ResultFolders) -> None:
        self.folders = folders
        with gr.Column(elem_id=AREA):
            self.upload = gr.UploadButton(
                "Open strokes", file_types=[".zip", ".json"], size="sm", elem_id="teach_open_button"
            )
        upload_guard(AREA)
        self.text = gr.Textbox(visible="hidden", label="Opened strokes")
        self.told = gr.HTML(visible="hidden", elem_id="teach_opened")

    def connect(self, segment: SegmentTab, sitting: gr.State) -> None:
        self.segment = segment
        view = segment.images.in_view
        each = {"show_progress": "hidden"} | HIDDEN
        opened = self.upload.upload(
            self.on_open,
            [self.upload, sitting, segment.model, view],
            [self.upload, self.text, self.told, *segment.outputs],
            **each,
            **PARTS,
        )
        opened.success(None, self.text, None, js=TO_VIEWER, **each)
        opened.success(
            segment.on_segment, view, segment.outputs, trigger_mode="multiple", **each, **PREDICTS
        )

    def on_open(self, path: str, sitting: Sitting, model: str, in_view: InView) -> Updates:
        """The strokes go to the browser, the images to the list of files."""
        emptied: Updates = {self.upload: None}  # the same file may be opened once more
        try:
            opened = open_strokes(Path(path), self.folders.new() / "opened")
            absent = note_places(opened, sitting)
            shown = self._show(opened.images, model, in_view)
        except Exception as error:
            return emptied | {self.text: "", self.told: words(error)}
        many = f"{absent} image{'s' if absent > 1 else ''}"
        missing = NOT_HERE.format(count=many) if absent else ""
        text = json.dumps(opened.painted)
        return emptied | shown | {self.text: text, self.told: sentence(missing)}

    def _show(self, images: list[Path], model: str, in_view: InView) -> Updates:
        """The first image that can be read comes into view; what cannot is marked in the list."""
        if not images:
            return {}
        files, fault = Files(tuple(map(str, images))), None
        for index in range(len(images)):
            files = files.at(index)
            try:
                return self.segment.opened(in_view, files, FIRST, model)
            except ImageError as error:
                files, fault = files.marked_bad(), error
        raise fault


def note_places(opened: StrokesFile, sitting: Sitting) -> int:
    """Lets all images that came along be learned from; returns how many did not come along."""
    absent = set(opened.painted["pictures"])
    for path in opened.images:
        try:
            key = picture_key(read_upload(str(path)))
        except ImageError:  # the list of files says so
            continue
        if key in opened.painted["pictures"]:
            sitting.note_place(key, str(path), FIRST)
            absent.discard(key)
    return len(absent - sitting.places.keys())
