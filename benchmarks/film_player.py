"""How the film player plays: `python -m benchmarks.film_player` (needs requirements-dev.txt,
chromium).

Shows films of discs that crawl, the same as in `benchmarks.crowd`, with their tracks, in headless
Chromium without a graphics card. Measured in the page: from the value to the first frame with its
objects, and to the tracks; frames a second when it plays at 20, the first time through the film
and the second; how long the longest task holds the page up meanwhile; and a step to the frame
before. On a machine that is busy, look at the milliseconds of the CPU that the page takes for each
frame: others do not change them much.
"""

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from playwright.sync_api import CDPSession, Page, sync_playwright

from demo.films.pictures import FramePictures
from demo.films.player import film_player
from demo.parts.gradio_internals import served_address, upload_folder
from unet_hf.film.frames import open_film

from .crowd import crawling_discs
from .measuring import on_this_machine, table

SHOW = """() => new Promise((done) => {
  const root = document.querySelector("#film_player .film"), started = performance.now();
  const times = {};
  const look = () => {
    const now = performance.now() - started;
    if (root.querySelector(".stage canvas").ariaLabel.startsWith("Frame")) times.first ??= now;
    if (root.dataset.drawn === "0") times.objects ??= now;
    if (root.querySelector(".by").textContent.includes("track")) times.tracks ??= now;
    if (Object.keys(times).length === 3) done(times);
    else requestAnimationFrame(look);
  };
  document.querySelector("#show").click();
  look();
})"""
PLAY = """(frames) => new Promise((done) => {
  const root = document.querySelector("#film_player .film");
  const speed = root.querySelector(".speed select");
  let seen = 0, longest = 0, last = root.dataset.drawn;
  const tasks = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
  });
  tasks.observe({ type: "longtask" });
  speed.value = "20";
  speed.dispatchEvent(new Event("change", { bubbles: true }));
  const started = performance.now();
  const count = () => {
    if (root.dataset.drawn === last) return;
    last = root.dataset.drawn;
    if (++seen < frames) return;
    root.removeEventListener("film:drawn", count);
    root.querySelector(".play").click();
    done({ rate: 1000 * frames / (performance.now() - started), longest });
  };
  root.addEventListener("film:drawn", count);
  root.querySelector(".play").click();
})"""
STEP = """() => new Promise((done) => {
  const root = document.querySelector("#film_player .film"), started = performance.now();
  root.addEventListener("film:drawn", () => done(performance.now() - started), { once: true });
  root.querySelector(".stage").dispatchEvent(
    new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
})"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 2048])
    parser.add_argument("--frames", type=int, default=20)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=served_root()) as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for size in options.sizes:
            shown = Path(folder) / str(size)
            shown.mkdir()
            value, objects = made_up(size, options.frames, shown)
            with gr.Blocks(analytics_enabled=False) as demo:
                button = gr.Button("Show", elem_id="show")
                button.click(lambda shown=value: shown, None, film_player())
            _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(url)
            rows.append([f"{size} x {size}", f"{objects:,}", *measured(page, options.frames)])
            print(rows[-1], flush=True)
            page.close()
            demo.close()
        browser.close()
    head = (
        "frame", "objects", "first frame (s)", "with objects (s)", "tracks (s)", "frames/s",
        "CPU a frame (ms)", "longest task (ms)", "step (ms)",
    )  # fmt: skip
    print(table(head, rows))
    print(f"\n{on_this_machine()}")


def served_root() -> Path:
    """Gradio serves what lies there."""
    root = upload_folder()
    root.mkdir(parents=True, exist_ok=True)
    return root


def made_up(size: int, frames: int, shown: Path) -> tuple[dict[str, Any], int]:
    """What the player is shown, and the objects of a frame."""
    labels = crawling_discs(size, frames)
    noise = np.random.default_rng(1).integers(0, 40, (size, size), dtype=np.uint8)
    film = open_film(np.where(labels > 0, np.uint8(160), np.uint8(20)) + noise)
    pictures = FramePictures(shown, film.first)

    for index in range(frames):
        pictures.add(index, (film.read(index), labels[index]))
    tracks = shown / "tracks.json"
    tracks.write_text(json.dumps(true_tracks(labels)))
    value = {
        "id": shown.name, "name": f"{size}.tif", "width": size, "height": size, "frames": frames,
        "pixel_size": None, "images": pictures.images, "labels": pictures.labels,
        "tracks": served_address(tracks), "edits": [], "refused": "",
    }  # fmt: skip
    return value, len(np.unique(labels[0])) - 1


def true_tracks(labels: np.ndarray) -> dict[str, Any]:
    """A `TracksFile`: discs keep their number."""
    columns: dict[str, list] = {name: [] for name in ("frame", "id", "track", "x", "y", "area")}
    y, x = np.indices(labels.shape[1:])
    for frame, numbers in enumerate(labels):
        areas = np.bincount(numbers.ravel())
        areas[0] = 0
        (ids,) = np.nonzero(areas)
        columns["frame"] += [frame] * len(ids)
        columns["id"] += ids.tolist()
        columns["area"] += areas[ids].tolist()
        for name, along in (("x", x), ("y", y)):
            sums = np.bincount(numbers.ravel(), along.ravel())
            columns[name] += (sums[ids] / areas[ids]).round(2).tolist()
    columns |= {"track": columns["id"], "intensity": columns["area"]}
    ids = sorted(set(columns["id"]))
    last = [len(labels) - 1] * len(ids)
    colors = [f"#{number * 7919 % 0xFFFFFF:06x}" for number in ids]
    none = [0] * len(ids)
    tracks = {"id": ids, "parent": none, "first": none, "last": last, "color": colors}
    return {"objects": columns, "area_unit": "px", "tracks": tracks}


def measured(page: Page, frames: int) -> list[str]:
    page.locator("#show").wait_for()
    page.wait_for_selector("#film_player .film", state="attached")
    shown = page.evaluate(SHOW)
    page.wait_for_timeout(1000)
    cpu = page.context.new_cdp_session(page)
    cpu.send("Performance.enable", {"timeDomain": "threadTicks"})
    rates, costs, longest = [], [], 0.0
    for _ in range(2):  # the first time through the film and the second
        before = seconds_of(cpu)
        played = page.evaluate(PLAY, frames)
        costs.append((seconds_of(cpu) - before) / frames)
        rates.append(played["rate"])
        longest = max(longest, played["longest"])
    page.wait_for_timeout(1000)
    step = sorted(page.evaluate(STEP) for _ in range(5))[2]
    return [
        *(f"{shown[name] / 1000:.2f}" for name in ("first", "objects", "tracks")),
        ", ".join(f"{rate:.1f}" for rate in rates),
        ", ".join(f"{1000 * cost:.0f}" for cost in costs),
        f"{longest:.0f}", f"{step:.0f}",
    ]  # fmt: skip


def seconds_of(cpu: CDPSession) -> float:
    """CPU seconds that the page's main thread has taken."""
    metrics = {one["name"]: one["value"] for one in cpu.send("Performance.getMetrics")["metrics"]}
    return metrics["TaskDuration"]


if __name__ == "__main__":
    main()
