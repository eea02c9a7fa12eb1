"""A visitor who paints: strokes drawn from the truth as a hand would draw them."""

import numpy as np
from scipy import ndimage

from train.teaching.strokes import QUARTERS, Stroke

LENGTH = 25  # px of a stroke
RADIUS = 1.5  # px; thinner where the class is
TRIES = 40  # beginnings of a stroke, of which the longest is taken


def paint(
    truth: np.ndarray,
    rng: np.random.Generator,
    strokes: int = 5,
    shown: np.ndarray | None = None,
) -> list[Stroke]:
    """Paints some strokes of each class that is there, away from its borders.

    truth: (H, W) uint8 class ids; 255 is never painted. shown: What the visitor sees, as class
    ids: strokes then begin where it is wrong, as long as there is such a place for the class.
    """
    painted = []
    for class_id in np.unique(truth[truth != 255]):
        # One pixel of margin, so that what touches the image's border ends there, too.
        depth = ndimage.distance_transform_edt(np.pad(truth == class_id, 1))[1:-1, 1:-1]
        for _ in range(strokes):
            wrong = None if shown is None else (shown != truth) & (truth == class_id)
            painted.append(_stroke(depth, int(class_id), rng, wrong))
    return painted


def _stroke(
    depth: np.ndarray, class_id: int, rng: np.random.Generator, wrong: np.ndarray | None
) -> Stroke:
    """depth: (H, W), distance to the nearest pixel of another class, px."""
    # As deep as half of the class: who paints membranes goes along all of them, not only where
    # they are thick.
    least = float(np.clip(np.median(depth[depth > 0]), 1, 2.5))
    starts = np.argwhere(depth >= least)
    if wrong is not None and (wrong & (depth >= least)).any():
        starts = np.argwhere(wrong & (depth >= least))
    best: list[tuple[float, float]] = []
    for _ in range(TRIES):
        line = _line(depth, least, starts[rng.integers(len(starts))], rng)
        if len(line) > len(best):
            best = line
        if len(best) >= LENGTH:
            break
    quarters = QUARTERS * np.array(best[:: max(1, len(best) // 8)])[:, ::-1] + 2
    radius = max(2, int(QUARTERS * min(RADIUS, least - 0.25)))
    return Stroke(class_id, radius, quarters.round().astype(np.int64))


def _line(
    depth: np.ndarray, least: float, start: np.ndarray, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Goes on in a direction that turns a little, as long as it stays inside: y and x, px."""
    place, direction = start.astype(float), rng.uniform(0, 2 * np.pi)
    line = []
    while len(line) < LENGTH:
        y, x = place.round().astype(int)
        if not (0 <= y < depth.shape[0] and 0 <= x < depth.shape[1]) or depth[y, x] < least:
            break
        line.append((place[0], place[1]))
        direction += rng.normal(0, 0.15)
        place = place + np.array([np.sin(direction), np.cos(direction)])
    return line
