"""The demo for programs: the endpoint `/segment`."""

from typing import Any

import gradio as gr

from . import actions, sign_in
from .device import CAPACITY
from .viewer import DEFAULT_ALPHA


def add_endpoint(folders: actions.ResultFolders) -> None:
    """Adds it to the page that is being built, out of sight."""
    with gr.Row(visible=False):
        image = gr.File(label="Image")
        model = gr.Textbox(label="Model")
        threshold = gr.Number(None, label="Threshold")
        page = gr.Number(0, label="Page", precision=0)
        alpha = gr.Number(DEFAULT_ALPHA, label="Overlay opacity")
        overlay_file = gr.File(label="Overlay")
        mask_file = gr.File(label="Mask")
        summary = gr.JSON(label="Summary")
        button = gr.Button()

    def segment(
        image: str,
        model: str,
        threshold: float | None = None,
        page: int = 0,
        alpha: float = DEFAULT_ALPHA,
        profile: gr.OAuthProfile | None = None,
        token: gr.OAuthToken | None = None,
    ) -> tuple[str, str, dict[str, Any]]:
        """Segments an image: the class of every pixel, at the image's own size.

        Args:
            image: The image file: PNG, JPEG, TIFF (8 or 16 bits, float), NPY ...
            model: A shipped checkpoint such as "unet-isbi", or a Hub id "org/name".
            threshold: For two classes: a pixel is class 1 where its probability exceeds this.
                Empty: the checkpoint's own.
            page: Page of a multi-page file, from 0.
            alpha: Opacity of the classes in the overlay, 0 to 1.

        Returns:
            The overlay (PNG), the mask (indexed PNG, pixel values are class ids), and a summary
            with classes, area shares, size and seconds.
        """
        try:
            visitor = sign_in.visitor(profile, token)
            result = actions.segment_file(image, model, threshold, page, visitor=visitor)
            paths = actions.write_result(result, folders.new(), alpha)
        except Exception as error:
            raise gr.Error(actions.plain_sentence(error), print_exception=False) from error
        return paths["overlay"], paths["mask"], result.summary()

    button.click(
        segment,
        [image, model, threshold, page, alpha],
        [overlay_file, mask_file, summary],
        api_name="segment",
        **CAPACITY,
    )
