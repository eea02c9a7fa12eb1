"""A link to a view: what is copied opens what was seen, and an address that is wrong is told."""

import json
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from demo.segment.examples import examples
from demo.segment.share_link import Asked, read_link, show_as_asked
from demo.viewer.component import show_result
from unet_hf import UNet

from ...support.browsing import NO_CLIPBOARD, upload
from ...support.viewing import camera, canvas_of, silence, slide, viewer_of


def test_a_link_opens_the_view_that_was_copied(page: Page, demo_url: str):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Membranes (synthetic)").click()
    viewer = viewer_of(page)
    expect(viewer.locator(".legend")).to_contain_text("membrane", timeout=30_000)
    slide(viewer, ".threshold", 0.37)
    slide(viewer, ".opacity", 0.8)
    for _ in range(5):
        viewer.get_by_role("button", name="Zoom in").click()
    viewer.locator("canvas").press("ArrowRight")
    viewer.locator("canvas").press("ArrowUp")
    copy = page.get_by_role("button", name="Copy link")
    assert "deleted after an hour" in copy.get_attribute("title")
    with silence(page):
        copy.click()
        expect(page.locator("#share")).to_contain_text("Copied.")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{demo_url}/?example=em-drawn&threshold=0.37&opacity=0.8&x=")
    assert page.url == link

    other = page.context.new_page()
    other.goto(link)
    expect(other.locator("#viewer canvas.drawn")).to_be_visible(timeout=30_000)
    assert other.locator("#model input").input_value().endswith("unet-isbi")
    assert camera(viewer_of(other)) == camera(viewer)
    viewer.locator("canvas").press("h")  # the cross of the keys is no part of the picture
    page.keyboard.press("h")
    assert np.array_equal(canvas_of(viewer_of(other)), canvas_of(viewer))
    assert not other.locator("#alert [role=alert]").count()
    other.close()


@pytest.mark.deep("an address is read: below")
def test_an_upload_has_no_link_and_wrong_values_of_a_link_are_told(
    page: Page, demo_url: str, stack: Path
):
    page.evaluate(NO_CLIPBOARD)
    page.get_by_role("button", name="Copy link").click()
    shown = page.get_by_label("Link to this view")
    expect(shown).to_be_focused()
    assert shown.input_value().endswith("/?example=tissue")
    assert page.evaluate("String(getSelection())") == shown.input_value()
    upload(page, stack)
    expect(page.locator("#facts")).to_contain_text("80 × 60 px")
    expect(page.locator("#share")).to_be_hidden()
    page.get_by_label("Channel").fill("0")
    expect(page.locator("#facts")).to_contain_text("channel 0 of 2")
    expect(page.get_by_role("button", name="Mask (PNG)")).to_be_enabled(timeout=30_000)
    expect(page.locator("#share")).to_be_hidden()

    # Wrong values of an address are told.
    page.goto(f"{demo_url}/?example=moon&threshold=7&x=abc&zoom=2&model=no%20such")
    alert = page.locator("#alert [role=alert]")
    for words in (
        "no example 'moon'; there are tissue, em-drawn",
        "threshold=7; a number from 0 to 1",
        "x=abc; a place in pixels",
        "The address has x, zoom; x, y and zoom go together.",
        "'no such'",
    ):
        expect(alert).to_contain_text(words, timeout=30_000)
    expect(page.locator("#viewer .legend")).to_contain_text("nucleus", timeout=30_000)
    assert page.locator("#model input").input_value().endswith("unet-nuclei")
    assert json.loads(viewer_of(page).get_attribute("data-seen"))["threshold"] == 0.4
    page.goto(f"{demo_url}/?example=alloy-drawn&threshold=0.5")
    expect(alert).to_contain_text("more than two classes", timeout=30_000)
    expect(page.locator("#viewer .legend")).to_be_visible()


def test_an_address_is_read():
    asked = read_link(
        {"example": "em-drawn", "opacity": "1", "x": "0.5", "y": "-3", "zoom": "4"}, examples()
    )
    assert asked.example.title == "Membranes (synthetic)"
    assert (asked.model, asked.threshold, asked.opacity) == (None, None, 1.0)
    assert asked.camera == {"x": 0.5, "y": -3.0, "zoom": 4.0}
    assert not asked.faults
    for text in ("nan", "inf", "-0.1", "1e9", "", "0x1"):
        assert len(read_link({"opacity": text}, examples()).faults) == 1
    assert read_link({"__theme": "dark"}, examples()).faults == ()


def test_the_opacity_of_a_link_stays_with_the_results_that_follow(monkeypatch, tmp_path):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    result = UNet(base_channels=2, depth=1).segment(np.zeros((10, 20), np.uint8))
    assert show_as_asked(result, Asked(opacity=0.8), "a checkpoint")["alpha"] == 0.8
    for usual in (show_as_asked(result, Asked(), "a checkpoint"), show_result(result)):
        assert "alpha" not in usual  # the viewer leaves it as it is


@pytest.mark.deep("a click within the first second")
@pytest.mark.parametrize("script", ["share_link.js", "viewer.js"])
def test_no_click_on_the_link_is_lost_while_a_script_loads(
    browser: Browser, demo_url: str, script: str
):
    context = browser.new_context()
    context.add_init_script(f"({NO_CLIPBOARD})()")
    held: list[Route] = []
    context.route(f"**/{script}", lambda route: held.append(route))
    page = context.new_page()
    page.goto(demo_url)
    button = page.get_by_role("button", name="Copy link")
    expect(button).to_be_visible(timeout=60_000)
    if script == "viewer.js":
        button.click()
        expect(page.get_by_text("The picture is on its way.")).to_be_visible()
        held[0].continue_()
    else:
        expect(button).to_be_disabled()
        held[0].continue_()
        button.click()
    expect(page.get_by_label("Link to this view")).to_have_value(f"{demo_url}/?example=tissue")
    context.close()
