"""The page: what stands where, and what happens when."""

import html
import os
from collections.abc import Iterator
from typing import Any

import gradio as gr

from unet_hf import Segmentation
from unet_hf.errors import ConfigError
from unet_hf.images.image_data import ImageData
from unet_hf.predict.overlay import Look

from . import actions, sign_in
from .as_seen import cut_as_seen, draw_as_seen
from .batch_tab import batch_tab
from .compare_tab import compare_tab
from .device import CAPACITY
from .downloads import connect, download_buttons
from .endpoint import add_endpoint
from .examples import Example, examples, picker
from .hint import hint
from .images_in import ImagesIn
from .in_browser import in_browser_tab
from .kept import GONE, Handle, kept
from .model_panel import STYLE as PANEL_STYLE
from .model_panel import panel
from .models import Offer, Visitor, load_model
from .objects_view import objects_view
from .page import FOOTER, HEADER
from .place import where
from .share import Asked, link_to, no_link, read_link, share_button, show_as_asked
from .truth_tab import truth_tab
from .viewer import Camera, seen, show_image, viewer

HIDDEN = {"api_visibility": "private"}
DOWNLOADS = {
    "mask": "Mask (PNG)",
    "overlay": "Overlay (PNG)",
    "probabilities": "Probabilities (TIFF)",
}


def build(default_model: str | None = None) -> gr.Blocks:
    """The whole demo. `default_model` is offered first; None: the first example's own."""
    folders = actions.ResultFolders()
    shown = examples()
    first = next((example for example in shown if example.model == default_model), shown[0])
    offer = Offer.of(os.environ)
    models = offer.names()
    if default_model and default_model not in models:
        models = [default_model, *models]

    with gr.Blocks(
        title="unet_hf: segment an image",
        delete_cache=(600, actions.KEEP_SECONDS),
        analytics_enabled=False,
    ) as page:
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                gr.HTML(HEADER)
            sign_in.add_button(os.environ)
        images = ImagesIn()
        # What the result in view is kept by.
        current = gr.State(None, time_to_live=actions.KEEP_SECONDS)

        hint()
        with gr.Tab("Segment", id="segment"):
            with gr.Row(equal_height=False):
                with gr.Column(scale=4, min_width=280):
                    gr.HTML('<h2 class="step">Image <small>drop, paste or choose</small></h2>')
                    images.add_upload()
                    gallery = picker()
                    choice = "shipped, or a Hub id" if offer.anything else "from the list"
                    gr.HTML(f'<h2 class="step">Checkpoint <small>{choice}</small></h2>')
                    model = gr.Dropdown(
                        models,
                        value=default_model or first.model,
                        label="Checkpoint",
                        show_label=False,
                        allow_custom_value=True,
                        elem_id="model",
                    )
                    run = gr.Button("Segment", variant="primary", elem_id="segment")
                    alert = gr.HTML(visible="hidden", elem_id="alert")
                    about = gr.HTML(css_template=PANEL_STYLE, elem_id="about")

                with gr.Column(scale=8, min_width=280):
                    images.add_place()
                    picture = viewer()
                    facts = gr.Markdown(elem_id="facts")
                    downloads = download_buttons(DOWNLOADS)
                    share = share_button()
                    in_view = gr.JSON(visible="hidden")  # how it was looked at when it was clicked
            with gr.Tabs():
                with gr.Tab("Objects"):
                    no_objects = objects_view(current, picture, "viewer", model, folders)
                with gr.Tab("Against the truth"):
                    truth_tab(current, kept().get, main_viewer="viewer")
        with gr.Tab("Compare", id="compare"):
            compare_tab(images.image, models, offer.anything, first.model)
        with gr.Tab("Many images", id="batch"):
            batch_tab(model, folders)
        with gr.Tab("In your browser", id="private"):
            in_browser_tab()
        gr.HTML(FOOTER)

        # ------------------------------------------------------------ what can change at once
        result_outputs = [
            current, picture, facts, share, *downloads.values(), alert, *no_objects(),
        ]  # fmt: skip

        def describe(result: Segmentation, view: Asked) -> dict[Any, Any]:
            return (
                buttons(True)
                | no_objects()
                | {
                    current: kept().keep(result),
                    picture: show_as_asked(result, view),
                    facts: facts_of(result),
                    alert: gr.update(value="", visible="hidden"),
                }
            )

        def buttons(usable: bool) -> dict[Any, Any]:
            return {button: gr.update(interactive=usable) for button in downloads.values()}

        def say(error: Exception) -> dict[Any, Any]:
            return {alert: gr.update(value=alert_html(actions.plain_sentence(error)), visible=True)}

        # ------------------------------------------------------------ events
        def show(image: ImageData, camera: Camera | None) -> dict[Any, Any]:
            """Another image, not segmented: the last result was not its."""
            return (
                buttons(False)
                | no_objects()
                | {
                    current: None,
                    picture: show_image(image, camera=camera),
                    facts: facts_of_image(image),
                    share: no_link(),
                    alert: gr.update(value="", visible="hidden"),
                }
            )

        def on_example(event: gr.SelectData) -> dict[Any, Any]:
            example = shown[event.index]
            return images.replaced_by(example.path) | {model: example.model}

        def on_segment(
            path: str | None,
            place: dict | None,
            name: str,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
            profile: gr.OAuthProfile | None = None,
            token: gr.OAuthToken | None = None,
            view: Asked = Asked(),  # noqa: B008
        ) -> Iterator[dict[Any, Any]]:
            try:
                result = actions.segment_file(
                    path,
                    name,
                    progress=lambda done, total: progress((done, total)),
                    visitor=sign_in.visitor(profile, token),
                    **where(place),
                )
                example = next((one for one in shown if one.path == path), None)
                yield describe(result, view) | {share: link_to(example, name, result)}
            except Exception as error:
                yield say(error)

        def picture_for(name: str, example: Example | None, visitor: Visitor | None) -> str:
            """The example, or something that this checkpoint can make sense of, if there is
            anything. Raises as `load_model` does."""
            if example:
                load_model(name, visitor)
                return example.path
            made_for_it = [example.path for example in shown if example.model == name]
            if made_for_it:
                return made_for_it[0]
            return actions.start_with(name, folders.new(), visitor) or first.path

        def on_load(
            request: gr.Request,
            progress: gr.Progress = gr.Progress(),  # noqa: B008
            profile: gr.OAuthProfile | None = None,
            token: gr.OAuthToken | None = None,
        ) -> Iterator[dict[Any, Any]]:
            """The first picture, or that of the address: /?model=org/name, and see `share`."""
            asked = read_link(request.query_params, shown)
            example, faults = asked.example or first, list(asked.faults)
            path, name = example.path, example.model
            visitor = sign_in.visitor(profile, token)
            try:
                if wanted := asked.model or (None if asked.example else default_model):
                    path = picture_for(wanted, asked.example, visitor)
                    name = wanted
                if asked.threshold is not None and load_model(name, visitor).threshold is None:
                    faults.append(f"{name} has more than two classes, and so no threshold.")
            except Exception as error:
                faults.append(actions.plain_sentence(error))
            refusal = say(ConfigError(" ".join(faults))) if faults else {}
            yield {images.source: path, model: name} | refusal
            for change in on_segment(path, None, name, progress, profile, token, asked):
                yield change | refusal  # the sentence outlives the picture that comes instead

        def write(kind: str, handle: Handle | None, view: dict) -> str:
            """One file, as seen."""
            result = kept().get(handle)
            if result is None:
                raise ConfigError(GONE)
            cut, folder = cut_as_seen(result, view), folders.new()
            if kind == "overlay":
                return actions.write_overlay(cut, folder, draw_as_seen(cut, view))
            return actions.write_result(cut, folder, Look(), only=[kind])[kind]

        def on_model(
            name: str,
            profile: gr.OAuthProfile | None = None,
            token: gr.OAuthToken | None = None,
        ) -> str:
            """What the chosen checkpoint is; a refusal is told where the image is segmented."""
            try:
                return panel(name, load_model(name, sign_in.visitor(profile, token)))
            except Exception as error:
                return f'<p class="small">{html.escape(actions.plain_sentence(error))}</p>'

        inputs = [*images.image, model]
        images.connect(show, say, result_outputs, progress_on=facts)
        chosen = gallery.select(on_example, None, [*images.outputs, model], **HIDDEN)
        chosen.success(on_segment, inputs, result_outputs, **CAPACITY, **HIDDEN)
        run.click(on_segment, inputs, result_outputs, **CAPACITY, **HIDDEN)
        page.load(on_load, None, [images.source, model, *result_outputs], **CAPACITY, **HIDDEN)
        connect(downloads, write, [current, in_view], f"(result) => [result, {seen()}]", alert)
        model.change(on_model, model, about, show_progress="hidden", **HIDDEN)
        page.load(on_model, model, about, show_progress="hidden", **HIDDEN)
        add_endpoint(folders)
    sign_in.hide_from_api(page)
    return page


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
    device = {"cpu": "CPU", "cuda:0": "GPU", "mps:0": "GPU"}.get(result.device, result.device)
    text = (
        f"{result.image.width} × {result.image.height} px · {result.image.dtype} · "
        f"**{result.seconds:.2f} s** on {device}, {result.precision}{tiles}"
    )
    return " · ".join([text, *result.notes])


def alert_html(sentence: str) -> str:
    return f'<p role="alert" class="alert">{html.escape(sentence)}</p>'
