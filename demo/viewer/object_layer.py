"""Single objects over a picture: what the viewer is sent of them, after the picture itself."""

import numpy as np

from unet_hf import Segmentation
from unet_hf.objects.objects import Objects

from .component import picture_key, thinning
from .payload import write_layer

# Of Okabe and Ito's palette: told apart with any colour vision.
PALETTE = ["#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"]
NEIGHBOUR_PIXELS = (1, 3, 9)  # two objects so far from each other have different colours


def object_layer(result: Segmentation, objects: Objects) -> dict[str, object]:
    """What `web/objects.js` reads: the object of each pixel that the viewer was sent at once.

    objects: At most 65,535, of this very result.
    """
    step = thinning(*objects.labels.shape)
    return {
        "picture": picture_key(result.image),
        "threshold": result.threshold,
        "colors": PALETTE,
        **write_layer(
            {
                "labels": objects.labels[::step, ::step].astype(np.uint16),
                "hues": object_hues(objects.labels),
            }
        ),
    }


def object_hues(labels: np.ndarray) -> np.ndarray:
    """Chooses a colour for each object: (n,) uint8 places in `PALETTE`, by id - 1.

    Neighbours differ, unless one has more of them than there are colours.

    labels: (H, W) ids from 1 to n, 0 for none.
    """
    count = int(labels.max(initial=0))
    before: list[list[int]] = [[] for _ in range(count)]  # neighbours with a lower id
    for low, high in _neighbours(labels, count).tolist():
        before[high - 1].append(low - 1)
    hues = np.zeros(count, np.uint8)
    for index in range(count):
        taken = set(hues[before[index]].tolist())
        # From another place each time, so that all colours are used alike.
        turn = [(index + step) % len(PALETTE) for step in range(len(PALETTE))]
        hues[index] = next((hue for hue in turn if hue not in taken), turn[0])
    return hues


def _neighbours(labels: np.ndarray, count: int) -> np.ndarray:
    """Returns pairs of ids that are near each other, the lower one first: (pairs, 2)."""
    found = [np.empty(0, np.int64)]
    for gap in NEIGHBOUR_PIXELS:
        for one, other in (
            (labels[gap:], labels[:-gap]),
            (labels[:, gap:], labels[:, :-gap]),
        ):
            near = (one != other) & (one > 0) & (other > 0)
            low, high = np.minimum(one[near], other[near]), np.maximum(one[near], other[near])
            found.append(np.unique(low.astype(np.int64) * (count + 1) + high))
    return np.stack(np.divmod(np.unique(np.concatenate(found)), count + 1), axis=1)
