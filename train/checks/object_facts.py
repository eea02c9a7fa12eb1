"""Notes about the labelled objects of one image."""

from dataclasses import dataclass

import numpy as np

from unet_hf.data.pairs import components_of

MAX_PIXELS = 2**22  # connected pieces of larger masks are measured on a coarser grid
SPECK = 9  # px; smaller pieces are slips of the pen more often than objects
CLOSE = 10  # px; objects that are not farther apart count as close


@dataclass(frozen=True, eq=False)
class ObjectFacts:
    """Notes about the objects of one image."""

    diameters: np.ndarray  # (objects,) float32 px, of the circles with the same areas
    touching: int  # number of objects with a 4-neighbour of another
    pieces: int  # 8-connected pieces of all objects; more than objects if ids are in pieces
    widths: np.ndarray  # (objects,) float32 px, as `widths_of`
    close: int  # number of objects with another within `CLOSE` px


def object_facts(instances: np.ndarray) -> ObjectFacts:
    """Counts and measures objects. instances: (H, W) int32, 0 background."""
    from skimage.measure import label

    ids, areas = np.unique(instances[instances != 0], return_counts=True)
    touching: set[int] = set()
    edges = []
    for one, other in (
        (instances[1:], instances[:-1]),
        (instances[:, 1:], instances[:, :-1]),
    ):
        differ = one != other
        one, other = one[differ], other[differ]
        meet = (one != 0) & (other != 0)
        touching.update(one[meet].tolist(), other[meet].tolist())
        edges += [one[one != 0], other[other != 0]]
    sides = np.bincount(np.searchsorted(ids, np.concatenate(edges)), minlength=len(ids))
    pieces = int(label(instances, connectivity=2).max())
    close = len(touching | close_objects(instances))
    return ObjectFacts(
        diameters_of(areas), len(touching), pieces, widths_of(areas, sides[: len(ids)]), close
    )


def piece_facts(label: np.ndarray) -> ObjectFacts:
    """Measures the 4-connected pieces of the classes but 0. label: (H, W) uint8 class ids."""
    step = int(np.ceil(np.sqrt(label.size / MAX_PIXELS))) if label.size else 1
    found = object_facts(components_of(label[::step, ::step]))
    kept = found.diameters * step >= diameters_of(np.float32(SPECK))
    return ObjectFacts(
        found.diameters[kept] * step,
        found.touching,
        found.pieces,
        found.widths[kept] * step,
        min(found.close, int(kept.sum())),
    )


def diameters_of(areas: np.ndarray) -> np.ndarray:
    """Diameters of the circles with these areas, float32."""
    return np.sqrt(4 / np.pi * areas).astype(np.float32)


def widths_of(areas: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Widths of the rectangles with these areas and circumferences; of compact objects, diameters.

    sides: (objects,) number of pixel sides on the edge, which is 4 / pi times the circumference of
    an edge in any direction.
    """
    half = sides * (np.pi / 8)  # length + width
    root = half**2 - 4 * areas  # (length - width)**2
    long = (half - np.sqrt(np.maximum(root, 0))) / 2
    return np.where(root > 0, long, diameters_of(areas)).astype(np.float32)


def close_objects(ids: np.ndarray) -> set[int]:
    """Finds the ids of objects that have another within `CLOSE` px (by rows or columns)."""
    found: set[int] = set()
    for plane in (ids, ids.T):
        rows, columns = np.nonzero(plane)
        values = plane[rows, columns]
        near = (rows[1:] == rows[:-1]) & (np.diff(columns) <= CLOSE) & (values[1:] != values[:-1])
        found.update(values[1:][near].tolist(), values[:-1][near].tolist())
    return found
