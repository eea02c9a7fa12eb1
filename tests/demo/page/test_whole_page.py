"""What the parts of the page are to each other: one memory for all results, one network for all
visitors. The page itself, in a real browser, served by this process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Page, expect

from demo.interface import build
from demo.server import limits
from demo.server.results.result_store import GONE, result_store
from demo.server.work.queue import turns

from ...support.serving import IMAGES, Gate, at_work, drop, in_queue, state, until
from ...support.viewing import slide, viewer_of

pytestmark = pytest.mark.deep("test_kept.py, test_segment_tab.py and test_batch_job.py, in Python")


@pytest.fixture
def little_memory(monkeypatch) -> Iterator[None]:
    """For one result of 512 x 512 pixels and its objects, and not for another one."""
    monkeypatch.setenv("UNET_HF_RESULT_MEGABYTES", "6.7")
    result_store.cache_clear()
    yield
    result_store.cache_clear()


def is_drawn(page: Page) -> None:
    expect(page.locator("#viewer .legend")).to_contain_text("nucleus", timeout=60_000)


def is_counted(page: Page) -> None:
    expect(page.locator("#objects tr.row").first).to_be_visible(timeout=60_000)


def test_a_result_that_left_for_another_visitors_is_told_wherever_it_is_wanted(
    little_memory, served: Callable, tmp_path: Path
):
    PIL.Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "truth.png")
    page = served(build())
    is_counted(page)
    with page.expect_download():
        page.get_by_role("button", name="Mask (PNG)").click()
    other = page.another()
    is_counted(other)
    other.get_by_role("button", name="Nuclei (synthetic)").click()
    expect(other.locator("#objects .count")).to_have_text("55 objects")
    page.get_by_role("button", name="Mask (PNG)").click()
    expect(page.locator("#alert [role=alert]")).to_have_text(GONE)
    slide(viewer_of(page), "input.threshold", 0.2)
    page.get_by_role("button", name="Count again").click()
    expect(page.locator("#objects .words")).to_have_text(GONE)
    page.get_by_role("button", name="Ground truth").click()
    page.locator("#truth input[type=file]").set_input_files(tmp_path / "truth.png")
    expect(page.locator("#truth_scores [role=alert]")).to_have_text(GONE)

    page.get_by_role("button", name="Segment", exact=True).click()
    expect(page.locator("#objects .words")).to_contain_text("Counted at threshold 0.20")
    expect(page.locator("#alert [role=alert]")).to_have_count(0)
    with page.expect_download():
        page.get_by_role("button", name="Mask (PNG)").click()


def test_too_many_objects_are_counted_and_told(served: Callable, monkeypatch):
    monkeypatch.setattr(limits, "MAX_OBJECTS", 3)
    page = served(build())
    is_drawn(page)
    expect(page.locator("#objects .words")).to_contain_text("too many to measure here. Choose a")
    expect(page.locator("#objects tr.row")).to_have_count(0)


def test_a_large_image_is_counted_when_it_is_asked_for(served: Callable, monkeypatch):
    monkeypatch.setattr(limits, "COUNTED_AT_ONCE", 100)
    page = served(build())
    expect(page.locator("#objects .words")).to_contain_text("This image is large")
    page.get_by_role("button", name="Count objects").click()
    expect(page.locator("#objects tr.row").first).to_be_visible()


def test_a_visitors_older_result_leaves_when_a_newer_one_comes(served: Callable):
    result_store.cache_clear()
    page = served(build())
    is_counted(page)
    canvas = page.locator("#viewer canvas")
    for _ in range(2):
        before = int(canvas.get_attribute("data-serial"))
        page.get_by_role("button", name="Segment", exact=True).click()
        until(lambda: int(canvas.get_attribute("data-serial")) > before)  # noqa: B023
        is_counted(page)
    until(lambda: len(result_store()) == 2)  # the result and its objects; none of those before


def test_a_batch_that_is_stopped_while_others_segment_leaves_no_job_running(
    served: Callable, gate: Gate, images: Path
):
    gate.let(1)  # what every visitor is shown at first
    page = served(build())
    is_drawn(page)
    other = page.another()  # is shown the same result
    is_drawn(other)
    page.get_by_role("tab", name="Many images").click()
    drop(page, images)
    page.locator("#batch_run").click()
    gate.let(2)
    expect(state(page)).to_contain_text("2 of 20 segmented")

    drawn = other.locator("#viewer canvas")
    before = int(drawn.get_attribute("data-serial"))
    other.get_by_role("button", name="Segment", exact=True).click()
    until(lambda: turns()._waiting)
    page.locator("#batch_stop").click()
    expect(state(page)).to_contain_text("Stopping")
    gate.let(1)  # the image at hand
    expect(state(page)).to_have_attribute("data-state", "stopped")
    asked = len(gate.asked)
    gate.let(1000)
    until(lambda: int(drawn.get_attribute("data-serial")) > before)  # and its objects, perhaps
    until(lambda: in_queue(other) == 0)
    until(lambda: not at_work())
    assert gate.asked[asked:] in ([], gate.asked[:1])  # the other visitor's, unless it was asked
    assert len(gate.asked) < IMAGES
