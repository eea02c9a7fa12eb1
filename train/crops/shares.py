"""How often each training image is drawn."""

import numpy as np

from unet_hf.data.kinds import kind_shares


def draw_shares(areas: np.ndarray, size: int, kinds: np.ndarray | None = None) -> np.ndarray:
    """Share of the crops that are cut from each image: (images,) float64, 1 in all.

    areas: Pixels of each image. size: Side of the crops, px. kinds: Kind of each image; each
    kind gets the share of `kind_shares`, and the areas decide within it.
    """
    # Large images are drawn more often, but not in proportion to their area: otherwise a few
    # slides would leave little room for a hundred small pictures.
    weights = np.sqrt(np.maximum(areas / size**2, 1.0))
    if kinds is not None:
        for kind, share in kind_shares(kinds).items():
            weights[kinds == kind] *= share / weights[kinds == kind].sum()
    return weights / weights.sum()
