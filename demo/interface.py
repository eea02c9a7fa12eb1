"""The page: what stands where, and what happens when."""

import html
import os
from collections.abc import Iterator
from typing import Any

import gradio as gr

from unet_hf import Segmentation
from unet_hf.errors import ConfigError, UnsupportedLayoutError

from . import actions, sign_in
from .batch_tab import batch_tab
from .compare_tab import compare_tab
from .device import CAPACITY
from .downloads import connect, download_buttons
from .endpoint import add_endpoint
from .examples import examples, picker
from .hint import hint
from .model_panel import STYLE as PANEL_STYLE
from .model_panel import panel
from .models import Offer, Visitor, load_model
from .objects_view import cut_as_seen, objects_view
from .page import FOOTER, HEADER
from .truth_tab import truth_tab
from .viewer import seen, show_image, show_result, thinning, viewer

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
        # The path of the image in view, and its result.
        source = gr.State(None, time_to_live=actions.KEEP_SECONDS)
        current = gr.State(None, time_to_live=actions.KEEP_SECONDS)

        hint()
        with gr.Tab("Segment", id="segment"):
            with gr.Row(equal_height=False):
                with gr.Column(scale=4, min_width=280):
                    gr.HTML('<h2 class="step">Image <small>drop, paste or choose</small></h2>')
                    upload = gr.File(
                        label="Image file", show_label=False, elem_id="upload", height=128
                    )
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
                    page_number = gr.Number(
                        0,
                        label="Page",
                        info="of a multi-page file, from 0",
                        precision=0,
                        minimum=0,
                        visible=False,
                    )
                    axes = gr.Textbox(
                        "",
                        label="Axes",
                        info="what the file's axes mean, e.g. CYX for channels first, ZYX for a "
                        "stack; then press Enter",
                        visible=False,
                        elem_id="axes",
                    )
                    run = gr.Button("Segment", variant="primary", elem_id="segment")
                    alert = gr.HTML(visible="hidden", elem_id="alert")
                    about = gr.HTML(css_template=PANEL_STYLE, elem_id="about")

                with gr.Column(scale=8, min_width=280):
                    picture = viewer()
                    facts = gr.Markdown(elem_id="facts")
                    downloads = download_buttons(DOWNLOADS)
                    in_view = gr.JSON(visible="hidden")  # opacity and threshold when it was clicked
            with gr.Tabs():
                with gr.Tab("Objects"):
                    no_objects = objects_view(current, picture, "viewer", model, folders)
                with gr.Tab("Against the truth"):
                    truth_tab(current, main_viewer="viewer")
        with gr.Tab("Compare", id="compare"):
            compare_tab(source, page_number, models, offer.anything, first.model)
        with gr.Tab("Many images", id="batch"):
            batch_tab(model, folders)
        gr.HTML(FOOTER)

        # ------------------------------------------------------------ what can change at once
        result_outputs = [
            current, picture, facts, *downloads.values(), alert, *no_objects(),
        ]  # fmt: skip

        def describe(result: Segmentation) -> dict[Any, Any]:
            return (
                buttons(True)
                | no_objects()
                | {
                    current: result,
                    picture: show_result(result),
                    facts: facts_of(result),
                    alert: gr.update(value="", visible="hidden"),
                }
            )

        def buttons(usable: bool) -> dict[Any, Any]:
            return {button: gr.update(interactive=usable) for button in downloads.values()}

        def say(error: Exception) -> dict[Any, Any]:
            return {alert: gr.update(value=alert_html(actions.plain_sentence(error)), visible=True)}

        # ------------------------------------------------------------ events
        def on_upload(file: str) -> dict[Any, Any]:
            return on_axes(file, "")

        def on_axes(file: str, given: str) -> dict[Any, Any]:
            """The picture of a file; one that does not say what its axes mean is asked about."""
            try:
                image = actions.read_upload(file, axes=given)
            except UnsupportedLayoutError as error:
                unclear = "axes=" in str(error)
                return {
                    source: file if unclear else None,
                    axes: gr.update(visible=unclear, value=given),
                } | say(error)
            except Exception as error:
                return {source: None, upload: None, axes: gr.update(visible=False)} | say(error)
            return (
                buttons(False)
                | no_objects()
                | {
                    source: file,
                    axes: gr.update(visible=bool(given), value=given),
                    current: None,  # the last result was another image's
                    picture: show_image(image),
                    page_number: gr.update(
                        visible=image.pages > 1, value=0, maximum=image.pages - 1
                    ),
                    facts: facts_of_image(image),
                    alert: gr.update(value="", visible="hidden"),
                }
            )

        def on_example(event: gr.SelectData) -> dict[Any, Any]:
            example = shown[event.index]
            return {
                source: example.path,
                model: example.model,
                upload: None,
                page_number: gr.update(visible=False, value=0),
                axes: gr.update(visible=False, value=""),
            }

        def on_segment(
            path: str | None,
            name: str,
            number: int,
            meaning: str = "",
            progress: gr.Progress = gr.Progress(),  # noqa: B008
            profile: gr.OAuthProfile | None = None,
            token: gr.OAuthToken | None = None,
        ) -> Iterator[dict[Any, Any]]:
            try:
                result = actions.segment_file(
                    path,
                    name,
                    page=number,
                    progress=lambda done, total: progress((done, total)),
                    visitor=sign_in.visitor(profile, token),
                    axes=meaning,
                )
                yield describe(result)
            except Exception as error:
                yield say(error)

        def picture_for(name: str, visitor: Visitor | None) -> str:
            """Something that this checkpoint can make sense of, if there is anything."""
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
            """The first picture. The address may name a checkpoint: /?model=org/name"""
            path, name, refusal = first.path, first.model, {}
            if asked := request.query_params.get("model") or default_model:
                visitor = sign_in.visitor(profile, token)
                try:
                    path = picture_for(asked, visitor)
                    name = asked
                except Exception as error:
                    refusal = say(error)
            yield {source: path, model: name} | refusal
            for change in on_segment(path, name, 0, "", progress, profile, token):
                yield change | refusal  # the sentence outlives the picture that comes instead

        def write(kind: str, result: Segmentation | None, view: dict) -> str:
            """One file, as seen: with the threshold and the opacity in view."""
            if result is None:
                raise ConfigError("This result is no longer kept. Segment the image again.")
            cut = cut_as_seen(result, view)
            return actions.write_result(cut, folders.new(), view["opacity"], only=[kind])[kind]

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

        inputs = [source, model, page_number, axes]
        upload.upload(
            on_upload,
            upload,
            [source, upload, page_number, axes, *result_outputs],
            **HIDDEN,
        )
        axes.submit(
            on_axes, [source, axes], [source, upload, page_number, axes, *result_outputs], **HIDDEN
        )
        upload.clear(lambda: None, None, source, **HIDDEN)
        chosen = gallery.select(
            on_example, None, [source, model, upload, page_number, axes], **HIDDEN
        )
        chosen.success(on_segment, inputs, result_outputs, **CAPACITY, **HIDDEN)
        run.click(on_segment, inputs, result_outputs, **CAPACITY, **HIDDEN)
        page.load(on_load, None, [source, model, *result_outputs], **CAPACITY, **HIDDEN)
        connect(downloads, write, [current, in_view], f"(result) => [result, {seen()}]", alert)
        model.change(on_model, model, about, show_progress="hidden", **HIDDEN)
        page.load(on_model, model, about, show_progress="hidden", **HIDDEN)
        add_endpoint(folders)
    sign_in.hide_from_api(page)
    return page


def facts_of_image(image: Any) -> str:
    text = f"{image.width} × {image.height} px · {image.channels} channel(s) · {image.dtype}"
    return " · ".join([text, *image.notes])


def facts_of(result: Segmentation) -> str:
    """One line under the picture: size, time, device, and what was inferred."""
    tiles = f" · {result.tiles} tiles" if result.tiles > 1 else ""
    device = {"cpu": "CPU", "cuda:0": "GPU", "mps:0": "GPU"}.get(result.device, result.device)
    text = (
        f"{result.image.width} × {result.image.height} px · {result.image.dtype} · "
        f"**{result.seconds:.2f} s** on {device}, {result.precision}{tiles}"
    )
    step = thinning(result.image.height, result.image.width)
    drawn = [f"drawn here at 1/{step} of its size, the files have every pixel"] if step > 1 else []
    return " · ".join([text, *drawn, *result.notes])


def alert_html(sentence: str) -> str:
    return f'<p role="alert" class="alert">{html.escape(sentence)}</p>'
