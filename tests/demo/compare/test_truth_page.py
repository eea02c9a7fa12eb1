"""Ground truth as a visitor meets it, in a real browser."""

from collections.abc import Callable
from pathlib import Path

import gradio as gr
import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Page, expect
from skimage.measure import label

from demo.server.in_view import InView
from demo.server.predictions import segment_file
from demo.truth.tab import truth_tab
from demo.viewer.component import show_result, viewer
from unet_hf.evaluation.comparison import score_mask
from unet_hf.evaluation.object_scores import score_objects

from ...support.page_events import Events
from ...support.serving import SIZE


@pytest.fixture
def truth_page(served: Callable, tiny: str, picture: Path) -> Page:
    def build() -> None:
        current = gr.State(None)
        button = gr.Button("Segment")
        ready = gr.Markdown(elem_id="ready")
        button.click(lambda: (segment_file(str(picture), tiny), "ready"), None, [current, ready])
        truth_tab(current)

    return served(build)


def test_a_mask_is_dropped_and_scored_and_its_errors_are_flown_to(
    truth_page: Page, drawing, tiny, picture, tmp_path: Path
):
    page = truth_page
    PIL.Image.fromarray(drawing.label * np.uint8(255)).save(tmp_path / "truth.png")
    expected = score_mask(segment_file(str(picture), tiny), drawing.label)

    page.locator("#truth input[type=file]").set_input_files(tmp_path / "truth.png")
    alert = page.locator("#truth_scores [role=alert]")
    expect(alert).to_have_text("Segment an image first, then drop its mask here.")
    page.get_by_role("button", name="Segment", exact=True).click()
    expect(page.locator("#ready")).to_have_text("ready")
    page.get_by_role("button", name="Score again").click()

    scores = page.locator("#truth_scores")
    expect(scores).to_contain_text(f"{expected.iou['cell']:.4f}")
    expect(scores).to_contain_text(f"{expected.dice['ground']:.4f}")
    expect(scores).to_contain_text(f"{expected.pixel_accuracy:.4f}")
    expect(scores).to_contain_text("values 0 and 255 read as classes 0 and 1")
    errors = expected.errors()
    buttons = page.locator("#truth_errors button")
    expect(buttons).to_have_count(min(len(errors), 100))
    expect(buttons.first).to_contain_text(f"{errors[0].pixels:,} px".replace(",", " "))
    expect(page.locator("#truth_viewer canvas")).to_be_visible()

    # A click on an error flies there without the server.
    second = page.locator("#truth_errors button").nth(1)
    expect(second).to_be_visible()
    page.evaluate(
        """() => document.querySelector('#truth_viewer .viewer').addEventListener(
        'viewer:fly', (event) => { window.flown = event.detail; })"""
    )
    drawn = page.locator("#truth_viewer canvas.drawn")
    expect(drawn).to_be_visible()
    before = page.locator("#truth_viewer .viewer").get_attribute("data-camera")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    second.click()
    x, y, width, height = errors[1].box
    box = {"x": x, "y": y, "width": width, "height": height}
    assert page.evaluate("window.flown") == box
    page.wait_for_function(
        """(before) => document.querySelector('#truth_viewer .viewer').dataset.camera !== before""",
        arg=before,
    )
    expect(second).to_have_attribute("aria-current", "true")
    assert not [url for url in asked if "queue" in url]


def test_a_mask_is_scored_at_the_threshold_in_view_and_ids_as_objects(
    tiny: str, picture: Path, drawing, tmp_path: Path
):
    with gr.Blocks(analytics_enabled=False) as page:
        truth_tab(gr.State(None))
    result, path = segment_file(str(picture), tiny), tmp_path / "truth.png"

    def told(mask: np.ndarray) -> str:
        PIL.Image.fromarray(mask).save(path)
        found = Events(page).on_mask(result, str(path), 0.6, "auto", None, InView(), 0)
        return "".join(value for value in found.values() if isinstance(value, str))

    expected = score_mask(result.with_threshold(0.6), drawing.label)
    assert expected.dice != score_mask(result, drawing.label).dice
    scored = told(drawing.label)
    assert "Scored at the threshold 0.6." in scored
    assert f"{expected.dice['cell']:.4f}" in scored
    ids = label(drawing.label, connectivity=1).astype(np.uint8)
    assert f"read as ids of {ids.max()} objects (cell)" in told(ids)


@pytest.mark.deep("a mask is scored above, and at the threshold in view in Python")
def test_the_threshold_in_view_is_the_one_that_is_scored(
    served: Callable, tiny: str, picture: Path, drawing, tmp_path: Path
):
    result = segment_file(str(picture), tiny)

    def build() -> None:
        show = gr.Button("Show")
        main = viewer("viewer")
        show.click(lambda: show_result(result), None, main)
        truth_tab(gr.State(lambda: result), main_viewer="viewer")

    page = served(build)
    PIL.Image.fromarray(drawing.label).save(tmp_path / "truth.png")
    page.locator("#truth input[type=file]").set_input_files(tmp_path / "truth.png")
    scores = page.locator("#truth_scores")
    expect(scores).to_contain_text(f"Scored at the threshold {result.threshold:g}.")
    told = page.locator("#truth_stale p")
    expect(told).to_be_hidden()
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#viewer canvas.drawn")).to_be_visible()
    page.locator("#viewer input.threshold").evaluate(
        "(s) => { s.value = 0.6; s.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    expect(told).to_have_text(
        f"Scored at {result.threshold:.2f}; the picture is at 0.60. Score again."
    )
    page.get_by_role("button", name="Score again").click()
    expect(told).to_be_hidden()
    expect(scores).to_contain_text("Scored at the threshold 0.6.")
    expected = score_mask(result.with_threshold(0.6), drawing.label)
    expect(scores).to_contain_text(f"{expected.dice['cell']:.4f}")


@pytest.mark.deep("ids are scored in Python, above, and in test_object_scores.py")
def test_ids_of_objects_are_scored_as_objects_or_as_it_is_said(
    truth_page: Page, drawing, tiny, picture, tmp_path: Path
):
    page = truth_page
    result = segment_file(str(picture), tiny)
    ids = label(drawing.label, connectivity=1).astype(np.uint8)
    PIL.Image.fromarray(ids).save(tmp_path / "cellpose_masks.png")
    expected = score_objects(ids, result.objects().labels)
    page.get_by_role("button", name="Segment", exact=True).click()
    expect(page.locator("#ready")).to_have_text("ready")
    page.locator("#truth input[type=file]").set_input_files(tmp_path / "cellpose_masks.png")
    scores = page.locator("#truth_scores")
    expect(scores).to_contain_text(f"read as ids of {ids.max()} objects (cell)")
    shares = [expected.ap50, expected.f1, expected.precision, expected.recall]
    cells = scores.locator("table").first.locator("td:last-child")
    own, true = expected.proposed_count, expected.true_count
    expect(cells.nth(4)).to_have_text(f"{own} of {true}")
    assert cells.all_inner_texts()[:4] == [f"{each:.4f}" for each in shares]
    expect(scores).to_contain_text(f"{own - true:+d} ({100 * expected.count_error:.1f} %)")
    counts = [expected.found, expected.missed, expected.false, expected.split, expected.merged]
    kinds = page.locator("#truth_objects section")
    expect(kinds.locator("> b")).to_have_text([str(each) for each in counts])
    # From one to the next of a kind, the largest first, and round again.
    missed = np.bincount(ids.ravel())[list(expected.missed_ids)]
    place = page.locator("#truth_viewer .viewer")
    expect(page.locator("#truth_viewer canvas.drawn")).to_be_visible()
    expect(page.locator("#truth_viewer .legend")).to_contain_text("missed")
    page.get_by_role("button", name="Next missed").click()
    expect(kinds.nth(1).locator("output")).to_have_text(f"1 of {missed.size}")
    expect(kinds.nth(1).locator("[aria-current]")).to_contain_text(f"{missed.max()} px")
    first = place.get_attribute("data-camera")
    page.get_by_role("button", name="Previous missed").click()
    expect(kinds.nth(1).locator("output")).to_have_text(f"{missed.size} of {missed.size}")
    expect(place).not_to_have_attribute("data-camera", first)
    page.locator("#truth_class").get_by_label("cell").click()
    expect(page.locator("#truth_viewer .legend")).to_contain_text("cell, missed")
    pixels = score_mask(result, drawing.label)
    expect(scores).to_contain_text(f"{pixels.dice['cell']:.4f}")
    page.locator("#read_as").get_by_label("Classes").click()
    expect(scores.locator("[role=alert]")).to_contain_text("has no clear meaning")


@pytest.mark.deep("test_comparison.py refuses a mask of another size")
def test_a_mask_of_another_image_is_told(truth_page: Page, tmp_path: Path):
    page = truth_page
    PIL.Image.fromarray(np.zeros((10, 20), np.uint8)).save(tmp_path / "other.png")
    page.get_by_role("button", name="Segment", exact=True).click()
    expect(page.locator("#ready")).to_have_text("ready")
    page.locator("#truth input[type=file]").set_input_files(tmp_path / "other.png")
    expect(page.locator("#truth_scores [role=alert]")).to_contain_text(
        f"other.png is 20 x 10 pixels, the image {SIZE} x {SIZE}."
    )
