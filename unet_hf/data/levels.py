"""Levels of masks: which values fill areas, and to which of them other pixels belong.

A level is a gray value or a colour (0xRRGGBB). Soft edges, losses of JPEG and stray pixels give
values between the levels: `find_levels` leaves them out, `nearest_levels` reads them.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MAX_LEVELS = 64  # more that fill areas are instance ids, or a photograph
MAX_VALUES = 2**15  # more different values are a photograph
EXACT_VALUES = 16  # more were stored with losses, or scaled: values near a level are that level
GRAY_NOISE, COLOR_NOISE = 8, 24  # how far the losses of JPEG move a flat area, as a distance
TIGHT = 0.6  # share of a level's pixels within half of that distance; less is a photograph
SOLID = 0.05  # share of a level's pixels whose 8 neighbours have it too; edges have none
SMALL = 0.01  # share of the foreground; a smaller level is stray unless 25 pixels are solid
ODD = 0.25  # share of pixels that may belong to no level
ON_A_LINE = 40  # a colour as close as this to the line between two others may be a mixture
THIN_VALUES = 2  # values of soft edges are more, except of edges along one direction
BETWEEN = 0.25  # share of a soft edge's pixels that lie between its two levels, at least
AWAY = 1.5  # a level that is not beside a pixel counts as so much farther


@dataclass(frozen=True)
class Levels:
    """The levels that fill areas, ascending, and what lies between them."""

    values: tuple[int, ...]
    odd: float  # share of the pixels that have none of the values, nor nearly
    odd_values: tuple[int, ...]  # their values, the most frequent ones first
    noise: int  # distance up to which a value is a level


def find_levels(planes: Sequence[np.ndarray], *, colored: bool = False) -> Levels | None:
    """Finds the values that stand for classes; None if the masks show no clear ones.

    planes: (H, W) whole numbers, gray values or 0xRRGGBB.
    """
    found = [np.unique(plane, return_counts=True) for plane in planes]
    values, where = np.unique(np.concatenate([v for v, _ in found]), return_inverse=True)
    if len(values) > MAX_VALUES:
        return None
    counts = np.bincount(where, np.concatenate([n for _, n in found])).astype(np.int64)
    noise = (COLOR_NOISE if colored else GRAY_NOISE) * _is_lossy(values, colored)
    points = coordinates(values, colored)
    group, peaks = _group(points, counts, noise)
    sizes = np.bincount(group, counts, minlength=len(peaks))
    solid = sum(_solid(group[np.searchsorted(values, plane)], len(peaks)) for plane in planes)
    foreground = max(sizes.sum() - sizes.max(), 1)
    small = (sizes < SMALL * foreground) & (solid < 25)
    fills = (solid >= np.maximum(SOLID * sizes, 1)) & ~small
    if noise:
        near = np.linalg.norm(points - points[peaks][group], axis=1) <= noise / 2
        fills &= np.bincount(group, counts * near, minlength=len(peaks)) >= TIGHT * sizes
    kept = np.flatnonzero(fills).tolist()
    if not kept or len(kept) > MAX_LEVELS:
        return None
    if not noise:
        others = np.flatnonzero(~fills & ~small).tolist()
        kept += _thin_classes(points[peaks], kept, list(others), colored)
        middle = [index for index in others if index not in kept]
        if len(middle) <= THIN_VALUES:
            labels = [np.searchsorted(values, plane) for plane in planes]
            kept += [index for index in middle if _draws_lines(labels, index, kept)]
    odd = ~np.isin(group, kept)
    share = counts[odd].sum() / counts.sum()
    if share > ODD:
        return None
    often = values[odd][np.argsort(-counts[odd], kind="stable")]
    return Levels(tuple(sorted(values[peaks[kept]].tolist())), float(share), tuple(often.tolist()),
                  noise)  # fmt: skip


def coordinates(values: np.ndarray, colored: bool) -> np.ndarray:
    """Coordinates of levels, between which distances are taken: (n, 1) gray or (n, 3) RGB."""
    if not colored:
        return values[:, None].astype(np.float64)
    return np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1).astype(np.float64)


def _is_lossy(values: np.ndarray, colored: bool) -> bool:
    """Whether values vary around the levels: there are many, or some near black and near white."""
    if len(values) > EXACT_VALUES:
        return True
    low, high = np.count_nonzero(values <= 4), np.count_nonzero((values >= 251) & (values <= 255))
    return not colored and low > 1 and high > 1 and low + high == len(values)


def _group(points: np.ndarray, counts: np.ndarray, noise: int) -> tuple[np.ndarray, np.ndarray]:
    """Groups values around the most frequent ones; returns the group of each and their peaks."""
    if not noise:
        return np.arange(len(points)), np.arange(len(points))
    group, peaks = np.full(len(points), -1), []
    for index in np.argsort(-counts, kind="stable").tolist():
        if group[index] >= 0:
            continue
        near = np.linalg.norm(points - points[index], axis=1) <= noise
        group[near & (group < 0)] = len(peaks)
        peaks.append(index)
        if len(peaks) == 4 * MAX_LEVELS:  # the rest is rare
            group[group < 0] = len(peaks)
            peaks.append(index)
            break
    return group, np.array(peaks)


def _solid(labels: np.ndarray, count: int) -> np.ndarray:
    """Counts for each label the pixels whose 3 x 3 neighbourhood has this label alone."""
    return np.bincount(labels[is_flat(labels)], minlength=count)


def is_flat(labels: np.ndarray) -> np.ndarray:
    """Whether the 3 x 3 neighbourhood of each pixel has one value: (H, W) bool."""
    height, width = labels.shape
    padded = np.pad(labels, 1, mode="edge")
    flat = np.ones(labels.shape, bool)
    for y, x in itertools.product(range(3), repeat=2):
        flat &= padded[y : y + height, x : x + width] == labels
    return flat


def _thin_classes(
    points: np.ndarray, kept: list[int], others: list[int], colored: bool
) -> list[int]:
    """Finds levels of thin lines: no mixture of others, although they fill no area."""
    added: list[int] = []
    while others:
        known = points[kept + added]
        distance = np.linalg.norm(points[others][:, None] - known, axis=2).min(1)
        farthest = others.pop(int(distance.argmax()))
        if not is_mixture(points[farthest], known, colored):
            added.append(farthest)
    return added


def _draws_lines(labels: Sequence[np.ndarray], index: int, kept: list[int]) -> bool:
    """Whether a level draws lines of its own: no single pixels, and not between two levels."""
    from scipy.ndimage import maximum_filter

    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    total = joined = between = 0
    for plane in labels:
        if not (here := plane == index).any():
            continue
        total += here.sum()
        joined += maximum_filter(here, footprint=ring)[here].sum()
        beside = sum(maximum_filter(plane == level, 5)[here].astype(int) for level in kept)
        between += (beside > 1).sum()
    return bool(joined > 0.5 * total and between < BETWEEN * total)


def is_mixture(point: np.ndarray, others: np.ndarray, colored: bool) -> bool:
    """Whether a level lies between two others, so that a soft edge of them may hold it."""
    for first, second in itertools.combinations(others, 2):
        line = second - first
        part = (point - first) @ line / max(line @ line, 1)
        off = np.linalg.norm(point - first - part * line)
        if 0 < part < 1 and off <= (ON_A_LINE if colored else 0.5):
            return True
    return False


def nearest_levels(
    plane: np.ndarray, levels: Sequence[int], *, colored: bool = False, noise: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the level of each pixel: its index, (H, W) uint8; and its distance from it.

    A pixel alone among pixels of one level has that level. Others have the nearest one by value,
    where a level that lies between two others has to be beside the pixel.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    known = np.array(levels)
    values, where = np.unique(plane, return_inverse=True)
    distances = np.linalg.norm(
        coordinates(values, colored)[:, None] - coordinates(known, colored), axis=2
    )
    where = where.reshape(plane.shape)
    index = distances.argmin(1).astype(np.uint8)[where]
    distance = distances.min(1)[where]
    odd = distance > noise
    if not odd.any():
        return index, distance
    points = coordinates(known, colored)
    middle = np.array([
        is_mixture(point, np.delete(points, number, 0), colored)
        for number, point in enumerate(points)
    ])  # fmt: skip
    marked = np.where(odd, np.uint8(255), index)
    flat, trusted = is_flat(marked), ~odd
    for number in np.flatnonzero(middle).tolist():
        of_it = marked == number
        trusted &= ~of_it | maximum_filter(flat & of_it, 3)
    doubtful = ~trusted
    beside = np.stack([
        maximum_filter(trusted & (index == number), 5)[doubtful] for number in range(len(known))
    ], axis=1)  # fmt: skip
    factors = np.where(beside, 1, np.where(middle, np.inf, AWAY))
    index[doubtful] = ((distances[where[doubtful]] + 1) * factors).argmin(1)

    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    low, high = (f(marked, footprint=ring) for f in (minimum_filter, maximum_filter))
    alone = odd & (low == high) & (low != 255)
    index[alone] = low[alone]
    return index, distance


def flat_areas(plane: np.ndarray, odd: np.ndarray, noise: int, *, colored: bool) -> np.ndarray:
    """Finds the pixels of values that fill areas although they are odd: 5 x 5 equal ones."""
    from scipy.ndimage import maximum_filter, minimum_filter

    if not odd.any():
        return odd
    channels = [plane >> 16, plane >> 8 & 255, plane & 255] if colored else [plane]
    spans = [maximum_filter(c, 5) - minimum_filter(c, 5) for c in channels]
    flat = minimum_filter(odd, 5) & (np.max(spans, axis=0) <= noise)
    return np.isin(plane, np.unique(plane[flat])) if flat.any() else flat
