"""Single objects over a picture: what the viewer is sent of them, after the picture itself."""

import numpy as np

from unet_hf import Segmentation

from .component import picture_key, thinning
from .payload import write_layer

# Of Okabe and Ito's palette: told apart with any colour vision.
PALETTE = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"]
NEIGHBOUR_PIXELS = (1, 3, 9)  # two objects so far from each other have different colours
MOST = 65_535  # objects: their ids go over as uint16

Colored = tuple[np.ndarray, np.ndarray]  # (H, W) ids of objects, and their hues by id - 1


def object_layer(
    result: Segmentation, labels: np.ndarray, hues: np.ndarray, follows: bool = False
) -> dict[str, object]:
    """What `web/objects.js` reads: the object of each pixel that the viewer was sent at once.

    labels: (H, W) ids of objects of this very result, at most `MOST`. hues: See `object_hues`.
    follows: Where the threshold is changed, those of the new one come without being asked for.
    """
    step = thinning(*labels.shape)
    return {
        "picture": picture_key(result.image),
        "threshold": result.threshold,
        "follows": follows,
        "colors": PALETTE,
        **write_layer({"labels": labels[::step, ::step].astype(np.uint16), "hues": hues}),
    }


def object_hues(labels: np.ndarray, before: Colored | None = None) -> np.ndarray:
    """Chooses a colour for each object: (n,) uint8 places in `PALETTE`, by id - 1.

    Neighbours differ, unless one has more of them than there are colours: then those that touch
    differ if possible. An object that mostly lies in one of `before` keeps its colour, if it is the
    largest part of it.

    labels: (H, W) ids from 1 to n, 0 for none. before: Objects of the same picture.
    """
    count = int(labels.max(initial=0))
    near: list[list[int]] = [[] for _ in range(count)]
    touching: list[list[int]] = [[] for _ in range(count)]
    for number, gap in enumerate(NEIGHBOUR_PIXELS):
        for low, high in _neighbours(labels, count, gap).tolist():
            for one, other in ((low - 1, high - 1), (high - 1, low - 1)):
                near[one].append(other)
                if number == 0:
                    touching[one].append(other)
    hues = np.full(count, len(PALETTE), np.uint8)  # none yet
    kept = _kept_hues(labels, count, before)
    for index in [*kept, *(index for index in range(count) if index not in kept)]:
        # From another place each time, so that all colours are used alike.
        turn = [(index + step) % len(PALETTE) for step in range(len(PALETTE))]
        if index in kept:
            turn.insert(0, kept[index])
        taken, beside = set(hues[near[index]].tolist()), set(hues[touching[index]].tolist())
        free = [hue for hue in turn if hue not in taken] or [h for h in turn if h not in beside]
        hues[index] = (free or turn)[0]
    return hues


def _kept_hues(labels: np.ndarray, count: int, before: Colored | None) -> dict[int, int]:
    """Returns the hues that objects had before, by id - 1, those of the largest overlap first."""
    if before is None or before[0].shape != labels.shape:
        return {}
    old, hues = before
    both = (labels > 0) & (old > 0)
    pairs = labels[both].astype(np.int64) * (len(hues) + 1) + old[both]
    pairs, common = np.unique(pairs, return_counts=True)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    kept, given = {}, set()
    for place in np.argsort(-common, kind="stable").tolist():
        new, earlier = divmod(int(pairs[place]), len(hues) + 1)
        if 2 * common[place] > areas[new] and earlier not in given:
            kept[new - 1] = int(hues[earlier - 1])
            given.add(earlier)
    return kept


def _neighbours(labels: np.ndarray, count: int, gap: int) -> np.ndarray:
    """Returns pairs of ids that are `gap` pixels from each other, the lower first: (pairs, 2)."""
    found = []
    for one, other in ((labels[gap:], labels[:-gap]), (labels[:, gap:], labels[:, :-gap])):
        near = (one != other) & (one > 0) & (other > 0)
        low, high = np.minimum(one[near], other[near]), np.maximum(one[near], other[near])
        found.append(low.astype(np.int64) * (count + 1) + high)
    return np.stack(np.divmod(np.unique(np.concatenate(found)), count + 1), axis=1)
