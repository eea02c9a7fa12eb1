"""Tells masks whose values number objects from masks whose values are classes."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

PIECES = 1.05  # pieces an object at most: a few may be cut in two by others
MORE_PIECES = 1.6  # where the values alone are hardly those of classes
RESTARTS = 0.9  # share of the masks whose values are 1 ... n without gaps
MIN_OBJECTS = 4  # numbered afresh in each mask: fewer may be classes, one piece each
SAME_COUNT = 6  # if all masks have the same number of values, fewer may be classes
COUNTED = 10  # so many values without gaps, and three different numbers of them, are no classes
MANY = 30  # objects of all masks: so many without a second piece are no classes
OWN = 0.9  # share of all objects whose value no other mask has; classes come again
CLASSES = 254  # more different values cannot be class ids
MIN_AREA = 4  # pixels of half of the objects
PIECES_OF_A_CLASS = 5  # of the only value of a mask, at least; objects have one or a few


def numbers_objects(planes: Sequence[np.ndarray]) -> bool:
    """Whether the values of these masks number objects, so that they are no class ids.

    planes: (H, W) whole numbers; 0 is the background.

    Objects are pieces: a value is one connected piece of its mask, with few exceptions, while a
    class may have many. And objects are counted: each mask has values 1 to n without gaps, and
    another n than the others, or values that no other mask has, or more values than there can be
    classes. Where the values show this by themselves, objects may be in several pieces, as those
    are that others cover in part. A mask alone shows it if it numbers MANY objects.
    """
    from skimage.measure import label

    values, areas, pieces, restarts = [], [], 0, 0
    masks_with: Counter[int] = Counter()
    for plane in planes:
        found, counts = np.unique(plane[plane != 0], return_counts=True)
        if len(found) == 0:
            continue
        if found[0] < 0:
            return False
        values.append(len(found))
        masks_with.update(found.tolist())
        areas += counts.tolist()
        restarts += bool(found[-1] == len(found))
        pieces += int(label(plane, connectivity=2).max())
        if pieces > MORE_PIECES * (sum(values) + 20):
            return False
    if not values or np.median(areas) < MIN_AREA:
        return False
    total, most = sum(values), max(values)
    afresh = restarts >= RESTARTS * len(values)
    if len(values) == 1:
        return afresh and total >= MANY and pieces <= PIECES * total
    numbers = len(set(values))
    if total >= MANY and pieces <= MORE_PIECES * total:
        counted = afresh and numbers >= 3 and most >= COUNTED
        own = most >= SAME_COUNT and len(masks_with) >= OWN * total
        if counted or own or len(masks_with) > CLASSES:
            return True
    if pieces > PIECES * total:
        return False
    few = most >= SAME_COUNT or (most >= MIN_OBJECTS and numbers > 1)
    return (afresh and few) or (most >= SAME_COUNT and total >= MANY)


def is_one_class(plane: np.ndarray) -> bool:
    """Whether a mask beside 0 holds one value alone, in so many pieces that it is a class."""
    from skimage.measure import label

    found = plane != 0
    values = plane[found]
    if len(values) == 0 or (values != values[0]).any():
        return False
    return int(label(found, connectivity=2).max()) >= PIECES_OF_A_CLASS


def in_one_piece(planes: Sequence[np.ndarray]) -> bool:
    """Whether no value has two pieces in a mask: these may be a few objects as well as classes."""
    from skimage.measure import label

    return all(label(p, connectivity=2).max() == len(np.unique(p[p != 0])) for p in planes)
