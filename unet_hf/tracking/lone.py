"""Objects that moved fast where nothing else is: nobody around tells how they move."""

import numpy as np

from .cells import Cells

REACH = 4.0  # sizes, that a lone object may move in a frame beyond what is expected of it
UNLIKE = 0.5  # difference of the logarithms of areas, above which two objects are not the same


def lone_pairs(
    before: Cells, after: Cells, lost: np.ndarray, new: np.ndarray, max_distance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs objects that vanished with objects that appeared farther away: indices, (k,) each.

    Only where there is no rival: of all objects, each of the two is the nearest one to the other,
    and of those that vanished or appeared, it is the only one within reach. At the border, objects
    come and go, and none is paired.

    Args:
        before: Objects where they are expected.
        lost, new: (n,) and (m,) bool, those that vanished and appeared.
        max_distance: As `link` has it; within it, all has been weighed.
    """
    from scipy.spatial import cKDTree

    nothing = np.zeros(0, np.int64)
    lost_index, new_index = np.flatnonzero(lost), np.flatnonzero(new)
    if not len(lost_index) or not len(new_index):
        return nothing, nothing
    lost_centers, new_centers = before.centers[lost_index], after.centers[new_index]
    apart = cKDTree(lost_centers).sparse_distance_matrix(
        cKDTree(new_centers), REACH * before.sizes[lost_index].max(), output_type="coo_matrix"
    )
    source, target, distance = lost_index[apart.row], new_index[apart.col], apart.data
    near = distance <= REACH * before.sizes[source]
    source, target, distance = source[near], target[near], distance[near]
    alone = np.bincount(source, minlength=len(before))[source] == 1
    alone &= np.bincount(target, minlength=len(after))[target] == 1
    alone &= distance > max_distance * before.sizes[source]
    alone &= ~before.at_border[source] & ~after.at_border[target]
    alone &= np.abs(np.log(after.areas[target] / before.areas[source])) < UNLIKE
    alone &= cKDTree(after.centers).query(before.centers[source])[1] == target
    alone &= cKDTree(before.centers).query(after.centers[target])[1] == source
    return source[alone], target[alone]


def with_lone_pairs(
    before: Cells,
    after: Cells,
    missed: np.ndarray,
    source: np.ndarray,
    targets: np.ndarray,
    swallowed: np.ndarray,
    max_distance: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Adds `lone_pairs` to what was chosen: source, targets and swallowed, see `Accounts`.

    missed: (n,) frames in which each of `before` was not seen; only what was just seen is paired.
    """
    lost, new = missed == 0, np.ones(len(after), bool)
    lost[source] = lost[swallowed[swallowed >= 0]] = False
    new[targets[targets >= 0]] = False
    more, found = lone_pairs(before, after, lost, new, max_distance)
    none = np.full(len(more), -1)
    return (
        np.concatenate([source, more]),
        np.concatenate([targets, np.stack([found, none], 1)]),
        np.concatenate([swallowed, none]),
    )
