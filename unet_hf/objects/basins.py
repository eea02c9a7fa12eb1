"""Parts a mask into objects along the valleys of a height map, by looking at neighbours only.

Each pixel points at the highest of its neighbours that is higher than itself. Where the pointers
end is a summit, and the pixels that lead there are its basin. Two basins that touch are joined by a
pass: the highest way from one to the other. A basin whose summit is too low to be an object of its
own is merged into the neighbour behind its highest pass.

This is a watershed. That of scikit-image floods from all seeds at once, in an order that depends on
the whole image. Here a pixel's pointer depends on its four neighbours only, so that blocks of a
large image give exactly the basins of the whole image, and another seed height needs no new pass
over the pixels.
"""

from dataclasses import dataclass

import numpy as np

DOWN_AND_RIGHT = (np.s_[:-1, :], np.s_[1:, :]), (np.s_[:, :-1], np.s_[:, 1:])


@dataclass(frozen=True, eq=False)
class Basins:
    """The basins of a mask and the passes between them.

    labels: (H, W) int32, 0 outside, else 1 to n.
    summits: (n,) float32, the height of each basin's highest pixel.
    first: (n,) int64, a number of this pixel that orders summits of the same height.
    passes: (m, 2) int64, pairs of basins that touch, counted from 0.
    heights: (m,) float32, of each pass: the lower of its two pixels, where that is highest.
    """

    labels: np.ndarray
    summits: np.ndarray
    first: np.ndarray
    passes: np.ndarray
    heights: np.ndarray

    @classmethod
    def find(cls, group: np.ndarray, height: np.ndarray) -> "Basins":
        """Finds the basins of a (H, W) float32 height map.

        group: (H, W) whole numbers: 0 outside; pixels of different groups do not touch.
        """
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        group = np.ascontiguousarray(group)
        pixels = np.flatnonzero(group)
        number = np.zeros(group.size, np.int32)
        number[pixels] = np.arange(pixels.size, dtype=np.int32)
        target = highest_neighbours(group, height).ravel()[pixels]
        n = pixels.size
        graph = coo_matrix(
            (np.ones(n, bool), (np.arange(n, dtype=np.int32), number[target])), (n, n)
        )
        count, of_pixel = connected_components(graph, directed=False)
        labels = np.zeros(group.shape, np.int32)
        labels.ravel()[pixels] = of_pixel + 1
        roots = pixels[target == pixels]
        order = np.empty(count, np.int64)
        order[of_pixel[number[roots]]] = roots
        summits = height.ravel()[order].astype(np.float32)
        passes, heights = find_passes(group, labels, height)
        return cls(labels, summits, order, passes, heights)


def highest_neighbours(group: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Returns the flat index of each pixel's highest neighbour, (H, W) int64; its own on a summit.

    Of two equal heights, the pixel that comes first row by row is the higher one.
    """
    shape = group.shape
    index = np.arange(group.size, dtype=np.int64).reshape(shape)
    best, target = height.copy(), index.copy()
    for low, high in DOWN_AND_RIGHT:
        same = group[low] == group[high]
        for here, there in ((high, low), (low, high)):
            value = height[there]
            beats = value > best[here]
            beats |= (value == best[here]) & (index[there] < target[here])
            beats &= same
            best[here][beats] = value[beats]
            target[here][beats] = index[there][beats]
    return target


def find_passes(
    group: np.ndarray, labels: np.ndarray, height: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the pairs of basins that touch, (m, 2) int64 from 0, and the height of each pass."""
    keys, levels = [], []
    width = int(labels.max(initial=0)) + 1
    for low, high in DOWN_AND_RIGHT:
        a, b = labels[low], labels[high]
        meet = (a != b) & (group[low] == group[high]) & (a > 0)
        a, b = a[meet].astype(np.int64), b[meet].astype(np.int64)
        keys.append(np.minimum(a, b) * width + np.maximum(a, b))
        levels.append(np.minimum(height[low][meet], height[high][meet]))
    keys, levels = np.concatenate(keys), np.concatenate(levels)
    order = np.lexsort((-levels, keys))
    keys, levels = keys[order], levels[order]
    first = np.ones(keys.size, bool)
    first[1:] = keys[1:] != keys[:-1]
    pairs = np.stack(np.divmod(keys[first], width), axis=1) - 1
    return pairs, levels[first].astype(np.float32)


def merge(basins: Basins, seed: float, prominence: float) -> np.ndarray:
    """Returns for each basin, (n,), the number of the object it belongs to, from 0.

    Passes are visited from the highest to the lowest. The two objects that a pass joins become one
    if the lower of their summits is below `seed`, or rises less than `prominence` above the pass.
    """
    n = basins.summits.size
    parent = list(range(n))
    summit, first = basins.summits.tolist(), basins.first.tolist()

    def find(x: int) -> int:
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    a, b = basins.passes.T if n else (np.zeros(0, int),) * 2
    low = np.minimum(basins.first[a], basins.first[b]) if n else a
    high = np.maximum(basins.first[a], basins.first[b]) if n else a
    for i in np.lexsort((high, low, -basins.heights)).tolist():
        x, y = find(int(a[i])), find(int(b[i]))
        if x == y:
            continue
        if (summit[x], -first[x]) < (summit[y], -first[y]):
            x, y = y, x
        if summit[y] < seed or summit[y] - basins.heights[i] < prominence:
            parent[y] = x
    roots = np.array([find(x) for x in range(n)], np.int64)
    return np.unique(roots, return_inverse=True)[1] if n else roots
