"""How objects move and grow from a frame to the next: all together, and with their neighbours."""

import numpy as np

from .cells import Cells, overlaps

PIXELS_A_SIZE = 10  # frames are registered at so coarse a resolution that a size has these pixels
SURE = 0.4  # intersection over union, above which two objects are surely the same
NEIGHBOURS = 8  # sure ones whose motion says how those around them move
UNLIKE = 0.25  # difference from the usual growth, above which two objects are not surely the same
LEVEL = 0.1  # weight of the opinion that motion has no slope, in neighbours
ROUNDS = 3  # in each, more objects become sure
GROWTH_LIMIT = 0.3  # of the usual growth; more is another segmentation, and not growth
FEW = 5  # so many sure objects say half of what is to be known about the usual growth


def global_shift(before: Cells, after: Cells, shape: tuple[int, int]) -> np.ndarray:
    """Returns by how many pixels (y, x) all objects moved together, as a stage moves them.

    The shift is that of the highest cross-correlation. It is (0, 0) if it does not bring more
    objects onto others than no shift does, at least two of them and at least half.
    """
    nothing = np.zeros(2)
    if len(before) < 2 or len(after) < 2:
        return nothing
    step = max(1, int(np.median(before.sizes)) // PIXELS_A_SIZE)
    shift = step * _best_shift(*(_coarse(cells, shape, step) for cells in (before, after)))
    found, unmoved = (
        _agreement(before.moved(np.tile(by, (len(before), 1))), after, shape)
        for by in (shift, nothing)
    )
    enough = max(2, len(before) / 2)
    return shift if found.sum() > unmoved.sum() and (found > 0.5).sum() >= enough else nothing


def _best_shift(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Returns the shift (y, x) of the highest cross-correlation, in pixels of these pictures.

    The correlation is circular: of the shifts that it cannot tell apart, this is the shortest.
    """
    from scipy import fft

    # Of real pictures, half of the transform is enough; scikit-image's correlation takes all.
    both = fft.rfft2(after) * fft.rfft2(before).conj()
    best = np.unravel_index(fft.irfft2(both, before.shape).argmax(), before.shape)
    around = np.array(before.shape)
    return np.where(best > around // 2, best - around, best).astype(float)


def _coarse(cells: Cells, shape: tuple[int, int], step: int) -> np.ndarray:
    """Draws objects at a lower resolution, as the share of each pixel that they cover."""
    rows, columns = shape[0] // step + 1, shape[1] // step + 2
    y, begin, end, _ = cells.within(shape)  # those missed before may lie outside
    # A run is all that lies behind its beginning, without all that lies behind its end: so the
    # sum along a row is the picture.
    edge = np.concatenate([begin, end])
    place = np.tile(y // step, 2) * columns + edge // step
    sign, into = np.repeat([1.0, -1.0], len(y)), edge % step
    rises = np.bincount(
        np.concatenate([place, place + 1]),
        np.concatenate([sign * (step - into), sign * into]),
        rows * columns,
    )
    # Whole numbers, exact in 32 bits; these are summed and correlated in half of the time.
    picture = rises.astype(np.float32).reshape(rows, columns).cumsum(1)
    return picture[: -(-shape[0] // step), : -(-shape[1] // step)] / np.float32(step**2)


def _agreement(before: Cells, after: Cells, shape: tuple[int, int]) -> np.ndarray:
    """The largest share of each object of `before` that lies in one of `after`, (n,)."""
    source, _, shared = overlaps(before, after, shape)
    best = np.zeros(len(before))
    np.maximum.at(best, source, shared / before.areas[source])
    return best


def predicted_motion(
    before: Cells, after: Cells, shape: tuple[int, int], register: bool
) -> np.ndarray:
    """Predicts how far each object of `before` moves, (n, 2) pixels.

    Objects that surely are the same in both frames show how those around them move, in as far as
    sure ones foretell each other: in a crowd that flows they do, among cells that crawl on their
    own they do not.
    """
    start = global_shift(before, after, shape) if register else np.zeros(2)
    motion = np.tile(start, (len(before), 1))
    for _ in range(ROUNDS):
        source, target = _sure_pairs(before.moved(motion), after, shape)
        if len(source) < 3:  # fewer do not say more than the shift
            break
        motion = motion_around(before.centers, source, after.centers[target])
    return motion


def motion_around(centers: np.ndarray, source: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Carries the motion of some objects over to all: (n, 2) pixels.

    Args:
        centers: (n, 2) of all objects before.
        source: (s,) indices of those whose motion is known, three at least.
        places: (s, 2) where they are afterwards.
    """
    seen = places - centers[source]
    usual = np.median(seen, 0)
    return usual + _from_neighbours(centers, source, seen - usual)


def usual_growth(expected: Cells, after: Cells, shape: tuple[int, int]) -> float:
    """Returns the usual change of the logarithm of an area, nearer to 0 the fewer are sure."""
    source, target = _sure_pairs(expected, after, shape)
    if not len(source):
        return 0.0
    growth = np.median(np.log(after.areas[target] / expected.areas[source]))
    return float(np.clip(growth, -GROWTH_LIMIT, GROWTH_LIMIT) * len(source) / (len(source) + FEW))


def usual_areas(areas: np.ndarray, past: np.ndarray) -> np.ndarray:
    """Returns what areas would be without faults of a single frame, (n,).

    It is the median of three frames. So an object that has swallowed its neighbour for a frame
    does not divide when both are there again.

    Args:
        areas: (n,) in the last frame.
        past: (n, 2) in the two before it; nan for an object that was not there yet.
    """
    three = np.concatenate([areas[:, None], past], 1)
    return np.where(np.isnan(past).any(1), areas, np.median(three, 1))


def _sure_pairs(
    before: Cells, after: Cells, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of objects that overlap each other most, and much, and are about as large.

    So a mother and one of its daughters are none.
    """
    source, target, shared = overlaps(before, after, shape)
    union = before.areas[source] + after.areas[target] - shared
    iou = shared / union
    best_of_source, best_of_target = np.zeros(len(before)), np.zeros(len(after))
    np.maximum.at(best_of_source, source, iou)
    np.maximum.at(best_of_target, target, iou)
    sure = (iou > SURE) & (iou == best_of_source[source]) & (iou == best_of_target[target])
    source, target = source[sure], target[sure]
    if not len(source):
        return source, target
    grown = np.log(after.areas[target] / before.areas[source])
    usual = np.clip(np.median(grown), -GROWTH_LIMIT, GROWTH_LIMIT)
    alike = np.abs(grown - usual) < UNLIKE
    return source[alike], target[alike]


def _from_neighbours(centers: np.ndarray, sure: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Carries the motion of sure objects over to all. sure: indices; moves: (s, 2) pixels."""
    from scipy.spatial import cKDTree

    tree = cKDTree(centers[sure])
    count = min(NEIGHBOURS + 1, len(sure))
    distances, neighbours = tree.query(centers, count)
    everywhere = _local_fit(centers, centers[sure], moves, distances, neighbours)
    # A sure object is foretold by its neighbours without itself, which is the first of them.
    foretold = _local_fit(
        centers[sure], centers[sure], moves, distances[sure, 1:], neighbours[sure, 1:]
    )
    unexplained = ((moves - foretold) ** 2).sum() / max((moves**2).sum(), 1e-9)
    return max(0.0, 1 - unexplained) * everywhere


def _local_fit(
    places: np.ndarray,
    points: np.ndarray,
    moves: np.ndarray,
    distances: np.ndarray,
    neighbours: np.ndarray,
) -> np.ndarray:
    """Fits a plane to the motion of the neighbours of each place; returns it there, (n, 2).

    distances, neighbours: (n, k), to and of the `points` near each of the `places`.
    """
    reach = distances.max(1, keepdims=True) + 1e-9
    weights = np.exp(-2 * (distances / reach) ** 2)[..., None]  # (n, k, 1)
    offsets = (points[neighbours] - places[:, None]) / reach[..., None]  # (n, k, 2)
    terms = np.concatenate([np.ones_like(weights), offsets], 2)  # (n, k, 3)
    normal = np.einsum("nki,nkj->nij", weights * terms, terms)
    # A little weight on no slope, so that neighbours in a line, too few or all to one side of the
    # place give their mean.
    normal += np.diag([1e-6, LEVEL, LEVEL])
    right = np.einsum("nki,nkj->nij", weights * terms, moves[neighbours])
    return np.linalg.solve(normal, right)[:, 0]
