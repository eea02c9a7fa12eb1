"""Computes what a network is taught of objects; see `Network.object_channels`.

All of it is scaled by the object itself, so that small and large objects count alike.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from .border_weights import compact_ids, two_nearest

BORDER_REACH = 2.5  # px


def object_targets(instances: np.ndarray, channels: Sequence[str]) -> np.ndarray:
    """Computes the targets of an image, (n, H, W) float32, 0 to 1; 0 outside objects.

    instances: (H, W) integers, 0 background, one id an object.
    channels: Names of `OBJECT_CHANNELS`.
    """
    ids = compact_ids(instances)
    compute = {"distance": scaled_distance, "border": near_two_objects, "centre": near_centroid}
    targets = [compute[name](ids) for name in channels]
    return np.stack(targets) if targets else np.zeros((0, *ids.shape), np.float32)


def scaled_distance(ids: np.ndarray) -> np.ndarray:
    """Computes each pixel's distance to the edge of its object, over the object's largest.

    Another object that touches is an edge; the border of the image is not: an object that it cuts
    goes on.
    """
    scaled = np.zeros(ids.shape, np.float32)
    for index, box in enumerate(ndimage.find_objects(ids), start=1):
        if box is None:  # an id that is not used
            continue
        inside = ids[box] == index
        margins = [
            (int(side.start > 0), int(side.stop < size))
            for side, size in zip(box, ids.shape, strict=True)
        ]
        framed = np.pad(inside, margins)
        if framed.all():  # the object is the whole image
            scaled[box] = 1
            continue
        (top, bottom), (left, right) = margins
        distance = ndimage.distance_transform_edt(framed)
        distance = distance[top : framed.shape[0] - bottom, left : framed.shape[1] - right]
        scaled[box][inside] = (distance / distance.max())[inside]
    return scaled


def near_centroid(ids: np.ndarray) -> np.ndarray:
    """Computes 1 at each object's centroid, falling evenly to 0 just beyond its farthest pixel."""
    near = np.zeros(ids.shape, np.float32)
    for index, box in enumerate(ndimage.find_objects(ids), start=1):
        if box is None:
            continue
        inside = ids[box] == index
        y, x = np.nonzero(inside)
        radius = np.hypot(y - y.mean(), x - x.mean())
        near[box][inside] = 1 - radius / (radius.max() + 1)
    return near


def near_two_objects(ids: np.ndarray) -> np.ndarray:
    """Computes 1 where the two nearest objects are both within `BORDER_REACH`, 0 elsewhere."""
    _, second = two_nearest(ids, math.ceil(BORDER_REACH))
    return (second <= BORDER_REACH).astype(np.float32)
