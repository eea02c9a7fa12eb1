"""Notes about the labelled objects of one image."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ObjectFacts:
    """Notes about the objects of one image."""

    diameters: np.ndarray  # (objects,) float32 px, of the circles with the same areas
    touching: int  # number of objects with a 4-neighbour of another
    pieces: int  # 8-connected pieces of all objects; more than objects if ids are in pieces


def object_facts(instances: np.ndarray) -> ObjectFacts:
    """Counts and measures objects. instances: (H, W) int32, 0 background."""
    from skimage.measure import label

    areas = np.unique(instances[instances != 0], return_counts=True)[1]
    touching: set[int] = set()
    for one, other in (
        (instances[1:], instances[:-1]),
        (instances[:, 1:], instances[:, :-1]),
    ):
        meet = (one != other) & (one != 0) & (other != 0)
        touching.update(one[meet].tolist(), other[meet].tolist())
    diameters = np.sqrt(4 / np.pi * areas).astype(np.float32)
    return ObjectFacts(diameters, len(touching), int(label(instances, connectivity=2).max()))
