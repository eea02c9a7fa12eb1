"""Ground truth, comparison and batch as a visitor meets them, in a real browser; each tab on a
page of its own."""

import re
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import gradio as gr
import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Locator, Page, expect
from skimage.measure import label

from demo.batch import job as batch_job
from demo.batch.tab import BatchTab
from demo.compare.tab import compare_tab
from demo.server import predictions
from demo.server.folders import ResultFolders
from demo.server.in_view import InView
from demo.server.models import load_model
from demo.server.predictions import segment_file
from demo.server.queue import PREDICTS
from demo.truth.tab import truth_tab
from demo.viewer.component import show_result, viewer
from unet_hf import UNet
from unet_hf.evaluation.comparison import compare_predictions, score_mask
from unet_hf.evaluation.object_scores import score_objects

from .browsing import type_over
from .page_events import Events
from .serving import IMAGES, SIZE, Gate, at_work, drop, state, until

# ---------------------------------------------------------------- ground truth


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


# ---------------------------------------------------------------- comparison


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
    type_over(threshold(page, "b"), "0.99")  # what is shown is of the threshold before
    expect(told).to_contain_text("see where they differ")
    expect(page.locator("#compare_map canvas.drawn")).to_have_count(0)
    type_over(threshold(page, "b"), f"{cuts[0]:.2f}")
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


# ---------------------------------------------------------------- batch


@pytest.fixture
def batch_page(served: Callable, tiny: str, picture: Path) -> Page:
    def build() -> None:
        BatchTab([tiny], tiny, ResultFolders())
        other = gr.Button("Somebody else's image")
        answer = gr.Markdown(elem_id="answer")

        def segment() -> str:
            return str(segment_file(str(picture), tiny).summary()["size"])

        other.click(segment, None, answer, **PREDICTS)

    return served(build)


def is_answered(page: Page) -> None:
    expect(page.locator("#answer")).to_have_text(f"[{SIZE}, {SIZE}]")


def test_twenty_images_one_corrupt_stopped_and_resumed(
    batch_page: Page, images: Path, gate: Gate, tiny: str, tmp_path: Path
):
    page = batch_page
    drop(page, images)
    expect(state(page)).to_have_text("20 image files, ready.")
    expect(page.locator("#batch_progress")).to_contain_text("notes.txt is no image by its ending")

    gate.let(5)
    page.locator("#batch_run").click()
    expect(state(page)).to_contain_text("5 of 20 segmented")
    expect(state(page)).to_contain_text("left")
    page.locator("#batch_stop").click()
    expect(page.locator("#batch_stop")).to_be_disabled()
    expect(state(page)).to_contain_text("Stopping")
    gate.let(1)  # the image at hand
    expect(state(page)).to_have_attribute("data-state", "stopped")
    expect(page.locator("#batch_zip")).to_be_enabled()
    expect(page.locator("#batch_run")).to_have_text("Go on")
    asked = len(gate.asked)
    assert asked <= 7

    page.get_by_role("button", name="Somebody else's image").click()  # the network is free
    gate.let(1000)
    is_answered(page)
    page.locator("#batch_run").click()
    expect(state(page)).to_have_text("Finished: 19 of 20 segmented, 1 failed.", timeout=30_000)
    expect(page.locator("#batch_progress li").first).to_contain_text("plate1/07.png")
    assert len(gate.asked) <= IMAGES + 1  # what was finished is not computed again
    expect(page.locator("#batch_table tbody tr")).to_have_count(IMAGES - 1)

    with page.expect_download() as waiting:
        page.locator("#batch_zip").click()
    waiting.value.save_as(tmp_path / "all.zip")
    # Small pictures came one by one; the files of those that are in view are asked for.
    previews = page.locator("#batch_previews button")
    expect(previews).to_have_count(IMAGES - 1)
    expect(previews.first).to_have_attribute("title", "Open plate0/00.png under Segment")
    is_drawn = "button => button.querySelector('img').naturalWidth > 0"
    previews.first.scroll_into_view_if_needed()
    until(lambda: previews.first.evaluate(is_drawn))
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        names = archive.namelist()
        assert sum(name.endswith("_mask.png") for name in names) == IMAGES - 1
        assert {"summary.csv", "objects.csv", "failed.csv", "left_out.txt"} <= set(names)
        with archive.open("plate0/04_mask.png") as file, PIL.Image.open(file) as mask:
            pixels = np.random.default_rng(4).integers(0, 256, (40, 48), dtype=np.uint8)
            expected = UNet.from_pretrained(tiny).segment(pixels).mask
            assert np.array_equal(np.asarray(mask), expected)


def test_a_browser_closed_half_way_leaves_no_job_running(
    batch_page: Page, images: Path, gate: Gate, monkeypatch
):
    told = threading.Event()
    stop = batch_job.BatchJob.stop
    monkeypatch.setattr(batch_job.BatchJob, "stop", lambda *given: stop(*given) or told.set())
    page, other = batch_page, batch_page.another()
    drop(page, images)
    page.locator("#batch_run").click()
    gate.let(2)
    expect(state(page)).to_contain_text("2 of 20 segmented")
    page.close()
    assert told.wait(60)
    gate.let(1000)  # an image is still at hand
    other.get_by_role("button", name="Somebody else's image").click()
    is_answered(other)
    until(lambda: not at_work())
    # The one at hand, and somebody else's; the others were still to do, and nobody does them.
    assert len(gate.asked) == 4


@pytest.mark.deep("test_batch_tab.py and test_archives.py")
def test_another_batch_after_the_first_and_what_is_no_archive_of_images_is_told(
    batch_page: Page, images: Path, picture: Path, tmp_path: Path
):
    page = batch_page
    drop(page, images)
    page.locator("#batch_run").click()
    expect(state(page)).to_have_attribute("data-state", "finished", timeout=30_000)
    page.locator("#batch_upload").get_by_label("Clear").click()
    expect(page.locator("#batch_run")).to_be_disabled()
    expect(page.locator("#batch_table tr")).to_have_count(0)
    drop(page, picture)
    page.locator("#batch_run").click()
    expect(state(page)).to_have_text("Finished: 1 of 1 segmented.")

    page.locator("#batch_upload").get_by_label("Clear").click()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../../evil.png", "no image")
    page.locator("#batch_upload input[type=file]").set_input_files(tmp_path / "a.zip")
    expect(page.locator("#batch_told [role=alert]")).to_contain_text(
        "There is no image in what was sent"
    )
    expect(page.locator("#batch_run")).to_be_disabled()


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
    expect(threshold(page, "b")).not_to_have_value("")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("#compare_told table").first).to_be_visible()
    assert is_whole()
