"""How fast the viewer draws: `python -m benchmarks.viewer` (needs requirements-dev.txt, chromium).

Shows made-up results of two classes in headless Chromium, without a graphics card, and changes
one thing a hundred times. Measured in the page with performance.now: the drawing itself, and the
whole way from the event to the end of the frame that shows it. A screen has 16.7 ms a frame.
Pictures above `MOST_PIXELS` are measured twice: as a whole, and at one CSS pixel to a pixel, with
the tiles in view. Writing them for the browser is timed, too.
"""

import argparse
import shutil
import statistics
import time
from functools import lru_cache
from pathlib import Path

import gradio as gr
import numpy as np
from playwright.sync_api import Page, sync_playwright

from demo.viewer.component import show_result, thinning, viewer
from unet_hf import Segmentation
from unet_hf.images.image_data import ImageData
from unet_hf.predict.decision import decide

FRAME = 1000 / 60  # ms
# Each changes something, given the number of the change.
CHANGES = {
    "opacity": "slide('.opacity', 0.2 + (i % 50) / 100)",
    "threshold": "slide('.threshold', 0.2 + (i % 50) / 100)",
    "a class": "root.querySelectorAll('.legend button')[1].click()",
    "outline on and off": "root.querySelector('[data-toggle=outline]').click()",
    "zoom": "root.querySelector(`[data-do=${i % 12 < 6 ? 'zoomIn' : 'zoomOut'}]`).click()",
    "pan": "root.querySelector('canvas').dispatchEvent(new KeyboardEvent('keydown', "
    "{ key: i % 20 < 10 ? 'ArrowRight' : 'ArrowLeft' }))",
    "contrast": "slide('.high', 60000 - 200 * i)",
}
MEASURE = """async (rounds) => {
  const root = document.querySelector("#viewer .viewer"), times = [];
  const slide = (name, value) => {
    const input = root.querySelector(name);
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  };
  for (let i = 0; i < rounds; i++) {
    const drawn = new Promise((done) => root.addEventListener("viewer:drawn",
      (event) => done(event.detail.milliseconds), { once: true }));
    const started = performance.now();
    CHANGE;
    const handled = performance.now() - started;
    const drawing = await drawn;
    times.push([handled + drawing, performance.now() - started]);
  }
  return times;
}"""


@lru_cache(maxsize=1)
def made_up(side: int) -> Segmentation:
    """Blobs in 16 bits, (side, side), with a probability that is blurred at their borders."""
    x = np.arange(side, dtype=np.float32)
    y = x[:, None]
    waves = np.sin(x / 19) * np.cos(y / 23) + np.sin((x + y) / 41)
    noise = np.random.default_rng(0).standard_normal((side, side), np.float32) / 10
    probability = 1 / (1 + np.exp(-6 * (waves + noise)))
    pixels = (20000 + 12000 * (waves + 2 * noise)).clip(0, 65535).astype(np.uint16)
    probabilities = np.stack([1 - probability, probability])
    return Segmentation(
        mask=decide(probabilities, 0.5),
        probabilities=probabilities,
        id2label={0: "background", 1: "blob"},
        colors=["#999999", "#d55e00"],
        threshold=0.5,
        image=ImageData(pixels[..., None], source="made up", format="array", axes="YX"),
    )


def measure(page: Page, url: str, side: int, rounds: int, zoom: float | None = None) -> None:
    started = time.perf_counter()
    page.goto(f"{url}?side={side}" + (f"&zoom={zoom}" if zoom else ""))
    page.wait_for_selector("#viewer canvas.drawn", timeout=300_000)
    page.wait_for_selector("#viewer .viewer[data-missing='0']", timeout=60_000)
    seconds = time.perf_counter() - started
    width, height = page.evaluate(
        "() => { const c = document.querySelector('#viewer canvas'); return [c.width, c.height]; }"
    )
    seen = f"zoom {zoom:g}" if zoom else "as a whole"
    print(f"{side} x {side}, {seen}, on a canvas of {width} x {height}; opened in {seconds:.1f} s")
    for name, change in CHANGES.items():
        times = page.evaluate(MEASURE.replace("CHANGE", change), rounds)
        work = statistics.median(time[0] for time in times)
        whole = statistics.median(time[1] for time in times)
        print(
            f"  {name:20} {work:5.1f} ms of work ({work / FRAME:.2f} of a frame, longest "
            f"{max(time[0] for time in times):5.1f} ms), {whole:5.1f} ms to the end of its frame"
        )


def written(side: int, zoom: float | None) -> dict:
    """The transfer of a picture, opened in its middle; says how long it took, and its size."""
    result = made_up(side)
    started = time.perf_counter()
    camera = {"x": side / 2, "y": side / 2, "zoom": zoom} if zoom else None
    payload = show_result(result, camera=camera)
    seconds = time.perf_counter() - started
    files = list(Path(payload["data"]["path"]).parent.iterdir())
    megabytes = sum(path.stat().st_size for path in files) / 1e6
    print(f"{side} x {side} written in {seconds:.2f} s: {len(files)} files, {megabytes:.1f} MB")
    return payload


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 2048, 4096, 8192])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--ratio", type=float, default=1, help="device pixels to a CSS pixel")
    options = parser.parse_args()

    def on_load(request: gr.Request) -> dict:
        asked = request.query_params
        return written(int(asked["side"]), float(asked["zoom"]) if "zoom" in asked else None)

    with gr.Blocks(analytics_enabled=False) as demo:
        picture = viewer()
        demo.load(on_load, None, picture)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(
                viewport={"width": 1280, "height": 1000}, device_scale_factor=options.ratio
            )
            for side in options.sides:
                measure(page, url, side, options.rounds)
                if thinning(side, side) > 1:
                    measure(page, url, side, options.rounds, zoom=1)
            browser.close()
    finally:
        demo.close()


if __name__ == "__main__":
    main()
