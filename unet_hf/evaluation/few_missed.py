"""Chooses the threshold at which little of class 1 is missed on new images, with a bound.

This is conformal risk control (Angelopoulos et al. 2022, arXiv 2208.02814, section 2). The loss of
an image is the share of its pixels of class 1 that are missed. It is 0 to 1, and it never falls as
the threshold rises. With n images that chose nothing, the largest threshold with

    n / (n + 1) * (mean loss of the n images) + 1 / (n + 1) <= share

has an expected loss of at most `share` on a new image, if that one is exchangeable with the n. The
second term is the new image itself, at its worst: with n < 1 / share - 1, no threshold will do.
"""

from typing import Any

import numpy as np

SHARE = 0.1  # of the pixels of class 1, the most that may be missed, in the mean over images
CUTS = tuple(step / 100 for step in range(1, 100))  # thresholds tried; evenly, as on a slider


def few_missed(
    at_cuts: np.ndarray, at_usual: np.ndarray, share: float = SHARE, cuts: tuple[float, ...] = CUTS
) -> dict[str, Any]:
    """Returns the largest threshold that bounds the missed share, as in `evaluation.json`.

    Args:
        at_cuts: (images, cuts, 2, 2) pixel counts at each of the thresholds `cuts`, which rise;
            see `metrics.confusion_matrix`. An image without class 1 has a loss of 0.
        at_usual: (images, 2, 2) the same at the threshold that is usually taken.

    Returns:
        share; threshold (None: none of `cuts` will do); images; without (images that have no
        pixel of class 1); and what it costs, at the threshold (`chosen`, None without one) and at
        the usual one (`usual`), see `_cost`.
    """
    images = len(at_cuts)
    bounds = (missed_shares(at_cuts).sum(0) + 1) / (images + 1)
    place = np.flatnonzero(bounds <= share).max(initial=-1)
    return {
        "share": share,
        "threshold": cuts[place] if place >= 0 else None,
        "images": images,
        "without": int((at_usual[:, 1].sum(-1) == 0).sum()),
        "chosen": _cost(at_cuts[:, place]) if place >= 0 else None,
        "usual": _cost(at_usual),
    }


def missed_shares(confusions: np.ndarray) -> np.ndarray:
    """Share of the pixels of class 1 that have another one, (...) for (..., 2, 2) counts.

    0 where there are none.
    """
    missed, hit = confusions[..., 1, 0], confusions[..., 1, 1]
    return missed / np.maximum(missed + hit, 1)


def _cost(confusions: np.ndarray) -> dict[str, float | None]:
    """What (images, 2, 2) counts say of a threshold.

    Returns:
        missed: Mean over the images of the missed share. precision: Of all pixels that are given
        class 1, the share that has it. area: How many pixels are given class 1 for each that has
        it. None where there is nothing to divide by.
    """
    total = confusions.sum(0)
    hits, given, true = (int(n) for n in (total[1, 1], total[:, 1].sum(), total[1].sum()))
    return {
        "missed": float(missed_shares(confusions).mean()),
        "precision": hits / given if given else None,
        "area": given / true if true else None,
    }
