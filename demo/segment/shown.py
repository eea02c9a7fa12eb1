"""`Shown`: a picture and its result, which are in view, and all that changes with them."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from unet_hf import Segmentation
from unet_hf.errors import ConfigError
from unet_hf.images.image_data import ImageData
from unet_hf.predict.overlay import Look

from ..parts.downloads import Download, download_menu, usable
from ..parts.html_parts import alert
from ..parts.panel import Panel
from ..server import limits
from ..server.checkpoints.models import Visitor
from ..server.checkpoints.taught import is_taught
from ..server.errors_in_words import page_sentence
from ..server.folders import KeptFolders
from ..server.in_view import InView, Key
from ..server.predictions import FIRST, Place, segment_file
from ..server.results.result_files import write_overlay, write_result
from ..server.results.result_store import GONE, GONE_OBJECTS, Handle, result_store
from ..viewer.component import Camera, busy, idle, show_image, show_result, viewer
from ..viewer.drawn_as_seen import cut_as_seen, draw_as_seen
from ..viewer.payload import Payload
from .examples import Example, examples
from .facts import facts_of, facts_of_image
from .images_in import ImagesIn
from .share_link import link_to, no_link, share_button
from .unlike import UnlikeHint

DOWNLOADS = (
    Download("mask", "Mask (PNG)", "result"),
    Download("overlay", "Overlay (PNG)", "result"),
    Download("probabilities", "Probabilities (TIFF)", "result", more=True),
)
Updates = dict[Any, Any]


class Shown:
    """The middle of the tab *Segment*; `add_middle` adds it to the page that is being built.

    Its methods give updates; `SegmentTab` says when.
    """

    def __init__(self, folders: KeptFolders) -> None:
        """folders: Where files to take home are written."""
        self.folders = folders
        self.examples = examples()
        # Results of the examples, which every visitor sees: computed once, and never changed.
        self.example_results: dict[tuple[Example, str], Segmentation] = {}  # by precision
        self.images = ImagesIn()
        # What the result in view is kept by.
        self.current = gr.State(None, time_to_live=limits.KEEP_SECONDS)
        # Parts that show something of the result in view, and of the picture, whatever its result.
        self.of_result: Sequence[Panel] = ()
        self.of_picture: Sequence[Panel] = ()
        self.objects: Panel | None = None  # one of these, writes files

    def add_middle(self, more_files: Sequence[Download]) -> None:
        """more_files: What other parts offer for download, beside `DOWNLOADS`."""
        self.alert = gr.HTML(visible="hidden", elem_id="alert")
        self.unlike = UnlikeHint()
        self.images.add_place()
        self.picture = viewer(paints=True)
        self.images.add_film_note()
        self.under_picture = gr.Column(elem_id="under_picture")
        self.downloads = download_menu([*DOWNLOADS, *more_files], "downloads")
        with gr.Row(elem_id="told"):
            self.facts = gr.Markdown(elem_id="facts")
            # One click from a fast result to an exact one.
            self.exact = gr.Button(
                "Compute exactly", size="sm", min_width=110, visible="hidden", elem_id="exact"
            )
            self.share = share_button()
        # How the picture was looked at when a button was clicked.
        self.look = gr.JSON(visible="hidden")
        # What the browser shows, of `InView.version`: goes over with a click on a button.
        self.version = gr.Number(0, precision=0, visible="hidden")

    @property
    def in_view(self) -> list[gr.components.Component]:
        """Inputs: what the session knows of what is in view, and what the browser shows."""
        return [self.images.in_view, self.version]

    def outdated(self, another_picture: bool) -> Updates:
        """What other parts of the page show is of an earlier view from now on."""
        parts = [*self.of_result, *(self.of_picture if another_picture else ())]
        updates: Updates = {}
        for part in parts:
            updates |= part.outdated()
        return updates

    def show(self, in_view: InView, image: ImageData, camera: Camera | None) -> Updates:
        """Another picture: with its result if there is one already, else bare until then."""
        outdated = self.outdated(another_picture=True)
        in_view.opened_at = camera
        if (kept := self.kept(in_view)) is not None:
            drawn = show_result(kept, camera=camera, by=in_view.title)
            return outdated | self.show_result(in_view, kept, drawn) | {self.alert: no_alert()}
        in_view.segmented_with, in_view.is_wanted, in_view.is_answer = "", True, False
        bare = show_image(image, camera=camera)
        in_view.note_place(bare["picture"])
        return outdated | {
            self.current: None,
            self.version: in_view.change(),
            self.picture: busy("Segmenting …", payload=bare),
            self.facts: facts_of_image(image),
            self.exact: gr.update(visible="hidden"),
            self.downloads: usable(result=False, objects=False),
            self.share: no_link(),
            self.alert: no_alert(),
            **self.unlike.nothing(),
        }

    def show_result(self, in_view: InView, result: Segmentation, drawn: Payload) -> Updates:
        """A result of what was chosen last. drawn: What the viewer is sent of it.

        A sentence above the picture stays: what it is about may have happened after the choice.
        """
        path, _, model = in_view.wanted
        in_view.is_wanted, in_view.segmented_with = False, model
        in_view.threshold = drawn["threshold"]
        in_view.note_place(drawn["picture"])
        few = in_view.few_missed_of(model)
        if few and result.precision == "int8":
            told = f"{few['words']} It was measured in float32, and this result is int8."
            few = few | {"words": told}
        drawn = drawn | {"few_missed": few}
        handle = in_view.results.keep(in_view.key, result)
        in_view.is_answer = False
        example = self._example(path)
        if self.is_drawn_for(path, model):
            in_view.fitting, hint = None, self.unlike.nothing()
        else:
            in_view.fitting, hint = self.unlike.show(result, model)
        # A taught checkpoint is its visitor's alone, and gone after an hour.
        link = no_link() if is_taught(model) else link_to(example, model, result)
        return self._shown(in_view, handle, result, drawn) | hint | {self.share: link}

    def show_answer(self, in_view: InView, result: Segmentation, drawn: Payload) -> Updates:
        """What strokes say of the picture in view: it is shown, but is no checkpoint's result."""
        in_view.is_answer, in_view.threshold = True, drawn["threshold"]
        handle = result_store().keep(result)
        shown = self._shown(in_view, handle, result, drawn)
        return shown | {self.share: no_link()} | self.unlike.nothing()

    def show_kept(self, in_view: InView) -> Updates:
        """What the checkpoint alone says of the picture in view, if it was asked before."""
        if (kept := self.kept(in_view)) is None:
            return {}
        return self.show_result(in_view, kept, show_result(kept, by=in_view.title))

    def _shown(
        self, in_view: InView, handle: Handle, result: Segmentation, drawn: Payload
    ) -> Updates:
        return self.outdated(another_picture=False) | {
            self.current: handle,
            self.version: in_view.change(),
            self.picture: idle(drawn),
            self.facts: facts_of(result),
            self.exact: gr.update(visible=True if result.precision == "int8" else "hidden"),
            self.downloads: usable(result=True, objects=False),
        }

    def show_nothing(self, in_view: InView) -> Updates:
        """There is no picture any more."""
        in_view.stop()
        in_view.segmented_with = ""
        return self.outdated(another_picture=True) | {
            self.current: None,
            self.version: in_view.change(),
            self.picture: idle(None),
            self.facts: "",
            self.exact: gr.update(visible="hidden"),
            self.downloads: usable(result=False, objects=False),
            self.share: no_link(),
            self.alert: no_alert(),
            **self.unlike.nothing(),
        }

    def reading(self, name: str) -> Updates:
        """A file is being read; "" when it has been."""
        return {self.picture: busy(f"Reading {name} …", stop=False) if name else idle()}

    def tell(self, error: Exception) -> Updates:
        return {self.alert: gr.update(value=alert(page_sentence(error)), visible=True)}

    def kept(
        self, in_view: InView, model: str | None = None, precision: str | None = None
    ) -> Segmentation | None:
        """The result of the picture in view, if it was computed before. model, precision: None:
        what was chosen last."""
        path, place, chosen, asked = in_view.key
        model, precision = model or chosen, precision or asked
        if example := self._example_of(path, place, model):
            return self.example_results.get((example, precision))
        return in_view.results.get((path, place, model, precision))

    def computed(
        self, in_view: InView, model: str, precision: str, visitor: Visitor | None
    ) -> Segmentation:
        """The result of the picture in view in this precision, computed now if it never was.

        Raises as `segment_file` does.
        """
        if (kept := self.kept(in_view, model, precision)) is not None:
            return kept
        path, place, _ = in_view.wanted
        result = segment_file(path, model, place=place, visitor=visitor, precision=precision)
        in_view.results.keep((path, place, model, precision), result)
        self.note_example((path, place, model, precision), result)
        return result

    def note_example(self, key: Key, result: Segmentation) -> None:
        """Keeps the result of an example with its own checkpoint for all visitors."""
        path, place, model, precision = key
        if example := self._example_of(path, place, model):
            self.example_results[example, precision] = result

    def is_drawn_for(self, path: str | None, model: str) -> bool:
        """Whether it is the example of this checkpoint; its title says that it is drawn."""
        example = self._example(path)
        return example is not None and example.model == model

    def _example_of(self, path: str | None, place: Place, model: str) -> Example | None:
        """The example that this is, with its own checkpoint."""
        example = self._example(path)
        return example if example and (model, place) == (example.model, FIRST) else None

    def _example(self, path: str | None) -> Example | None:
        return next((one for one in self.examples if one.path == path), None)

    def write(
        self,
        kind: str,
        handle: Handle | None,
        objects: Handle | None,
        view: dict,
        in_view: InView,
        version: int,
    ) -> str:
        """Writes one file of the result as it is seen, or of its objects."""
        if self.objects and kind not in {one.kind for one in DOWNLOADS}:
            return self.objects.write(kind, objects, view, in_view, version)
        result = result_store().get(handle)
        if result is None:
            raise ConfigError(GONE)
        in_view.check(version)
        cut, folder = cut_as_seen(result, view), self.folders.new()
        if kind == "overlay":
            single = view.get("view") == "objects"
            painted = result_store().get(in_view.painted, GONE_OBJECTS) if single else None
            drawn = draw_as_seen(cut, view, painted and (painted.labels, painted.hues))
            return write_overlay(cut, folder, drawn)
        return write_result(cut, folder, Look(), only=[kind])[kind]


def no_alert() -> Updates:
    return gr.update(value="", visible="hidden")
