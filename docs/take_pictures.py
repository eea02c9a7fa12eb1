"""Takes the pictures of first-steps.md from a running page, into docs/images.

    python app.py --no-browser --port 7861 &
    python -m docs.take_pictures http://127.0.0.1:7861

Needs Playwright (requirements-dev.txt) and Debian's chromium. The image is drawn by this
repository's code, so that the pictures carry nobody's licence.
"""

import io
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import PIL.Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

from .draw_figures import IMAGES

SECONDS = 120  # that a page on a busy machine may take


@contextmanager
def browsing(address: str, height: int) -> Iterator[Page]:
    """A page of 1280 px, opened in Chromium, that waits for a busy server."""
    browser = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1280, "height": height})
        page.set_default_timeout(1000 * SECONDS)
        expect.set_options(timeout=1000 * SECONDS)
        page.goto(address)
        yield page
        chromium.close()


def take(what: Page | Locator, name: str) -> None:
    """Takes a picture of the page, or of a part of it, in 96 colours."""
    picture = PIL.Image.open(io.BytesIO(what.screenshot(animations="disabled"))).convert("RGB")
    small = picture.quantize(96, dither=PIL.Image.Dither.NONE)
    small.save(IMAGES / f"{name}.png", optimize=True)


def set_threshold(viewer: Locator, share: float) -> None:
    """Moves the slider to this share of its length, and lets the page draw and count."""
    viewer.locator(".threshold").evaluate(
        "(input, share) => { input.value = Number(input.max) * share;"
        " input.dispatchEvent(new Event('input', { bubbles: true })); }",
        share,
    )
    viewer.page.wait_for_timeout(3000)


def main(address: str) -> None:
    """Walks through the page as first-steps.md does."""
    with browsing(f"{address}/?example=nuclei-drawn", 800) as page:
        viewer = page.locator("#viewer .viewer")
        expect(viewer.locator("canvas.drawn")).to_be_visible()
        expect(page.locator("#objects .count")).to_contain_text("objects")
        take(page, "page-example")
        set_threshold(viewer, 0.9)
        take(viewer, "page-threshold")
        set_threshold(viewer, 0.5)
        viewer.locator("[data-view=objects]").click()
        expect(page.locator("#objects")).to_contain_text("Counted at threshold 0.50")
        page.wait_for_timeout(8000)  # a later count would drop the choice
        row = page.locator("#objects tr.row").nth(4)
        row.click()
        page.wait_for_timeout(3000)  # it flies
        expect(row).to_have_attribute("aria-selected", "true")
        page.mouse.move(0, 0)
        page.evaluate("window.scrollTo(0, 0)")
        take(page, "page-object")


if __name__ == "__main__":
    main(sys.argv[1])
