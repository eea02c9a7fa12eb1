"""Takes the pictures of teach.md from a running page, into docs.

    python app.py --no-browser --port 7861 &
    python -m docs.take_teach_pictures http://127.0.0.1:7861

Needs Playwright (requirements-dev.txt) and Debian's chromium, and a quiet machine: the network is
taught for as long as a visitor's is. The image is the example Tissue, which scikit-image brings.
"""

import sys

from playwright.sync_api import Page, expect

from .take_pictures import browsing, take

SIDE = 512  # of the image, pixels
# The middles of strokes, (x, y) in pixels of the image, by the key of their class.
STROKES = {
    "1": [(358, 101), (389, 171), (56, 305), (311, 324), (58, 407), (319, 439)],  # background
    "2": [(115, 97), (246, 114), (119, 173), (450, 167), (442, 309), (213, 427)],  # nuclei
}


def paint(page: Page, x: float, y: float) -> None:
    """A short stroke, and what answers it."""
    canvas = page.locator("#viewer canvas.drawn")
    box, before = canvas.bounding_box(), canvas.get_attribute("data-serial")
    scale = min(box["width"], box["height"]) / SIDE
    left = box["x"] + (box["width"] - scale * SIDE) / 2 + scale * x
    top = box["y"] + (box["height"] - scale * SIDE) / 2 + scale * y
    page.mouse.move(left - 7, top - 2)
    page.mouse.down()
    page.mouse.move(left + 7, top + 2, steps=4)
    page.mouse.up()
    expect(canvas).not_to_have_attribute("data-serial", before)


def main(address: str) -> None:
    """Walks through the panel as teach.md does."""
    with browsing(f"{address}/?example=tissue", 1000) as page:
        viewer = page.locator("#viewer .viewer")
        expect(page.locator("#objects .count")).to_contain_text("objects")
        page.locator("#teach").get_by_text("Teach").first.click()
        page.wait_for_timeout(5000)  # the panel unfolds, and the network looks at the image
        viewer.evaluate("(root) => root.scrollIntoView()")
        page.locator("#viewer").get_by_role("button", name="Paint").click()
        for _ in range(12):
            page.keyboard.press("[")  # a smaller brush
        for key, places in STROKES.items():
            page.keyboard.press(key)
            for place in places:
                paint(page, *place)
        page.wait_for_timeout(5000)  # the objects of the last answer
        page.mouse.move(0, 0)
        take(viewer, "../teach-paint")
        page.locator("#teach_start").click()
        panel = page.locator("#teach")
        expect(page.locator("#teach_progress")).to_contain_text("left")
        page.wait_for_timeout(15_000)  # some of the curve
        take(panel, "../teach-progress")
        expect(page.locator("#teach_progress")).to_contain_text("steps in")
        expect(panel).to_contain_text("changed here")
        page.wait_for_timeout(5000)
        page.mouse.move(0, 0)
        take(panel, "../teach-judge")


if __name__ == "__main__":
    main(sys.argv[1])
