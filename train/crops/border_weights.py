"""Computes the weight map of the paper (equation 2): gaps between touching objects weigh most.

    w(x) = w_c(x) + w0 * exp(-(d1(x) + d2(x))**2 / (2 * sigma**2))

d1 and d2 are the distances to the border of the nearest and of the second nearest object.
The exponential applies to background pixels, as in the paper's figure 3: inside an object d1 is 0,
and the border to its neighbor must not be learned there.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from unet_hf.data.detect_encoding import IGNORE
from unet_hf.errors import ConfigError

BETA = 0.9999  # the value that Cui et al. found best for long-tailed classes
# Effective numbers saturate at 1 / (1 - BETA) = 10,000 independent samples. Pixels are anything
# but independent, and of millions of them every class would be saturated, "effective" mean
# "none". With this nominal size of a split (our choice, not the paper's) classes of more than
# about a fifth weigh nearly alike, and those below a percent nearly by their inverse share.
NOMINAL_SAMPLES = 100_000

BALANCES: dict[str, Callable[[np.ndarray], np.ndarray]] = {  # shares > 0 -> weights, any scale
    "none": np.ones_like,
    "sqrt": lambda shares: 1 / np.sqrt(shares),
    "inverse": lambda shares: 1 / shares,
    "effective": lambda shares: 1 / (1 - BETA ** (shares * NOMINAL_SAMPLES)),
}

# Beyond this many sigma, exp(-(d1 + d2)**2 / 2 sigma**2) is below 9e-8, which added to 1 is lost
# in float32.
REACH_SIGMAS = 5.7


def border_weights(instances: np.ndarray, w0: float = 10.0, sigma: float = 5.0) -> np.ndarray:
    """Computes the second term of equation 2.

    Args:
        instances: (H, W) integers, 0 background, one id an object.
        w0: Weight of the gap between two touching objects.
        sigma: Distance over which the weight falls, pixels.

    Returns:
        (H, W) float32, 0 to w0; 0 inside objects and where fewer than two are near.
    """
    ids = compact_ids(instances)
    reach = REACH_SIGMAS * sigma
    # A background pixel is at least 1 px from its nearest object, so the second one can be at most
    # reach - 1 away. Hence an object's distance transform is only needed in a margin around it.
    margin = max(math.ceil(reach - 1), 0)
    nearest, second = two_nearest(ids, margin)
    weights = np.zeros(ids.shape, np.float32)
    total = nearest + second
    gaps = (ids == 0) & (total < reach)
    weights[gaps] = w0 * np.exp(-np.square(total[gaps], dtype=np.float64) / (2 * sigma**2))
    return weights


def two_nearest(ids: np.ndarray, margin: int) -> tuple[np.ndarray, np.ndarray]:
    """Computes each pixel's distances to the nearest and to the second nearest object.

    ids: (H, W) as `compact_ids` returns them. Distances, (H, W) float32 pixels each, are 0 inside
    an object, and infinite from objects of whose box the pixel is farther than `margin`.
    """
    nearest = np.full(ids.shape, np.inf, np.float32)
    second = np.full(ids.shape, np.inf, np.float32)
    for index, box in enumerate(ndimage.find_objects(ids), start=1):
        if box is None:  # an id that is not used
            continue
        # A slice may end beyond the image, but a negative start would count from the end.
        around = tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in box)
        distance = ndimage.distance_transform_edt(ids[around] != index).astype(np.float32)
        near, far = nearest[around], second[around]
        np.minimum(far, np.maximum(near, distance), out=far)
        np.minimum(near, distance, out=near)
    return nearest, second


def compact_ids(instances: np.ndarray) -> np.ndarray:
    """Makes ids small and positive, (H, W) int32, so that `find_objects` can list them."""
    if instances.min(initial=0) >= 0 and instances.max(initial=0) <= instances.size:
        return np.ascontiguousarray(instances, np.int32)
    given = np.unique(instances[instances != 0])
    return np.where(instances != 0, np.searchsorted(given, instances) + 1, 0).astype(np.int32)


def class_weights(label: np.ndarray, counts: np.ndarray, balance: str = "sqrt") -> np.ndarray:
    """Computes w_c(x), which balances the classes; the paper gives no formula for it.

    Args:
        label: (H, W) uint8 class ids, IGNORE where nothing is known.
        counts: (classes,) pixels of each class in the training split, or their shares.
        balance: How much a class of share f weighs, before scaling:
            "none": 1.
            "sqrt": 1 / sqrt(f). With the plain inverse a rare class outweighs the rest: one of
            2 % would weigh fifty times.
            "inverse": 1 / f, the same sum for every class.
            "effective": 1 / (1 - beta**n), beta = 0.9999: the inverse of the effective number of
            samples (Cui et al. 2019), with n = f * NOMINAL_SAMPLES instead of the pixels.

    Returns:
        (H, W) float32, scaled to a mean of 1 over the split's counted pixels; 0 where ignored,
        and for a class that the split does not show.

    Raises:
        ConfigError: An unknown balance.
    """
    if balance not in BALANCES:
        raise ConfigError(
            f"There is no class balance {balance!r}; choose one of {', '.join(BALANCES)}."
        )
    shown = np.flatnonzero(counts)
    shares = counts[shown] / counts.sum()
    weight = BALANCES[balance](shares)
    weights = np.zeros(256, np.float32)
    weights[shown] = weight / (weight * shares).sum()
    weights[IGNORE] = 0
    return weights[label]
