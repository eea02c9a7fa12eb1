"""The image in view: which file it is of, and where in that file. Read again whenever a visitor
chooses another; nothing is segmented here."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from unet_hf.errors import UnsupportedLayoutError
from unet_hf.images.image_data import ImageData

from ..parts.component import HIDDEN
from ..parts.upload_guard import upload_guard
from ..server import limits
from ..server.in_view import InView
from ..server.predictions import Place, read_upload
from ..viewer.component import Camera, seen
from .file_list import Files, file_list, show_files
from .page_and_channel import ask_axes, offers_choice, place_chooser, show_place

Updates = dict[Any, Any]
UPLOAD = "upload"


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
        upload_guard(UPLOAD, anywhere=True)
        self.listed = file_list()

    def add_place(self) -> None:
        """Page, channel and axes."""
        self.place = place_chooser()

    @property
    def image(self) -> list[gr.components.Component]:
        """Inputs that say what is in view: a path, and what `where` makes arguments of."""
        return [self.source, self.place]

    @property
    def outputs(self) -> list[gr.components.Component]:
        return [self.source, self.files, self.shown, self.upload, self.listed, self.place]

    def replaced_by(self, path: str | None) -> Updates:
        """An image that is no upload; None: no image."""
        return {
            self.source: path,
            self.files: None,
            self.shown: None,
            self.listed: None,
            self.place: gr.update(value=None, visible="hidden"),
        }

    def connect(
        self,
        show: Callable[[InView, ImageData, Camera | None], Updates],
        say: Callable[[Exception], Updates],
        others: Sequence[gr.components.Component],
        progress_on: gr.components.Component,
    ) -> None:
        """Lets visitors choose.

        show: Gives what else changes with another image, `others`; it is opened at the camera.
        say: Tells what went wrong. progress_on: Shows that something is being read.
        """

        def open_file(in_view: InView, files: Files | None, before: Files | None = None) -> Updates:
            """A file from its first page; one that cannot be read leaves in view what was
            `before`."""
            earlier = in_view.picture
            in_view.choose(files and files.path)
            if files is None:
                return self.replaced_by(None)
            try:
                image = read_upload(files.path)
            except UnsupportedLayoutError as error:
                if "axes=" in str(error):
                    asked = {self.source: files.path, self.shown: None} | chosen(ask_axes())
                    return listed(files) | asked | say(error)
                fault = error
            except Exception as error:
                fault = error
            else:
                found = listed(files) | {self.source: files.path} | choices_of(image)
                return found | show(in_view, image, None)
            marked = files.marked_bad()
            if before is not None:
                in_view.picture = earlier
                return listed(marked.at(before.current)) | say(fault)
            in_view.choose(None)
            others = listed(marked) if len(files.paths) > 1 else {}
            return self.replaced_by(None) | others | say(fault)

        def listed(files: Files) -> Updates:
            return {self.files: files, self.listed: show_files(files)}

        def choices_of(image: ImageData) -> Updates:
            value = show_place(image)
            return {self.shown: value} | chosen(value)

        def chosen(value: dict[str, Any]) -> Updates:
            visible = True if offers_choice(value) else "hidden"
            return {self.place: gr.update(value=value, visible=visible)}

        def on_upload(paths: list[str] | None, in_view: InView) -> Updates:
            # The upload is emptied: what is dropped next takes the place of these.
            files = Files(tuple(paths)) if paths else None
            return {self.upload: None} | open_file(in_view, files)

        def on_select(files: Files | None, in_view: InView, event: gr.EventData) -> Updates:
            return open_file(in_view, files and files.at(int(event.index)), files)

        def on_delete(files: Files | None, in_view: InView, event: gr.EventData) -> Updates:
            index = int(event.index)
            if files is None or not 0 <= index < len(files.paths):
                return {self.files: files}
            left = files.without(index)
            if left is None or index == files.current:
                return open_file(in_view, left)
            return listed(left)

        def on_place(
            path: str, value: dict, before: dict | None, view: dict, in_view: InView
        ) -> Updates:
            same_axes = before is not None and value["axes"] == before["axes"]
            earlier, place = in_view.picture, Place.chosen(value)
            in_view.choose(path, place)
            try:
                image = read_upload(path, place)
            except Exception as error:
                if same_axes:
                    in_view.picture = earlier
                # What stays in view is what the sliders say; a typing error can be mended.
                return say(error) | (chosen(before) if same_axes else {})
            size = [image.width, image.height]
            stays = before is not None and before["size"] == size and not view.get("fitted")
            # Sliders that moved on meanwhile are left alone.
            changed = {self.shown: value} if same_axes else choices_of(image)
            return changed | show(in_view, image, view.get("camera") if stays else None)

        outputs = [*self.outputs, *others]
        known = {"show_progress_on": progress_on} | HIDDEN
        self.upload.upload(on_upload, [self.upload, self.in_view], outputs, **HIDDEN)
        self.listed.select(on_select, [self.files, self.in_view], outputs, **known)
        self.listed.delete(on_delete, [self.files, self.in_view], outputs, **known)
        self.place.input(
            on_place,
            [self.source, self.place, self.shown, self.camera, self.in_view],
            outputs,
            js=f"(path, value, before, _, in_view) => [path, value, before, {seen()}, in_view]",
            trigger_mode="always_last",
            **known,
        )
