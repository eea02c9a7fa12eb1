"""The page: what stands where, and what happens when."""

import os
from collections.abc import Iterator
from typing import Any

import gradio as gr

from unet_hf import Segmentation

from . import actions, sign_in
from .device import CAPACITY
from .endpoint import add_endpoint
from .examples import examples, picker
from .models import Offer, Visitor
from .page import FOOTER, HEADER
from .viewer import DEFAULT_ALPHA, STEPS, show_image, show_result, thinning, viewer

HIDDEN = {"api_visibility": "private"}


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
        # The path of the image in view; its result and the opacity its files were written with.
        source = gr.State(None, time_to_live=actions.KEEP_SECONDS)
        current = gr.State(None, time_to_live=actions.KEEP_SECONDS)

        with gr.Row(equal_height=False):
            with gr.Column(scale=4, min_width=280):
                gr.HTML('<h2 class="step">Image <small>drop, paste or choose</small></h2>')
                upload = gr.File(label="Image file", show_label=False, elem_id="upload", height=128)
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
                run = gr.Button("Segment", variant="primary", elem_id="segment")
                alert = gr.HTML(visible="hidden", elem_id="alert")

            with gr.Column(scale=8, min_width=280):
                picture = viewer()
                with gr.Row():
                    opacity = gr.Slider(
                        0, 1, DEFAULT_ALPHA, step=0.01, label="Overlay opacity", min_width=130
                    )
                    threshold = gr.Slider(
                        0,
                        1,
                        0.5,
                        step=1 / STEPS,
                        label="Threshold",
                        min_width=130,
                        visible="hidden",
                        elem_id="threshold",
                    )
                facts = gr.Markdown(elem_id="facts")
                with gr.Row():
                    downloads = {
                        "mask": gr.DownloadButton("Mask (PNG)", interactive=False, min_width=130),
                        "overlay": gr.DownloadButton(
                            "Overlay (PNG)", interactive=False, min_width=130
                        ),
                        "probabilities": gr.DownloadButton(
                            "Probabilities (TIFF)", interactive=False, min_width=130
                        ),
                    }
        gr.HTML(FOOTER)

        # ------------------------------------------------------------ what can change at once
        result_outputs = [
            current, picture, threshold, facts, *downloads.values(), alert,
        ]  # fmt: skip

        def describe(result: Segmentation, alpha: float) -> dict[Any, Any]:
            two_classes = result.threshold is not None
            return {
                current: (result, alpha),
                picture: show_result(result, alpha),
                threshold: gr.update(
                    visible=True if two_classes else "hidden",
                    value=result.threshold if two_classes else 0.5,
                    label=f"Threshold on P({result.id2label[1]})",
                ),
                facts: facts_of(result),
                alert: gr.update(value="", visible="hidden"),
            }

        def files_of(result: Segmentation, alpha: float) -> dict[Any, Any]:
            paths = actions.write_result(result, folders.new(), alpha)
            return {
                button: gr.update(value=paths[kind], interactive=True)
                for kind, button in downloads.items()
            }

        def no_files() -> dict[Any, Any]:
            return {button: gr.update(interactive=False) for button in downloads.values()}

        def say(error: Exception) -> dict[Any, Any]:
            return {alert: gr.update(value=alert_html(actions.plain_sentence(error)), visible=True)}

        # ------------------------------------------------------------ events
        def on_upload(file: str) -> dict[Any, Any]:
            try:
                image = actions.read_upload(file)
            except Exception as error:
                return {source: None, upload: None} | say(error)
            return no_files() | {
                source: file,
                current: None,  # the last result was another image's
                threshold: gr.update(visible="hidden"),
                picture: show_image(image),
                page_number: gr.update(visible=image.pages > 1, value=0, maximum=image.pages - 1),
                facts: facts_of_image(image),
                alert: gr.update(value="", visible="hidden"),
            }

        def on_example(event: gr.SelectData) -> dict[Any, Any]:
            example = shown[event.index]
            return {
                source: example.path,
                model: example.model,
                upload: None,
                page_number: gr.update(visible=False, value=0),
            }

        def on_segment(
            path: str | None,
            name: str,
            number: int,
            alpha: float,
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
                )
                yield describe(result, alpha) | no_files()  # the eye first, then the files
                yield files_of(result, alpha)
            except Exception as error:
                yield say(error)

        def picture_for(name: str, visitor: Visitor | None) -> str:
            """Something that this checkpoint can make sense of, if there is anything."""
            made_for_it = [example.path for example in shown if example.model == name]
            if made_for_it:
                return made_for_it[0]
            return actions.start_with(name, folders.new(), visitor) or first.path

        def on_load(
            alpha: float,
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
            for change in on_segment(path, name, 0, alpha, progress, profile, token):
                yield change | refusal  # the sentence outlives the picture that comes instead

        def on_slider(
            shown_now: tuple[Segmentation, float] | None, cut: float, alpha: float
        ) -> dict[Any, Any]:
            """The files follow what the eye sees."""
            if shown_now is None:
                return {current: None}
            result, written_alpha = shown_now
            cut = round(cut * STEPS) / STEPS
            try:
                if result.threshold is not None and result.threshold != cut:
                    result = result.with_threshold(cut)
                elif alpha == written_alpha:
                    return {current: shown_now}
                return {current: (result, alpha), **files_of(result, alpha)}
            except Exception as error:  # the files could not be written
                return say(error)

        inputs = [source, model, page_number, opacity]
        upload.upload(
            on_upload,
            upload,
            [source, upload, page_number, *result_outputs],
            **HIDDEN,
        )
        upload.clear(lambda: None, None, source, **HIDDEN)
        chosen = gallery.select(on_example, None, [source, model, upload, page_number], **HIDDEN)
        chosen.success(on_segment, inputs, result_outputs, **CAPACITY, **HIDDEN)
        run.click(on_segment, inputs, result_outputs, **CAPACITY, **HIDDEN)
        page.load(on_load, opacity, [source, model, *result_outputs], **CAPACITY, **HIDDEN)
        for slider, event in ((opacity, "opacity"), (threshold, "threshold")):
            slider.change(None, slider, None, js=_tell_viewer(event), **HIDDEN)
            slider.change(
                on_slider,
                [current, threshold, opacity],
                [current, *downloads.values(), alert],
                show_progress="hidden",
                trigger_mode="always_last",  # a slider on its way: only where it came to rest
                **CAPACITY,
                **HIDDEN,
            )
        add_endpoint(folders)
    sign_in.hide_from_api(page)
    return page


def _tell_viewer(event: str) -> str:
    return (
        "(value) => { document.getElementById('viewer')"
        f".dispatchEvent(new CustomEvent('viewer:{event}', {{ detail: value }})); }}"
    )


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
    import html

    return f'<p role="alert" class="alert">{html.escape(sentence)}</p>'
