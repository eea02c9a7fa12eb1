"""A phone sees ground truth, comparison and many images whole, in a real browser."""

from collections.abc import Callable
from pathlib import Path

import gradio as gr
import PIL.Image
from playwright.sync_api import expect

from demo.batch.tab import BatchTab
from demo.compare.tab import compare_tab
from demo.server.folders import ResultFolders
from demo.server.in_view import InView
from demo.server.predictions import segment_file
from demo.truth.tab import truth_tab

from ...support.serving import IMAGES, drop


def test_a_phone_sees_every_tab_whole(
    served: Callable, tiny: str, picture: Path, drawing, images: Path, tmp_path: Path
):
    def build() -> None:
        with gr.Tabs():
            with gr.Tab("Batch"):
                BatchTab([tiny], tiny, ResultFolders())
            with gr.Tab("Ground truth"):
                truth_tab(gr.State(lambda: segment_file(str(picture), tiny)))
            with gr.Tab("Compare") as tab:
                image = [gr.State(str(picture)), gr.State(None)]
                compare_tab(tab, image, gr.State(InView()), [tiny], tiny)

    PIL.Image.fromarray(drawing.label).save(tmp_path / "truth.png")
    page = served(build)
    page.set_viewport_size({"width": 390, "height": 844})

    def open_tab(name: str) -> None:
        page.get_by_role("tab", name=name).click()

    def is_whole() -> bool:
        return page.evaluate("document.documentElement.scrollWidth") <= 390

    drop(page, images)
    page.locator("#batch_run").click()
    expect(page.locator("#batch_table tbody tr")).to_have_count(IMAGES - 1, timeout=30_000)
    assert is_whole()
    open_tab("Ground truth")
    page.locator("#truth input[type=file]").set_input_files(tmp_path / "truth.png")
    expect(page.locator("#truth_errors button").first).to_be_visible()
    assert is_whole()
    open_tab("Compare")
    threshold = page.locator("#compare_threshold_b textarea, #compare_threshold_b input")
    expect(threshold).not_to_have_value("")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#compare_told table").first).to_be_visible()
    assert is_whole()
