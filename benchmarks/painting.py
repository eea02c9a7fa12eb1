"""What a visitor waits for who paints: `python -m benchmarks.painting` (needs chromium).

Starts the demo, opens micrographs in headless Chromium, paints strokes with the mouse, and takes
the times from the end of a stroke to the picture that answers it, and to its objects, in the page.
The first stroke comes at once after the brush was switched on, and in a second visit after `--wait`
seconds. Then the strokes are taught. The browser computes on the same cores as the server.
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import tifffile
from playwright.sync_api import Browser, Page, expect, sync_playwright

from demo.synthetic import fluorescence_nuclei

from .measuring import machine, served, written

# Seconds from the end of a stroke until the picture, and its objects, have been drawn anew.
ANSWER = """([drawn, layer]) => new Promise((done) => {
  const seconds = () => (performance.now() - window.strokeEnded) / 1000, times = [];
  const look = () => {
    if (!times.length && +document.querySelector("#viewer canvas").dataset.serial > drawn)
      times.push(seconds());
    if (times.length && +document.querySelector("#viewer .viewer").dataset.layer > layer)
      return done([...times, seconds()]);
    requestAnimationFrame(look);
  };
  look();
})"""
NOW = """() => [+document.querySelector("#viewer canvas").dataset.serial,
  +document.querySelector("#viewer .viewer").dataset.layer]"""
ENDS = """() => document.querySelector("#viewer canvas").addEventListener("pointerup",
  () => { window.strokeEnded = performance.now(); }, { capture: true })"""
TAUGHT = "document.querySelector('#teach_progress').textContent.includes('steps in')"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 1024])
    parser.add_argument("--strokes", type=int, default=10, help="of each visit")
    parser.add_argument("--wait", type=float, default=6, help="seconds with the brush switched on")
    parser.add_argument("--no_teaching", action="store_true")
    options = parser.parse_args()
    expect.set_options(timeout=60_000)
    print(machine())
    with served() as (url, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for side in options.sides:
            for wait in (0, options.wait):
                page = opened(browser, url, side)
                page.wait_for_timeout(1000 * wait)
                answers = [stroke(page, number) for number in range(options.strokes)]
                print(f"{side} x {side}, brush switched on {wait:g} s before the first stroke")
                print("  first answer: picture {:.2f} s, objects {:.2f} s".format(*answers[0]))
                pictures, objects = zip(*answers[1:], strict=True)
                print(
                    f"  next answers: picture {written(pictures)} s, objects {written(objects)} s"
                )
                page.wait_for_timeout(3000)
                if wait and not options.no_teaching:
                    began = time.perf_counter()
                    page.locator("#teach_start").click()
                    page.wait_for_function(TAUGHT, timeout=180_000)
                    seconds = time.perf_counter() - began
                    print(f"  Teach: {seconds:.0f} s; {page.inner_text('#teach_progress')}")
                page.context.close()
        browser.close()


def opened(browser: Browser, url: str, side: int) -> Page:
    """The panel Teach with the brush switched on, before a picture of so many pixels a side."""
    page = browser.new_context(viewport={"width": 1400, "height": 1150}).new_page()
    page.goto(url)
    expect(page.locator("#viewer .tally")).to_contain_text("objects")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nuclei.tif"
        drawn = fluorescence_nuclei(side, side * side // 5000, seed=0).image
        tifffile.imwrite(path, drawn)
        page.locator("#upload input[type=file]").set_input_files(path)
        expect(page.locator("#viewer .whose")).to_contain_text("nuclei.tif")
        expect(page.locator("#viewer .tally")).to_contain_text("objects")
    page.locator("#teach").get_by_text("Teach").first.click()
    page.wait_for_timeout(3000)  # the page is at rest
    page.evaluate(ENDS)
    page.locator("#teach_paint").click()
    for _ in range(4):
        page.keyboard.press("[")  # a smaller brush
    return page


def stroke(page: Page, number: int) -> list[float]:
    """Paints background and nuclei in turns; the seconds to the picture, and to its objects."""
    box = page.locator("#viewer canvas").bounding_box()
    x = box["x"] + box["width"] * (0.2 + 0.06 * number)
    y = box["y"] + box["height"] * (0.3 if number % 2 else 0.6)
    page.keyboard.press(str(1 + number % 2))
    before = page.evaluate(NOW)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 16, y + 4, steps=4)
    page.mouse.up()
    return page.evaluate(ANSWER, before)


if __name__ == "__main__":
    main()
