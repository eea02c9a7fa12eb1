"""Draws labelled sets with exact truth: tiny objects, huge ones, small images of three classes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from demo.synthetic.drawing import Noise, to_bytes

COARSE = 16  # px; slow fields are drawn at this grid and enlarged

Draw = Callable[[int, np.random.Generator], tuple[np.ndarray, np.ndarray]]  # image, label


def slow_field(side: int, pixels: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth random field that varies over so many pixels: (side, side) float32, variance 1."""
    from scipy import ndimage

    grid = Noise(-(-side // COARSE), rng).smooth(pixels / COARSE)
    return ndimage.zoom(grid, COARSE, order=1)[:side, :side]


def blob(side: int, radius: float, rng: np.random.Generator) -> np.ndarray:
    """How far each pixel of a square is inside of a wavy disc, in px; negative outside."""
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    angle, waves = np.arctan2(y, x), np.zeros((side, side))
    for wave in (2, 3, 5):
        waves += rng.uniform(0, 0.05) * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
    return (radius * (1 + waves) - np.hypot(y, x)).astype(np.float32)


def on_a_grid(side: int, step: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Top left corners of squares of this step that do not overlap, some left out."""
    corners = range(0, side - step + 1, step)
    return [(top, left) for top in corners for left in corners if rng.random() < 0.8]


def draw_small(side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Objects of about 20 px, brighter than ground of uneven brightness by about its noise."""
    image = 0.4 + 0.08 * slow_field(side, 100, rng) + 0.06 * Noise(side, rng).smooth(1)
    label = np.zeros((side, side), np.uint8)
    step = 32
    for top, left in on_a_grid(side, step, rng):
        here = slice(top, top + step), slice(left, left + step)
        inside = blob(step, rng.uniform(8, 12), rng)
        image[here] += rng.uniform(0.1, 0.3) * np.clip(inside / 3 + 0.5, 0, 1)
        label[here] = inside > 0
    return to_bytes(image), label


def draw_large(side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Objects of about 800 px, as gray and as grainy as the ground.

    Only an edge marks them, bright outside and dark inside: what lies far from it can be told only
    by who sees the edge.
    """
    image = 0.5 + 0.04 * slow_field(side, 100, rng) + 0.05 * Noise(side, rng).smooth(1.5)
    label = np.zeros((side, side), np.uint8)
    step = min(1000, side)
    for top, left in on_a_grid(side, step, rng):
        here = slice(top, top + step), slice(left, left + step)
        inside = blob(step, 0.4 * step * rng.uniform(0.9, 1.05), rng)
        image[here] -= 0.3 * (inside / 8) * np.exp(0.5 - 0.5 * (inside / 8) ** 2)
        label[here] = inside > 0
    return to_bytes(image), label


def draw_classes(side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cells with a darker nucleus, or with none: 0 background, 1 cell, 2 nucleus.

    Some of the ground is as dark as a nucleus.
    """
    image = 0.7 + 0.06 * Noise(side, rng).smooth(8) + 0.04 * Noise(side, rng).smooth(1)
    label = np.zeros((side, side), np.uint8)
    step = min(40, side)
    for top, left in on_a_grid(side, step, rng):
        here = slice(top, top + step), slice(left, left + step)
        cell, nucleus = (blob(step, rng.uniform(*radii), rng) for radii in ((14, 17), (6, 9)))
        inner = nucleus if rng.random() < 0.7 else nucleus - step
        if rng.random() < 0.85:
            image[here] -= 0.15 * np.clip(cell / 2 + 0.5, 0, 1)
            label[here] = np.where(inner > 0, 2, cell > 0)
        image[here] -= 0.2 * np.clip(inner / 2 + 0.5, 0, 1)  # without a cell it is debris
    return to_bytes(image), label


@dataclass(frozen=True)
class DrawnSet:
    """How a set is drawn; images: of the splits train and validation."""

    draw: Draw
    side: int  # px
    images: dict[str, int]
    classes: tuple[str, ...]


FEW = {"train": 3, "validation": 1}
SETS = {
    "small": DrawnSet(draw_small, 3000, FEW, ("background", "object")),
    "large": DrawnSet(draw_large, 3000, FEW, ("background", "object")),
    "classes": DrawnSet(
        draw_classes, 120, {"train": 24, "validation": 12}, ("background", "cell", "nucleus")
    ),
}


def write_set(drawn: DrawnSet, folder: Path, seed: int) -> None:
    """Writes the images, the masks and their table; the same seed gives the same files."""
    import PIL.Image

    rng = np.random.default_rng(seed)
    for split, count in drawn.images.items():
        rows = []
        for index in range(count):
            names = {"file_name": f"images/{index}.png", "mask_file_name": f"masks/{index}.png"}
            for name, pixels in zip(names.values(), drawn.draw(drawn.side, rng), strict=True):
                path = folder / split / name
                path.parent.mkdir(parents=True, exist_ok=True)
                PIL.Image.fromarray(pixels).save(path, compress_level=1)
            rows.append(json.dumps(names) + "\n")
        (folder / split / "metadata.jsonl").write_text("".join(rows), "utf-8")
    labels = {str(number): name for number, name in enumerate(drawn.classes)}
    (folder / "id2label.json").write_text(json.dumps(labels), "utf-8")
