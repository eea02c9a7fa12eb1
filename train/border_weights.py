"""The weight map of the paper (equation 2): gaps between touching objects count most.

    w(x) = w_c(x) + w0 * exp(-(d1(x) + d2(x))**2 / (2 * sigma**2))

d1 and d2 are the distances to the border of the nearest and of the second nearest object.
The exponential is drawn on background pixels, as in the paper's figure 3: inside an object
d1 is 0, and the border to its neighbour is not to be learned there.
"""

import numpy as np
from scipy import ndimage

REACH = 6.0  # in sigma: beyond, exp(-(d1 + d2)**2 / 2 sigma**2) is below 2e-8


def border_weights(instances: np.ndarray, w0: float = 10.0, sigma: float = 5.0) -> np.ndarray:
    """The second term of equation 2.

    Args:
        instances: (H, W) integers, 0 background, one id an object.
        w0: Height of the ridge between two touching objects.
        sigma: Its width, pixels.

    Returns:
        (H, W) float32, 0 to w0; 0 inside objects and where fewer than two are near.
    """
    instances = np.ascontiguousarray(instances)
    infinite = np.float32(np.inf)
    nearest = np.full(instances.shape, infinite, np.float32)
    second = np.full(instances.shape, infinite, np.float32)
    margin = int(np.ceil(REACH * sigma))
    height, width = instances.shape
    # Relabelled without gaps, so that find_objects has no empty boxes to walk through.
    _, relabelled = np.unique(instances, return_inverse=True)
    relabelled = relabelled.reshape(instances.shape).astype(np.int32)
    offset = 0 if (instances == 0).any() else 1
    for index, box in enumerate(ndimage.find_objects(relabelled + offset), start=1):
        if box is None:
            continue
        # An object matters only within REACH of itself: a distance transform of its own box.
        rows = slice(max(box[0].start - margin, 0), min(box[0].stop + margin, height))
        columns = slice(max(box[1].start - margin, 0), min(box[1].stop + margin, width))
        outside = relabelled[rows, columns] + offset != index
        distance = ndimage.distance_transform_edt(outside).astype(np.float32)
        near, far = nearest[rows, columns], second[rows, columns]
        np.minimum(far, np.maximum(near, distance), out=far)
        np.minimum(near, distance, out=near)
    weights = w0 * np.exp(-np.square(nearest + second) / (2 * sigma**2))
    weights[instances != 0] = 0
    return weights.astype(np.float32)


def class_weights(label: np.ndarray, frequencies: np.ndarray, ignore_index: int) -> np.ndarray:
    """w_c(x): balances the classes, 0 where the label is ignored.

    Args:
        label: (H, W) class ids.
        frequencies: (classes,) share of each class in the training split.

    Returns:
        (H, W) float32; a class of share f weighs 1 / sqrt(f), scaled to a mean of 1 over the
        split. (The paper names w_c but gives no formula; the plain inverse makes a class of
        2 % weigh fifty times, which drowns the rest.)
    """
    present = frequencies > 0
    weights = np.zeros(256, np.float32)
    balance = np.zeros(len(frequencies))
    balance[present] = 1 / np.sqrt(frequencies[present])
    weights[: len(frequencies)] = balance / (balance * frequencies).sum()
    weights[ignore_index] = 0
    return weights[label]
