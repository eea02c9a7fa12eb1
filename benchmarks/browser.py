"""What a visitor waits for: `python -m benchmarks.browser` (needs requirements-dev.txt, chromium).

Starts the demo and opens it in headless Chromium. All times are taken in the page: from the
navigation to a page that can be used and to its first picture, from a click on "Segment" to the
overlay of the 512 x 512 micrograph on the canvas, from a step of a slider to the objects that it
leaves of 1024 x 1024 pixels, and from "Stop" until a batch says it stopped.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from playwright.sync_api import Browser, Page, expect, sync_playwright

from demo.synthetic import electron_micrograph, fluorescence_nuclei

from .measuring import served, spread

PAGES = 400  # of the stack: a batch that is not through before it is stopped
# Milliseconds since the navigation began, once there is such an element.
APPEARS = """(selector) => new Promise((done) => {
  const look = () => document.querySelector(selector)
    ? done(performance.now()) : requestAnimationFrame(look);
  look();
})"""
# Milliseconds from a click until an expression has another value; looked at before each frame.
CLICK = """([button, expression]) => new Promise((done) => {
  const value = new Function(`return ${expression}`), before = value();
  const started = performance.now();
  const look = () => value() !== before
    ? done(performance.now() - started) : requestAnimationFrame(look);
  document.querySelector(button).click();
  look();
})"""
# The same from a slider's new place on, and the frame that then shows it.
SLIDE = """([slider, place, expression]) => new Promise((done) => {
  const value = new Function(`return ${expression}`), before = value();
  const started = performance.now(), input = document.querySelector(slider);
  const look = () => requestAnimationFrame(() => value() !== before
    ? requestAnimationFrame(() => done(performance.now() - started)) : look());
  input.value = place;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  look();
})"""
LAYER = "document.querySelector('#viewer .viewer').dataset.layer"
DRAWN = "document.querySelector('#viewer canvas').dataset.serial"
PAINTED = "#viewer .legend button"
STOPPED = "document.querySelector('#batch_progress [data-state=stopped]') !== null"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    expect.set_options(timeout=60_000)
    with served() as (url, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        visit(browser, url)  # the first of all waits for the checkpoint, too
        visits = [visit(browser, url) for _ in range(options.rounds)]
        tell("navigation to a page that can be used", [usable for usable, _ in visits])
        tell("navigation to the first picture, segmented", [drawn for _, drawn in visits])
        page = browser.new_page()
        page.goto(url)
        tell("click to overlay, unet-isbi, 512 x 512", segment(page, options.rounds))
        for slider, times in slide(page, options.rounds).items():
            tell(f"{slider}, 1024 x 1024", times)
        tell("“Stop” to a batch that has stopped, 512 x 512", stop(page, options.rounds))
        browser.close()


def visit(browser: Browser, url: str) -> tuple[float, float]:
    """Of somebody who was never here: milliseconds to the button, and to the picture."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(url, wait_until="commit")
    times = [page.evaluate(APPEARS, what) for what in ("#segment", PAINTED)]
    context.close()
    return times[0], times[1]


def segment(page: Page, rounds: int) -> list[float]:
    expect(page.locator("#viewer canvas.drawn")).to_be_visible()
    page.locator("#examples button").nth(1).click()
    expect(page.locator("#viewer .legend")).to_contain_text("membrane")
    times = []
    for _ in range(rounds):
        page.wait_for_timeout(500)  # the page is at rest
        times.append(page.evaluate(CLICK, ["#segment", DRAWN]))
    return times


def slide(page: Page, rounds: int) -> dict[str, list[float]]:
    """A step of each slider of objects that the checkpoint has."""
    page.get_by_role("button", name="Nuclei (synthetic)").click()  # brings its checkpoint
    expect(page.locator("#viewer .legend")).to_contain_text("nucleus")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nuclei.tif"
        tifffile.imwrite(path, fluorescence_nuclei(1024, 150, seed=0).image)
        page.locator("#upload input[type=file]").set_input_files(path)
        expect(page.locator("#viewer .whose")).to_contain_text("nuclei.tif")
        expect(page.locator("#viewer .tally")).to_contain_text("objects")
    page.locator("[data-view=objects]").click()
    page.locator("#objects_options button").first.click()
    expect(page.locator("#min_size")).not_to_have_value("")  # the fields are there
    sliders = {"smallest size": ("#counting .size", 50, 1), "seed height": ("#seed", 0.4, 0.01)}
    times: dict[str, list[float]] = {}
    for name, (slider, first, step) in sliders.items():
        for number in range(rounds if page.locator(slider).is_visible() else 0):
            page.wait_for_timeout(500)
            place = first + number * step
            times.setdefault(name, []).append(page.evaluate(SLIDE, [slider, place, LAYER]))
    return times


def stop(page: Page, rounds: int) -> list[float]:
    page.get_by_role("tab", name="Many images").click()
    progress = page.locator("#batch_progress [role=status]")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stack.tif"
        picture = electron_micrograph(512, 40, seed=0).image
        stack = np.stack([np.roll(picture, shift, axis=1) for shift in range(PAGES)])
        tifffile.imwrite(path, stack, compression="zlib", metadata={"axes": "ZYX"})
        page.locator("#batch_upload input[type=file]").set_input_files(path)
        expect(progress).to_have_attribute("data-state", "ready")
    times = []
    for number in range(rounds):
        page.locator("#batch_run").click()
        expect(progress).to_have_attribute("data-state", "running")
        expect(progress).to_contain_text(f"of {PAGES} segmented")
        page.wait_for_timeout(500 + 30 * number)  # anywhere in the work on an image
        times.append(page.evaluate(CLICK, ["#batch_stop", STOPPED]))
    return times


def tell(what: str, times: list[float]) -> None:
    low, middle, high = spread(times)
    print(
        f"{what}, {len(times)} times: median {middle:.0f} ms [{low:.0f} .. {high:.0f}]", flush=True
    )


if __name__ == "__main__":
    main()
