"""Comparison as a visitor meets it, in a real browser."""

import re
from collections.abc import Callable
from pathlib import Path

import gradio as gr
import pytest
from playwright.sync_api import Locator, Page, expect

from demo.compare.tab import compare_tab
from demo.server import predictions
from demo.server.checkpoints.models import load_model
from demo.server.in_view import InView
from demo.server.predictions import segment_file
from unet_hf.evaluation.comparison import compare_predictions

from ...support.browsing import type_over
from ...support.serving import Gate, until


@pytest.fixture
def compare_page(served: Callable, tiny: str, picture: Path) -> Page:
    def build() -> None:
        image = [gr.State(str(picture)), gr.State(None)]
        with gr.Tab("Other"):
            gr.Markdown("Other")
        with gr.Tab("Compare") as tab:
            compare_tab(tab, image, gr.State(InView()), [tiny, "unet-nuclei"], tiny)

    page = served(build)
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator("#compare_image")).to_contain_text("On the image in view: nuclei.png")
    return page


def threshold(page: Page, side: str) -> Locator:
    return page.locator(f"#compare_threshold_{side} textarea, #compare_threshold_{side} input")


def test_a_checkpoint_is_compared_at_two_thresholds_around_its_own(
    compare_page: Page, tiny: str, picture: Path
):
    page, told = compare_page, compare_page.locator("#compare_told")
    own = load_model(tiny).threshold
    cuts = [round(own - 0.1, 2), round(own + 0.1, 2)]
    for side, cut in zip("ab", cuts, strict=True):
        expect(threshold(page, side)).to_have_value(f"{cut:.2f}")
    expect(told).to_contain_text("see where they differ")
    a, b = (segment_file(str(picture), tiny, cut) for cut in cuts)
    expected = compare_predictions(a, b)
    page.get_by_role("button", name="Compare").click()
    expect(told).to_contain_text(f"They differ in {100 * expected.share:.2f} % of the pixels")
    expect(told.locator("td", has_text=re.compile(r"^\d+\.\d\d s$"))).to_have_count(2)  # timings
    expect(page.locator("#compare_regions button")).to_have_count(min(len(expected.regions()), 100))
    for elem_id, name in (("compare_a", "A"), ("compare_b", "B"), ("compare_map", "Difference")):
        expect(page.locator(f"#{elem_id} canvas.drawn")).to_be_visible()
        expect(page.locator(f"#{elem_id}").get_by_role("region", name=name)).to_be_visible()
    threshold(page, "a").focus()
    threshold(page, "a").blur()
    page.wait_for_timeout(500)  # nothing comes of it
    expect(told).not_to_contain_text("Error")
    for side, keys in (("a", ("Control+a", "Control+c")), ("b", ("Control+a", "Control+v", "Tab"))):
        for key in keys:
            threshold(page, side).press(key)
            page.wait_for_timeout(200)  # Gradio takes over what is pasted a moment later
    expect(threshold(page, "b")).to_have_value(f"{cuts[0]:.2f}")
    expect(told).to_contain_text("see where they differ")  # not that of the threshold before
    expect(page.locator("#compare_map canvas.drawn")).to_have_count(0)
    page.get_by_role("button", name="Compare").click()
    expect(told.locator("[role=alert]")).to_contain_text("A and B are the same.")


@pytest.mark.deep("test_comparison.py tells what cannot be compared")
def test_checkpoints_with_other_classes_are_not_offered_and_not_computed(
    compare_page: Page, monkeypatch
):
    page = compare_page
    monkeypatch.setattr(predictions, "predict", lambda *_, **__: pytest.fail("it was computed"))
    box = page.locator("#compare_model_b input")
    box.click()
    expect(page.get_by_role("option", name="unet-nuclei")).to_have_count(0)
    box.fill("unet-isbi")
    box.press("Enter")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#compare_told [role=alert]")).to_contain_text(
        "One tells ground, cell apart, the other membrane, cell."
    )


@pytest.mark.deep("test_late_results.py has comparisons that come too late")
def test_what_was_changed_while_it_was_compared_is_not_shown(compare_page: Page, gate: Gate):
    page = compare_page
    page.get_by_role("button", name="Compare").click()
    until(lambda: gate.asked)
    type_over(threshold(page, "b"), "0.99")
    gate.let(2)
    expect(page.locator("#compare_told [role=alert]")).to_contain_text("has changed meanwhile")
    expect(page.locator("canvas.drawn")).to_have_count(0)
