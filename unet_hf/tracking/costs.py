"""What it costs to say that an object of a frame is one, or two, of the next frame.

A cost is a negative logarithm of a probability, up to a constant: costs of what happens to
different objects add up, and the cheapest account of all of them is the likeliest.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from .cells import Cells, overlaps
from .weights import Weights

CANDIDATES = 8  # objects of the next frame that one object is compared with, the nearest ones
BORDER_TURNOVER = 0.03  # chance that an object at the border leaves, or that one there is new
BORDER_AREAS = 3.0  # at the border, areas vary so many times as much: part of the object is outside
UNLIKE_DAUGHTERS = 0.5  # usual difference of two daughters, in the logarithm of their areas


@dataclass(frozen=True, eq=False)
class Accounts:
    """Everything that may have happened between two frames.

    source: (k,) index of the object before. targets: (k, 2) indices of the objects after; the
    second one is -1 unless the object divides. costs: (k,).
    swallowed: (k,) index of a second object before, which has become one with the first; or -1.
    lost: (n,) the cost of each object before, if it vanishes. new: (m,) the cost of each object
    after, if it appears.
    """

    source: np.ndarray
    targets: np.ndarray
    costs: np.ndarray
    lost: np.ndarray
    new: np.ndarray
    swallowed: np.ndarray


def possible_accounts(
    before: Cells,
    after: Cells,
    shape: tuple[int, int],
    missed: np.ndarray,
    usual_areas: np.ndarray,
    sisters: np.ndarray,
    weights: Weights,
) -> Accounts:
    """Lists what may have happened to objects, where it costs less than vanishing and appearing.

    Args:
        before: Objects where they are expected in the frame of `after`.
        missed: (n,) frames in which each of `before` was not seen; those cannot divide.
        usual_areas: (n,) pixels, the areas that `before` would have in the frame of `after`.
        sisters: (s, 2) indices of `before`, the larger one first: pairs that may be one again.
    """
    lost = np.where(before.at_border, -math.log(BORDER_TURNOVER), -math.log(weights.turnover))
    lost[missed > 0] = 0  # was counted when it vanished
    new = np.where(after.at_border, -math.log(BORDER_TURNOVER), -math.log(weights.turnover))
    near, shared = _nearest(before, after, shape, weights.max_distance)
    # A place that was foretold over more frames is less certain, as in a random walk.
    compare = _Comparison(before, after, usual_areas, np.sqrt(1 + missed), weights)

    source, rank = np.nonzero(near >= 0)
    target = near[source, rank]
    costs = compare(source, target[:, None], shared[source, rank])
    costs += weights.gap_cost * missed[source]
    worth = costs < lost[source] + new[target]
    links = (source[worth], np.stack([target, np.full_like(target, -1)], 1)[worth], costs[worth])
    if weights.divisions == 0 or near.shape[1] < 2:
        return Accounts(*links, lost, new, np.full(len(links[0]), -1))

    alone = np.full(near.shape, np.inf)
    alone[source, rank] = costs
    first, second = np.triu_indices(near.shape[1], 1)
    source, pair = np.nonzero((near[:, second] >= 0) & (missed == 0)[:, None])
    first, second = first[pair], second[pair]
    daughters = np.stack([near[source, first], near[source, second]], 1)
    costs = compare(source, daughters, shared[source, first] + shared[source, second])
    unlike = np.log(np.divide(*after.areas[daughters].T)) / UNLIKE_DAUGHTERS
    unlike[after.at_border[daughters].any(1)] /= BORDER_AREAS
    costs += unlike**2 / 2 - math.log(weights.divisions)
    # It has to cost less than that one of them was there and the other one is new.
    worth = costs < np.minimum.reduce(
        [
            alone[source, first] + new[daughters[:, 1]],
            alone[source, second] + new[daughters[:, 0]],
            lost[source] + new[daughters].sum(1),
        ]
    )
    divided = (source[worth], daughters[worth], costs[worth])
    merged = _merged(before, after, near, shared, usual_areas, sisters, weights)
    swallowed = np.full(len(links[0]) + len(divided[0]) + len(merged[0]), -1)
    swallowed[len(swallowed) - len(merged[0]) :] = merged[3]
    joined = (np.concatenate(parts) for parts in zip(links, divided, merged[:3], strict=True))
    return Accounts(*joined, lost, new, swallowed)


def _merged(
    before: Cells,
    after: Cells,
    near: np.ndarray,
    shared: np.ndarray,
    usual_areas: np.ndarray,
    sisters: np.ndarray,
    weights: Weights,
) -> tuple[np.ndarray, ...]:
    """Lists where two sisters overlap one object: source, targets, costs and swallowed.

    The two taken together are compared with it. It costs as much as that one of them vanished.
    """
    larger, smaller = sisters.T
    same = (near[larger][:, :, None] == near[smaller][:, None]) & (near[larger] >= 0)[:, :, None]
    pair, rank, other = np.nonzero(same)
    larger, smaller = larger[pair], smaller[pair]
    pixels = np.stack([shared[larger, rank], shared[smaller, other]], 1)
    touched = (pixels > 0).all(1)
    both = np.stack([larger, smaller], 1)[touched]
    target = near[larger, rank][touched]
    together = replace(
        before,
        areas=before.areas[both].sum(1),
        centers=centers_of(before, both),
        at_border=before.at_border[both].any(1),
    )
    once = np.ones(len(both))
    compare = _Comparison(together, after, usual_areas[both].sum(1), once, weights)
    costs = compare(np.arange(len(both)), target[:, None], pixels[touched].sum(1))
    costs -= math.log(weights.turnover)
    return both[:, 0], np.stack([target, np.full_like(target, -1)], 1), costs, both[:, 1]


def _nearest(
    before: Cells, after: Cells, shape: tuple[int, int], max_distance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Finds what each object may have become: overlapped objects, and those that are near.

    Returns (n, k) indices into `after`, nearest first and -1 behind the last one, and the pixels
    that each shares with the object, (n, k).
    """
    from scipy.spatial import cKDTree

    source, target, shared = overlaps(before, after, shape)
    count = min(CANDIDATES, len(after))
    near = np.full((len(before), CANDIDATES), -1)
    pixels = np.zeros((len(before), CANDIDATES))
    if not count or not len(before):
        return near, pixels
    reach = max_distance * before.sizes
    distances, found = cKDTree(after.centers).query(before.centers, list(range(1, count + 1)))
    row, _ = np.nonzero(distances <= reach[:, None])
    within = found[distances <= reach[:, None]]
    # Those that overlap come once, with their pixels.
    keys = np.concatenate([source * len(after) + target, row * len(after) + within])
    keys, where = np.unique(keys, return_index=True)
    shared = np.concatenate([shared, np.zeros(len(row))])[where]
    source, target = np.divmod(keys, len(after))
    apart = np.linalg.norm(before.centers[source] - after.centers[target], axis=1)
    apart = apart / before.sizes[source] - shared / before.areas[source]
    order = np.lexsort([apart, source])
    source, target, shared = source[order], target[order], shared[order]
    rank = np.arange(len(source)) - np.searchsorted(source, source)
    keep = rank < CANDIDATES
    near[source[keep], rank[keep]] = target[keep]
    pixels[source[keep], rank[keep]] = shared[keep]
    return near, pixels


def centers_of(cells: Cells, targets: np.ndarray) -> np.ndarray:
    """Returns the centre of one object, or of two taken together: (k, 2).

    targets: (k, 1 or 2) indices into `cells`; -1 for no second one.
    """
    areas = np.where(targets < 0, 0, cells.areas[targets])
    return (cells.centers[targets] * areas[..., None]).sum(1) / areas.sum(1)[:, None]


@dataclass(frozen=True, eq=False)
class _Comparison:
    """Compares objects with what they may have become: one object, or two taken together."""

    before: Cells
    after: Cells
    usual_areas: np.ndarray  # (n,)
    uncertainty: np.ndarray  # (n,), of their places; usually 1
    weights: Weights

    def __call__(self, source: np.ndarray, targets: np.ndarray, shared: np.ndarray) -> np.ndarray:
        """Returns costs, (k,). source: (k,), targets: (k, 1 or 2), shared: (k,) pixels."""
        before, after, weights = self.before, self.after, self.weights
        area, old_area = after.areas[targets].sum(1), before.areas[source]
        apart = np.linalg.norm(centers_of(after, targets) - before.centers[source], axis=1)
        grown = np.log(area / self.usual_areas[source])
        spread = np.full(len(source), weights.area_spread)
        spread[before.at_border[source] | after.at_border[targets].any(1)] *= BORDER_AREAS
        iou = shared / (area + old_area - shared)
        usual_distance = weights.position_spread * self.uncertainty[source]
        position = (apart / before.sizes[source] / usual_distance) ** 2 / 2
        return position + (grown / spread) ** 2 / 2 + weights.overlap_weight * (1 - iou)
