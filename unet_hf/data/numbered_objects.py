"""Tells masks whose values number objects from masks whose values are classes."""

from collections.abc import Sequence

import numpy as np

PIECES = 1.05  # pieces an object at most: a few may be cut in two by others
RESTARTS = 0.9  # share of the masks whose values are 1 ... n without gaps
MIN_OBJECTS = 4  # numbered afresh in each mask: fewer may be classes, one piece each
SAME_COUNT = 6  # if all masks have the same number of values, fewer may be classes
MANY = 30  # objects of all masks: so many without a second piece are no classes
MIN_AREA = 4  # pixels of half of the objects


def numbers_objects(planes: Sequence[np.ndarray]) -> bool:
    """Whether each nonzero value is one connected piece, and each mask is numbered afresh.

    planes: (H, W) whole numbers. One mask alone does not show it.
    """
    from skimage.measure import label

    values, areas, pieces, restarts = [], [], 0, 0
    for plane in planes:
        found, counts = np.unique(plane[plane != 0], return_counts=True)
        if len(found) == 0:
            continue
        if found[0] < 0:
            return False
        values.append(len(found))
        areas += counts.tolist()
        restarts += bool(found[-1] == len(found))
        pieces += int(label(plane, connectivity=2).max())
        if pieces > PIECES * (sum(values) + 20):
            return False
    if len(values) < 2 or pieces > PIECES * sum(values) or np.median(areas) < MIN_AREA:
        return False
    most = max(values)
    counted = most >= SAME_COUNT or (most >= MIN_OBJECTS and len(set(values)) > 1)
    numbered_afresh = restarts >= RESTARTS * len(values) and counted
    return numbered_afresh or (most >= SAME_COUNT and sum(values) >= MANY)
