"""Tells trimaps, whose third level is an unknown border, from masks of three classes."""

from collections.abc import Sequence

import numpy as np

APART = 0.02  # share of the contacts at which the two levels that a border separates may touch
THIN = 0.5  # width of a border, as a part of the radius of what it separates
EVEN = 0.35  # standard deviation of its width, as a part of the mean


def find_border(planes: Sequence[np.ndarray]) -> tuple[int, bool, bool] | None:
    """Finds the level that separates the two others everywhere: its index, thin, even.

    planes: (H, W) indices 0, 1, 2 of the three levels; 0 is never the border, as background
    separates classes, too. None if all three touch each other.
    """
    contacts = sum(_contacts(plane) for plane in planes)
    for border in (2, 1):
        first, second = (level for level in range(3) if level != border)
        touching = contacts[border, [first, second]]
        if touching.min() > 0 and contacts[first, second] <= APART * contacts.sum():
            return (border, *_shape(planes, border, first, second))
    return None


def _contacts(plane: np.ndarray) -> np.ndarray:
    """Counts the neighbouring pixels of each two levels: (3, 3), symmetric, zeros inside."""
    pairs = np.zeros((3, 3), np.int64)
    for a, b in ((plane[1:], plane[:-1]), (plane[:, 1:], plane[:, :-1])):
        pairs += np.bincount((a.astype(np.int64) * 3 + b).ravel(), minlength=9).reshape(3, 3)
    np.fill_diagonal(pairs, 0)
    return pairs + pairs.T


def _shape(planes: Sequence[np.ndarray], border: int, first: int, second: int) -> tuple[bool, bool]:
    """Whether the border is thin beside what it separates, and of an even width."""
    from scipy.ndimage import distance_transform_edt as distance

    widths, radii = [], {first: 0.0, second: 0.0}
    for plane in planes:
        if not {border, first, second} <= set(np.unique(plane).tolist()):
            continue
        inside = plane == border
        widths.append((distance(plane != first) + distance(plane != second) - 1)[inside])
        for level in radii:
            radii[level] = max(radii[level], float(distance(plane == level).max()))
    if not widths:
        return False, False
    width = np.concatenate(widths)
    return bool(width.mean() <= THIN * min(radii.values())), bool(
        width.std() <= EVEN * width.mean()
    )
