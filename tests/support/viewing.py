"""Looking at a viewer from a test: what is drawn where, and what it says about a pixel."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from playwright.sync_api import Locator, Page, expect

# Points the mouse at each place; gives the read-out and the colour that is drawn there.
READ = """async (root, places) => {
  const canvas = root.querySelector("canvas"), context = canvas.getContext("2d");
  const box = canvas.getBoundingClientRect(), ratio = canvas.width / box.width, found = [];
  for (const [left, top] of places) {
    const drawn = new Promise((done) => root.addEventListener("viewer:drawn", done, {once: true}));
    canvas.dispatchEvent(new PointerEvent("pointermove", {
      clientX: box.left + left, clientY: box.top + top, pointerType: "mouse", bubbles: true }));
    await drawn;
    const color = context.getImageData(
      Math.floor(left * ratio), Math.floor(top * ratio), 1, 1).data;
    found.push([root.querySelector(".readout").textContent, [...color].slice(0, 3)]);
  }
  return found;
}"""
CONTRAST = """(element) => {
  const numbers = (color) => color.match(/[0-9.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = numbers(color).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let ground = element;
  while (numbers(getComputedStyle(ground).backgroundColor)[3] === 0) ground = ground.parentElement;
  const pair = [getComputedStyle(element).color, getComputedStyle(ground).backgroundColor];
  const [dark, bright] = pair.map(light).sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
}"""
LINE = re.compile(
    r"x (\d+)  y (\d+) · ([^·]+?) (\w+)(?: · ([^·]+))?(?: · P\S* ([\d.]+))?"
    r"(?: · entropy [\d.]+)?(?: · object \d+)?"
)


@dataclass(frozen=True)
class Reading:
    x: int
    y: int
    value: str  # as the file has it
    dtype: str
    label: str | None
    probability: float | None
    color: tuple[int, int, int]  # on the canvas


def viewer_of(page: Page, elem_id: str = "viewer") -> Locator:
    return page.locator(f"#{elem_id} .viewer")


def camera(viewer: Locator) -> dict:
    """{"x", "y", "zoom", "fitted"}: the point in the middle, and CSS pixels to a pixel."""
    return json.loads(viewer.get_attribute("data-camera"))


def read(viewer: Locator, count: int, seed: int = 0) -> list[Reading]:
    """What the viewer says and draws at random places of the picture."""
    box, eye = viewer.locator("canvas").bounding_box(), camera(viewer)
    width, height = viewer.evaluate("(root) => root.dataset.size.split(' ').map(Number)")
    generator = np.random.default_rng(seed)
    sides = []
    for length, middle, side in (
        (box["width"], eye["x"], width),
        (box["height"], eye["y"], height),
    ):
        start = length / 2 - middle * eye["zoom"]  # of the picture on the stage
        first, last = max(0, start), min(length, start + side * eye["zoom"])
        sides.append(generator.uniform(first + 1, last - 2, count))
    places = np.stack(sides, axis=1).tolist()
    readings = []
    for line, color in viewer.evaluate(READ, places):
        x, y, value, dtype, label, probability = LINE.fullmatch(line).groups()
        readings.append(
            Reading(
                int(x), int(y), value, dtype, label,
                None if probability is None else float(probability), tuple(color),
            )
        )  # fmt: skip
    return readings


def slide(viewer: Locator, name: str, value: float) -> None:
    """Drags a slider, and waits until that is drawn."""
    with drawing(viewer):
        viewer.locator(name).evaluate(
            "(input, value) => { input.value = value;"
            " input.dispatchEvent(new Event('input', { bubbles: true })); }",
            value,
        )


@contextmanager
def drawing(viewer: Locator) -> Iterator[None]:
    """Waits until what happens inside has been drawn; what happened before, first."""
    viewer.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    before = int(viewer.get_attribute("data-frames"))
    yield
    viewer.page.wait_for_function(
        "([root, before]) => Number(root.dataset.frames) > before",
        arg=[viewer.element_handle(), before],
    )


def seen(viewer: Locator) -> dict:
    """How the picture is looked at, as Python is told."""
    return json.loads(viewer.get_attribute("data-seen"))


def fly(viewer: Locator, x: float, y: float, width: float, height: float) -> None:
    """To a region, at once if less motion is wanted; waits until that is drawn."""
    box = {"x": x, "y": y, "width": width, "height": height}
    with drawing(viewer):
        viewer.evaluate(
            "(root, detail) => root.dispatchEvent(new CustomEvent('viewer:fly', { detail }))", box
        )


def complete(viewer: Locator) -> None:
    """Waits until every tile that the last drawing asked for is there."""
    expect(viewer).to_have_attribute("data-missing", "0")


def canvas_of(viewer: Locator) -> np.ndarray:
    """(H, W, 3) uint8: the whole canvas."""
    width, height, text = viewer.evaluate(
        """(root) => { const c = root.querySelector("canvas");
        const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
        let text = ""; for (let i = 0; i < d.length; i += 8192)
          text += String.fromCharCode(...d.subarray(i, i + 8192));
        return [c.width, c.height, btoa(text)]; }"""
    )
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)[..., :3]


@contextmanager
def silence(page: Page) -> Iterator[None]:
    """Whatever happens inside sends no request.

    Gradio may open the stream of an earlier event late. A new event would ask at another address.
    """
    asked: list[str] = []

    def listen(request) -> None:
        if "/queue/data" not in request.url:
            asked.append(request.url)

    page.on("request", listen)
    yield
    page.remove_listener("request", listen)
    assert not asked, asked


def contrast(words: Locator) -> float:
    """WCAG's contrast of words to what they stand on, from 1 to 21."""
    return words.evaluate(CONTRAST)
