"""The tab Segment: an image, a checkpoint, and the result in the viewer."""

import html
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from unet_hf import Segmentation
from unet_hf.errors import ConfigError
from unet_hf.images.image_data import ImageData
from unet_hf.predict.overlay import Look

from ..parts.component import HIDDEN
from ..parts.downloads import connect, download_buttons
from ..parts.html_parts import alert
from ..server import limits, sign_in
from ..server.errors_in_words import plain_sentence
from ..server.folders import ResultFolders
from ..server.in_view import InView
from ..server.models import Visitor, checked_name, load_model
from ..server.predictions import FIRST, Place, segment_file, start_with
from ..server.queue import ONE_AT_A_TIME
from ..server.result_files import write_overlay, write_result
from ..server.result_store import GONE, Handle, result_store
from ..viewer.component import Camera, seen, show_image, viewer
from ..viewer.drawn_as_seen import cut_as_seen, draw_as_seen
from .examples import Example, examples, picker
from .images_in import ImagesIn
from .model_panel import STYLE as PANEL_STYLE
from .model_panel import panel
from .share_link import Asked, link_to, no_link, read_link, share_button, show_as_asked

DOWNLOADS = {
    "mask": "Mask (PNG)",
    "overlay": "Overlay (PNG)",
    "probabilities": "Probabilities (TIFF)",
}
Updates = dict[Any, Any]
# Gradio empties the outputs of a generator that ends without an update.
NOTHING: Updates = gr.skip()


class SegmentTab:
    """Adds its components where it is made, on the page that is being built; `connect` comes last.

    Args:
        models: Checkpoints to choose from. any_model: Others may be typed.
        default_model: Offered first; None: the first example's own.
        folders: Where files to take home are written.
    """

    def __init__(
        self,
        models: Sequence[str],
        any_model: bool,
        default_model: str | None,
        folders: ResultFolders,
    ) -> None:
        self.folders = folders
        self.default_model = default_model
        self.examples = examples()
        self.first = next(
            (example for example in self.examples if example.model == default_model),
            self.examples[0],
        )
        # Results of the examples, which every visitor sees: computed once, and never changed.
        self.example_results: dict[Example, Segmentation] = {}
        self.images = ImagesIn()
        # What the result in view is kept by.
        self.current = gr.State(None, time_to_live=limits.KEEP_SECONDS)
        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=280):
                gr.HTML('<h2 class="step">Image <small>drop, paste or choose</small></h2>')
                self.images.add_upload()
                self.gallery = picker()
                choice = "shipped, or a Hub id" if any_model else "from the list"
                gr.HTML(f'<h2 class="step">Checkpoint <small>{choice}</small></h2>')
                self.model = gr.Dropdown(
                    list(models),
                    value=default_model or self.first.model,
                    label="Checkpoint",
                    show_label=False,
                    allow_custom_value=True,
                    elem_id="model",
                )
                self.run = gr.Button("Segment", variant="primary", elem_id="segment")
                self.alert = gr.HTML(visible="hidden", elem_id="alert")
                self.about = gr.HTML(css_template=PANEL_STYLE, elem_id="about")

            with gr.Column(scale=8, min_width=280):
                self.images.add_place()
                self.picture = viewer()
                self.facts = gr.Markdown(elem_id="facts")
                self.downloads = download_buttons(DOWNLOADS)
                self.share = share_button()
                # How the picture was looked at when a button was clicked.
                self.look = gr.JSON(visible="hidden")
                # What the browser shows, of `InView.version`: goes over with a click on a button.
                self.version = gr.Number(0, precision=0, visible="hidden")

    def connect(self, page: gr.Blocks, no_objects: Callable[[], Updates]) -> None:
        """Says what happens when.

        no_objects: Gives the updates that empty the list of objects: another picture has others.
        """
        self.no_objects = no_objects
        outputs = [
            self.current, self.version, self.picture, self.facts, self.share,
            *self.downloads.values(), self.alert, *no_objects(),
        ]  # fmt: skip
        images, model = self.images, self.model
        inputs = [*images.image, model, images.in_view]
        images.connect(self.show_bare, self.tell, outputs, progress_on=self.facts)
        chosen = self.gallery.select(
            self.on_example, images.in_view, [*images.outputs, model], **HIDDEN
        )
        chosen.success(self.on_segment, inputs, outputs, **ONE_AT_A_TIME, **HIDDEN)
        # A click while the last one is at work counts, too: it may be about another picture.
        self.run.click(
            self.on_segment,
            inputs,
            outputs,
            trigger_mode="always_last",
            **ONE_AT_A_TIME,
            **HIDDEN,
        )
        page.load(
            self.on_load,
            images.in_view,
            [images.source, model, *outputs],
            **ONE_AT_A_TIME,
            **HIDDEN,
        )
        connect(
            self.downloads,
            self.write,
            [self.current, self.look, *self.in_view],
            f"(result, _, ...others) => [result, {seen()}, ...others]",
            self.alert,
        )
        # Not of the queue: an event that is at work must hear of it.
        model.input(self.on_model_input, [model, images.in_view], None, queue=False, **HIDDEN)
        model.change(self.on_model, model, self.about, show_progress="hidden", **HIDDEN)
        page.load(self.on_model, model, self.about, show_progress="hidden", **HIDDEN)

    @property
    def in_view(self) -> list[gr.components.Component]:
        """Inputs: what the session knows of what is in view, and what the browser shows."""
        return [self.images.in_view, self.version]

    # --------------------------------------------------------------- what can change at once

    def show_result(self, in_view: InView, result: Segmentation, view: Asked) -> Updates:
        return (
            self._downloads_usable(True)
            | self.no_objects()
            | {
                self.current: result_store().keep(result),
                self.version: in_view.change(),
                self.picture: show_as_asked(result, view),
                self.facts: facts_of(result),
                self.alert: gr.update(value="", visible="hidden"),
            }
        )

    def show_bare(self, in_view: InView, image: ImageData, camera: Camera | None) -> Updates:
        """Another image, not segmented: the last result was not its."""
        in_view.segmented_with = ""
        return (
            self._downloads_usable(False)
            | self.no_objects()
            | {
                self.current: None,
                self.version: in_view.change(),
                self.picture: show_image(image, camera=camera),
                self.facts: facts_of_image(image),
                self.share: no_link(),
                self.alert: gr.update(value="", visible="hidden"),
            }
        )

    def tell(self, error: Exception) -> Updates:
        return {self.alert: gr.update(value=alert(plain_sentence(error)), visible=True)}

    def _downloads_usable(self, usable: bool) -> Updates:
        return {button: gr.update(interactive=usable) for button in self.downloads.values()}

    # ---------------------------------------------------------------------------- events

    def on_example(self, in_view: InView, event: gr.SelectData) -> Updates:
        example = self.examples[event.index]
        in_view.choose(example.path)
        in_view.model = example.model
        return self.images.replaced_by(example.path) | {self.model: example.model}

    def on_segment(
        self,
        path: str | None,
        chosen: dict | None,
        name: str,
        in_view: InView,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
        view: Asked = Asked(),  # noqa: B008
    ) -> Iterator[Updates]:
        """Says nothing if the visitor has chosen another picture, page or checkpoint meanwhile."""
        place, models = Place.chosen(chosen), (in_view.model, name)

        def is_late() -> bool:
            return in_view.is_elsewhere(path, place) or in_view.model not in models

        try:
            if is_late():  # it has waited for the network
                yield NOTHING
                return
            example = next((one for one in self.examples if one.path == path), None)
            usual = example if example and (name, place) == (example.model, FIRST) else None
            result = self.example_results.get(usual) or segment_file(
                path,
                name,
                place=place,
                progress=lambda done, total: progress((done, total)),
                visitor=sign_in.visitor(profile, token),
            )
            if usual:
                self.example_results[usual] = result
            link = link_to(example, name, result)
            if is_late():
                yield NOTHING
                return
            shown = self.show_result(in_view, result, view) | {self.share: link}
            in_view.segmented_with = name
        except Exception as error:
            shown = self.tell(error)
        # Looked at once more: writing what the viewer is sent takes its time, too.
        yield NOTHING if is_late() else shown

    def on_load(
        self,
        in_view: InView,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> Iterator[Updates]:
        """The first picture, or that of the address: /?model=org/name, and see `share_link`."""
        if in_view.picture is not None:  # the visitor was faster than the network was free
            yield NOTHING
            return
        asked = read_link(request.query_params, self.examples)
        example, faults = asked.example or self.first, list(asked.faults)
        path, name = example.path, example.model
        visitor = sign_in.visitor(profile, token)
        try:
            if wanted := asked.model or (None if asked.example else self.default_model):
                wanted = checked_name(wanted)
                path = self._picture_for(wanted, asked.example, visitor)
                name = wanted
            if asked.threshold is not None and load_model(name, visitor).threshold is None:
                faults.append(f"{name} has more than two classes, and so no threshold.")
        except Exception as error:
            faults.append(plain_sentence(error))
        refusal = self.tell(ConfigError(" ".join(faults))) if faults else {}
        if in_view.picture is not None:
            yield NOTHING
            return
        in_view.choose(path)
        yield {self.images.source: path, self.model: name} | refusal
        for change in self.on_segment(path, None, name, in_view, progress, profile, token, asked):
            # The sentence outlives the picture that comes instead.
            yield change if change == NOTHING else change | refusal

    def _picture_for(self, name: str, example: Example | None, visitor: Visitor | None) -> str:
        """The example, or something that this checkpoint can make sense of, if there is anything.

        Raises as `load_model` does.
        """
        if example:
            load_model(name, visitor)
            return example.path
        made_for_it = [example.path for example in self.examples if example.model == name]
        if made_for_it:
            return made_for_it[0]
        return start_with(name, self.folders.new(), visitor) or self.first.path

    def write(
        self, kind: str, handle: Handle | None, view: dict, in_view: InView, version: int
    ) -> str:
        """Writes one file of the result as it is seen."""
        result = result_store().get(handle)
        if result is None:
            raise ConfigError(GONE)
        in_view.check(version)
        cut, folder = cut_as_seen(result, view), self.folders.new()
        if kind == "overlay":
            return write_overlay(cut, folder, draw_as_seen(cut, view))
        return write_result(cut, folder, Look(), only=[kind])[kind]

    def on_model_input(self, name: str, in_view: InView) -> None:
        in_view.model = name

    def on_model(
        self,
        name: str,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> str:
        """What the chosen checkpoint is; a refusal is told where the image is segmented."""
        try:
            return panel(name, load_model(name, sign_in.visitor(profile, token)))
        except Exception as error:
            return f'<p class="small">{html.escape(plain_sentence(error))}</p>'


def facts_of_image(image: ImageData) -> str:
    channels = f"{image.channels} channel{'s' if image.channels > 1 else ''}"
    text = f"{image.width} × {image.height} px · {channels} · {image.dtype}"
    seen_so = []
    if image.channel is not None:
        seen_so = ["the network is shown this channel alone, as a gray image"]
    elif not image.is_rgb and image.channels == 2:
        seen_so = ["drawn here: channel 0"]
    elif not image.is_rgb and image.channels > 2:
        seen_so = ["drawn here: channels 0, 1 and 2 as red, green and blue"]
    return " · ".join([text, *image.notes, *seen_so])


def facts_of(result: Segmentation) -> str:
    """One line under the picture: size, time, device, and what was inferred."""
    tiles = f" · {result.tiles} tiles" if result.tiles > 1 else ""
    kind = result.device.partition(":")[0]  # "cuda:1" is a GPU, too
    device = {"cpu": "CPU", "cuda": "GPU", "mps": "GPU"}.get(kind, result.device)
    text = (
        f"{result.image.width} × {result.image.height} px · {result.image.dtype} · "
        f"**{result.seconds:.2f} s** on {device}, {result.precision}{tiles}"
    )
    return " · ".join([text, *result.notes])
