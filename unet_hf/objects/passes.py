"""Passes between basins: the graph by which basins become objects. No pixels in here."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Passes:
    """Passes between basins that touch.

    pairs: (m, 2) int64, the two basins, counted from 0.
    heights: (m,) float32, of each pass: the lower of the two pixels that touch there.
    places: (m,) int64. Of two passes of the same height, the one with the lower number is taken to
        be the higher. It is a place in the image, so that the order does not depend on basins.
    """

    pairs: np.ndarray
    heights: np.ndarray
    places: np.ndarray

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, chosen: np.ndarray) -> "Passes":
        return Passes(self.pairs[chosen], self.heights[chosen], self.places[chosen])

    def between(self, numbers: np.ndarray) -> "Passes":
        """Returns the same passes between basins that have other numbers, or are parts of others.

        numbers: (n,), by the number of a basin.
        """
        return Passes(numbers[self.pairs].astype(np.int64), self.heights, self.places)

    @classmethod
    def joined(cls, several: Collection["Passes"]) -> "Passes":
        return cls(
            np.concatenate([np.zeros((0, 2), np.int64), *(each.pairs for each in several)]),
            np.concatenate([np.zeros(0, np.float32), *(each.heights for each in several)]),
            np.concatenate([np.zeros(0, np.int64), *(each.places for each in several)]),
        )

    def highest(self, count: int) -> "Passes":
        """Returns the highest pass between each two basins, from the highest to the lowest.

        count: The number of basins.
        """
        ordered = self[np.lexsort((self.places, -self.heights))]
        low, high = ordered.pairs.min(axis=1), ordered.pairs.max(axis=1)
        return ordered[np.sort(np.unique(low * count + high, return_index=True)[1])]

    def forest(self, count: int) -> "Passes":
        """Returns the passes on the highest way between any two basins, from the highest down.

        The others cannot matter. Their two basins are connected by higher passes. Where one of
        those has not merged its two objects, these are sure of their own, and so they are at any
        lower pass.

        count: The number of basins.
        """
        from scipy.sparse import csr_matrix
        from scipy.sparse.csgraph import minimum_spanning_tree

        passes = self.highest(count)
        rank = np.arange(1.0, len(passes) + 1)
        graph = csr_matrix((rank, tuple(passes.pairs.T)), (count, count))
        return passes[np.sort(minimum_spanning_tree(graph).data).astype(np.int64) - 1]

    def lower_summits(self, summits: np.ndarray) -> np.ndarray:
        """Returns for each pass the lower of the two summits that it lies between, (m,) float32.

        They are the highest that can be reached from its two sides on higher passes. The passes are
        a forest in its order.
        """
        basins, pairs = np.unique(self.pairs, return_inverse=True)
        top = summits[basins].tolist()
        leader = list(range(len(top)))
        lower = []
        for x, y in pairs.reshape(-1, 2).tolist():
            while leader[x] != x:
                leader[x] = x = leader[leader[x]]
            while leader[y] != y:
                leader[y] = y = leader[leader[y]]
            if top[x] < top[y]:
                x, y = y, x
            leader[y] = x
            lower.append(top[y])
        return np.array(lower, np.float32)


def is_no_object(
    summits: np.ndarray, heights: np.ndarray, seed: float, prominence: float
) -> np.ndarray:
    """Returns (m,) bool: whether a summit is too low, or stands out too little above its pass."""
    return (summits < np.float64(seed)) | (summits - heights < prominence)


def number_joined(pairs: np.ndarray, count: int) -> np.ndarray:
    """Returns (count,) int32: equal numbers for what the pairs connect, from 0, in order."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    edges = (np.ones(len(pairs), bool), tuple(pairs.T))
    numbers = connected_components(coo_matrix(edges, (count, count)), directed=False)[1]
    _, first, numbers = np.unique(numbers, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first)).astype(np.int32)[numbers]
