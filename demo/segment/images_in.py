"""The image in view: which file it is of, and where in that file. Read again whenever a visitor
chooses another; nothing is segmented here."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from unet_hf.errors import ConfigError, UnsupportedLayoutError
from unet_hf.images.image_data import ImageData

from ..parts.component import HIDDEN
from ..parts.uploads.upload_guard import upload_guard
from ..server import limits
from ..server.in_view import InView
from ..server.predictions import Place, read_upload
from ..viewer.component import Camera, seen
from .file_list import NOT_IN_VIEW, Files, file_list, show_files
from .film_note import film_note, frames_in
from .page_and_channel import ask_axes, offers_choice, place_chooser, show_place

Updates = dict[Any, Any]
UPLOAD = "upload"
ARCHIVE = (
    "An archive has many images. The link below the list of files takes them all to Many images."
)


class ImagesIn:
    """The components, each added to the page where it is to stand; `connect` comes last."""

    def __init__(self) -> None:
        self.source = gr.State(None, time_to_live=limits.KEEP_SECONDS)  # the file's path
        self.files = gr.State(None, time_to_live=limits.KEEP_SECONDS)
        # The value of `place` that is in view.
        self.shown = gr.State(None, time_to_live=limits.KEEP_SECONDS)
        self.camera = gr.JSON(visible="hidden")
        # No time to live: it is a few bytes, and must not begin again while a visitor is here.
        self.in_view = gr.State(InView())

    def add_upload(self) -> None:
        """The way in, and the list of what came."""
        self.upload = gr.File(
            label="Image files",
            show_label=False,
            file_count="multiple",
            elem_id=UPLOAD,
            height=112,
        )
        upload_guard(UPLOAD, anywhere=True, empties=True)
        self.listed = file_list()

    def add_place(self) -> None:
        """Page, channel and axes."""
        self.place = place_chooser()

    def add_film_note(self) -> None:
        self.film = film_note()

    @property
    def image(self) -> list[gr.components.Component]:
        """Inputs that say what is in view: a path, and what `where` makes arguments of."""
        return [self.source, self.place]

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [
            self.source, self.files, self.shown, self.upload, self.listed, self.place, self.film,
        ]  # fmt: skip

    def replaced_by(self, path: str | None) -> Updates:
        """An image that is no upload; None: no image."""
        return {
            self.source: path,
            self.files: None,
            self.shown: None,
            self.listed: None,
            self.place: gr.update(value=None, visible="hidden"),
            self.film: None,
        }

    def brought(self, files: Files, image: ImageData) -> Updates:
        """Files that were not dropped here; that in view was read at some page."""
        path, value = files.path, show_place(image)
        return {
            self.source: path,
            self.files: files,
            self.shown: value,
            self.listed: show_files(files),
            self.place: gr.update(value=value, visible=True if offers_choice(value) else "hidden"),
            self.film: frames_in(image),
        }

    def connect(
        self,
        show: Callable[[InView, ImageData, Camera | None], Updates],
        show_nothing: Callable[[InView], Updates],
        say: Callable[[Exception], Updates],
        reading: Callable[[str], Updates],
        others: Sequence[gr.components.Component],
    ) -> list[gr.events.Dependency]:
        """Lets visitors choose. Returns the events after which another image may be in view.

        show: Gives what else changes with another image, `others`; it is opened at the camera.
        show_nothing: The same where there is no image any more.
        say: Tells what went wrong. reading: Tells that a file of this name is being read.
        """

        def opened(in_view: InView, files: Files, before: Files | None) -> Updates:
            """The chosen file from its first page, or the next that can be read. What cannot be
            read is marked in the list; if that is all of them, what was in view `before` stays."""
            fault, others = None, range(len(files.paths))
            for index in [files.current, *(others if before is None else ())]:
                files = files.at(index)
                if index in files.bad:
                    continue
                try:
                    return showing(in_view, files) | (say(fault) if fault else {})
                except Exception as error:
                    files, fault = files.marked_bad(), fault or error
            stays = {} if before is None else listed(files.at(before.current))
            return stays | (say(fault) if fault else {})

        def showing(in_view: InView, files: Files) -> Updates:
            """Raises whatever says that the file cannot be read."""
            try:
                image = read_upload(files.path)
            except UnsupportedLayoutError as error:
                if "axes=" not in str(error):
                    raise
                in_view.choose(None)
                asked = {self.source: files.path, self.shown: None, self.film: None}
                asked |= chosen(ask_axes())
                return show_nothing(in_view) | listed(files) | asked | say(error)
            in_view.choose(files.path)
            found = listed(files) | {self.source: files.path} | choices_of(image)
            found |= show(in_view, image, None)
            return found if in_view.is_at(files.path) else {}

        def nothing(in_view: InView) -> Updates:
            in_view.choose(None)
            return self.replaced_by(None) | show_nothing(in_view)

        def listed(files: Files) -> Updates:
            return {self.files: files, self.listed: show_files(files)}

        def choices_of(image: ImageData) -> Updates:
            value = show_place(image)
            return {self.shown: value, self.film: frames_in(image)} | chosen(value)

        def chosen(value: dict[str, Any]) -> Updates:
            visible = True if offers_choice(value) else "hidden"
            return {self.place: gr.update(value=value, visible=visible)}

        def on_upload(paths: list[str] | None, in_view: InView) -> Iterator[Updates]:
            # The upload is emptied: what is dropped next takes the place of these.
            emptied: Updates = {self.upload: None}
            if not paths:
                yield emptied
                return
            files = Files(tuple(paths))
            if files.archives:
                # What was in view stays; it is not of these files.
                waiting = replace(files, current=NOT_IN_VIEW)
                yield emptied | listed(waiting) | say(ConfigError(ARCHIVE))
                return
            yield emptied | reading(Path(files.path).name)
            yield reading("") | opened(in_view, files, None)

        def on_select(
            files: Files | None, in_view: InView, event: gr.EventData
        ) -> Iterator[Updates]:
            if files is None:
                yield gr.skip()
                return
            wanted = files.at(int(event.index))
            if wanted.path in files.archives:
                yield say(ConfigError(ARCHIVE))
                return
            yield reading(Path(wanted.path).name)
            yield reading("") | opened(in_view, wanted, files)

        def on_delete(files: Files | None, in_view: InView, event: gr.EventData) -> Updates:
            index = int(event.index)
            if files is None or not 0 <= index < len(files.paths):
                return {self.files: files}
            left = files.without(index)
            if left is None and files.current == NOT_IN_VIEW:
                return {self.files: None, self.listed: None}
            if left is None:
                return nothing(in_view)
            if index != files.current:
                return listed(left)
            return nothing(in_view) | listed(left) | opened(in_view, left, None)

        def on_place(
            path: str, value: dict, before: dict | None, view: dict, in_view: InView
        ) -> Updates:
            same_axes = before is not None and value["axes"] == before["axes"]
            place = Place.chosen(value)
            try:
                image = read_upload(path, place)
            except Exception as error:
                # What stays in view is what the sliders say; a typing error can be mended.
                return say(error) | (chosen(before) if same_axes else {})
            in_view.choose(path, place)
            size = [image.width, image.height]
            stays = before is not None and before["size"] == size and not view.get("fitted")
            # Sliders that moved on meanwhile are left alone.
            changed = {self.shown: value} if same_axes else choices_of(image)
            changed |= show(in_view, image, view.get("camera") if stays else None)
            return changed if in_view.is_at(path, place) else {}

        outputs = [*self.outputs, *others]
        # Each counts, also while an earlier one is at work.
        each = {"trigger_mode": "multiple", "show_progress": "hidden"} | HIDDEN
        files = [self.files, self.in_view]
        return [
            self.upload.upload(on_upload, [self.upload, self.in_view], outputs, **each),
            self.listed.select(on_select, files, outputs, **each),
            self.listed.delete(on_delete, files, outputs, **each),
            self.place.input(
                on_place,
                [self.source, self.place, self.shown, self.camera, self.in_view],
                outputs,
                js=f"(path, value, before, _, in_view) => [path, value, before, {seen()}, in_view]",
                **(each | {"trigger_mode": "always_last"}),
            ),
        ]
