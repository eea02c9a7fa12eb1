"""How fast the viewer draws: `python -m benchmarks.viewer` (needs requirements-dev.txt, chromium).

Shows made-up results of two classes in headless Chromium, without a graphics card, and changes
one thing a hundred times. Measured in the page with performance.now: the drawing itself, and the
whole way from the event to the end of the frame that shows it. A screen has 16.7 ms a frame.
"""

import argparse
import shutil
import statistics
import time

import gradio as gr
import numpy as np
from playwright.sync_api import Page, sync_playwright

from demo.viewer import show_result, viewer
from unet_hf import Segmentation
from unet_hf.image_data import ImageData
from unet_hf.segmentation import decide

FRAME = 1000 / 60  # ms
# Each changes something, given the number of the change.
CHANGES = {
    "opacity": "slide('.opacity', 0.2 + (i % 50) / 100)",
    "threshold": "slide('.threshold', 0.2 + (i % 50) / 100)",
    "a class": "root.querySelectorAll('.legend button')[1].click()",
    "outline on and off": "root.querySelector('[data-toggle=outline]').click()",
    "zoom": "root.querySelector(`[data-do=${i % 12 < 6 ? 'zoomIn' : 'zoomOut'}]`).click()",
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


def made_up(side: int) -> Segmentation:
    """Blobs in 16 bits, (side, side), with a probability that is blurred at their borders."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    waves = np.sin(x / 19) * np.cos(y / 23) + np.sin((x + y) / 41)
    noise = np.random.default_rng(0).normal(0, 0.1, (side, side)).astype(np.float32)
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


def measure(page: Page, url: str, side: int, rounds: int) -> None:
    started = time.perf_counter()
    page.goto(f"{url}?side={side}")
    page.wait_for_selector("#viewer canvas.drawn", timeout=120_000)
    seconds = time.perf_counter() - started
    canvas = page.evaluate(
        "() => { const c = document.querySelector('#viewer canvas'); return [c.width, c.height]; }"
    )
    print(f"{side} x {side} on a canvas of {canvas[0]} x {canvas[1]}; opened in {seconds:.1f} s")
    for name, change in CHANGES.items():
        times = page.evaluate(MEASURE.replace("CHANGE", change), rounds)
        work = statistics.median(time[0] for time in times)
        whole = statistics.median(time[1] for time in times)
        print(
            f"  {name:20} {work:5.1f} ms of work ({work / FRAME:.2f} of a frame), "
            f"{whole:5.1f} ms to the end of its frame"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[512, 2048, 4096])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--ratio", type=float, default=1, help="device pixels to a CSS pixel")
    options = parser.parse_args()

    def on_load(request: gr.Request) -> dict:
        return show_result(made_up(int(request.query_params["side"])))

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
            browser.close()
    finally:
        demo.close()


if __name__ == "__main__":
    main()
