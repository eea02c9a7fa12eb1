"""Many images as a visitor meets them, in a real browser."""

import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import gradio as gr
import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Page, expect

from demo.batch import job as batch_job
from demo.batch.tab import BatchTab
from demo.server.folders import ResultFolders
from demo.server.predictions import segment_file
from demo.server.work.queue import PREDICTS
from unet_hf import UNet

from ...support.serving import IMAGES, SIZE, Gate, at_work, drop, state, until


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
