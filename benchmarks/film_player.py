"""How the film player plays: `python -m benchmarks.film_player` (needs requirements-dev.txt,
chromium).

Shows films of discs that crawl, the same as in `benchmarks.crowd`, with their tracks, in headless
Chromium without a graphics card. Measured in the page: from the value to the first picture, to its
objects, and to the tracks; frames a second when it plays at 20, the first time through the film
and the second; how long the longest task holds the page up meanwhile; a step to the frame before;
a click, until the cell is chosen and drawn so; and the memory of the page's process after all of
this. On a machine that is busy, look at the milliseconds of the CPU for each frame, of the page's
main thread and of all of the browser's processes: others do not change them much.
"""

import argparse
import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

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
# From the middle of the picture to the right until there is a cell.
CLICK = """() => new Promise((done) => {
  const root = document.querySelector("#film_player .film");
  const canvas = root.querySelector(".stage canvas"), box = canvas.getBoundingClientRect();
  root.querySelector(".stage").dispatchEvent(
    new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
  requestAnimationFrame(() => requestAnimationFrame(() => {
    const started = performance.now();
    root.addEventListener("film:drawn", () => done(performance.now() - started), { once: true });
    for (let far = 0; far < 60 && !root.dataset.track; far++) {
      const at = { clientX: box.left + box.width / 2 + far, clientY: box.top + box.height / 2,
        bubbles: true, pointerId: 1, button: 0, isPrimary: true };
      canvas.dispatchEvent(new PointerEvent("pointerdown", at));
      canvas.dispatchEvent(new PointerEvent("pointerup", at));
    }
  }));
})"""
HEAD = (
    "frame", "objects", "first picture (s)", "its objects (s)", "tracks (s)", "frames/s",
    "CPU a frame, main thread (ms)", "of all (ms)", "longest task (ms)", "step (ms)", "click (ms)",
    "memory (MB)",
)  # fmt: skip


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
            figures = measured_player(browser, value, options.frames)
            rows.append([f"{size} x {size}", f"{objects:,}", *figures])
            print(rows[-1], flush=True)
        browser.close()
    print(table(HEAD, rows))
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


def measured_player(browser: Browser, value: dict[str, Any], frames: int) -> list[str]:
    with gr.Blocks(analytics_enabled=False) as demo:
        button = gr.Button("Show", elem_id="show")
        button.click(lambda: value, None, film_player())
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(url)
    figures = measured(browser, page, frames)
    page.close()
    demo.close()
    return figures


def measured(browser: Browser, page: Page, frames: int) -> list[str]:
    page.locator("#show").wait_for()
    page.wait_for_selector("#film_player .film", state="attached")
    shown = page.evaluate(SHOW)
    page.wait_for_timeout(1000)
    main, all_of_it = page.context.new_cdp_session(page), browser.new_browser_cdp_session()
    main.send("Performance.enable", {"timeDomain": "threadTicks"})
    rates, costs, longest = [], [], 0.0
    for _ in range(2):  # the first time through the film and the second
        before = seconds_of(main), sum(processes(all_of_it).values())
        played = page.evaluate(PLAY, frames)
        after = seconds_of(main), sum(processes(all_of_it).values())
        costs.append([(end - start) / frames for start, end in zip(before, after, strict=True)])
        rates.append(played["rate"])
        longest = max(longest, played["longest"])
    page.wait_for_timeout(1000)
    step, click = (sorted(page.evaluate(act) for _ in range(5))[2] for act in (STEP, CLICK))
    return [
        *(f"{shown[name] / 1000:.2f}" for name in ("first", "objects", "tracks")),
        ", ".join(f"{rate:.1f}" for rate in rates),
        *(", ".join(f"{1000 * cost:.0f}" for cost in of) for of in zip(*costs, strict=True)),
        f"{longest:.0f}", f"{step:.0f}", f"{click:.0f}", f"{memory(all_of_it) / 1e6:.0f}",
    ]  # fmt: skip


def seconds_of(page: CDPSession) -> float:
    """CPU seconds that the page's main thread has taken."""
    found = {one["name"]: one["value"] for one in page.send("Performance.getMetrics")["metrics"]}
    return found["TaskDuration"]


def processes(browser: CDPSession) -> dict[int, float]:
    """CPU seconds that each process of the browser has taken, by its number."""
    found = browser.send("SystemInfo.getProcessInfo")["processInfo"]
    return {one["id"]: one["cpuTime"] for one in found}


def memory(browser: CDPSession) -> int:
    """Bytes in memory of the largest process, which is the page's."""
    statuses = (Path(f"/proc/{number}/status").read_text() for number in processes(browser))
    return max(1024 * int(re.search(r"VmRSS:\s+(\d+)", one).group(1)) for one in statuses)


if __name__ == "__main__":
    main()
