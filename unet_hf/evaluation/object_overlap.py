"""Counts the pixels that true and proposed objects share, in one pass over an image."""

from dataclasses import dataclass, replace

import numpy as np

from ..errors import ShapeError


@dataclass(frozen=True, eq=False)
class ObjectOverlap:
    """Areas of true and proposed objects, and of the pairs that share pixels; all in pixels.

    true_ids, true_areas: (n,) Ids of the true objects in rising order, and their areas.
    found_ids, found_areas: (m,) The same of the proposed objects.
    rows, columns, common: (pairs,) Places of a pair in `true_ids` and `found_ids`, and the pixels
        that both objects have.
    """

    true_ids: np.ndarray
    true_areas: np.ndarray
    found_ids: np.ndarray
    found_areas: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    common: np.ndarray

    @classmethod
    def from_labels(
        cls, truth: np.ndarray, proposed: np.ndarray, counted: np.ndarray | None = None
    ) -> "ObjectOverlap":
        """Counts the pixels of two images of ids; see `object_scores.score_objects`.

        Neighbours in a row mostly have the same two ids. Such a run of pixels is counted at once,
        so that only the runs need sorting: a few hundred thousand for four million pixels.

        Raises:
            ShapeError: The sizes differ.
        """
        if truth.shape != proposed.shape:
            raise ShapeError(
                f"The truth has the shape {truth.shape}, the objects {proposed.shape}; (height, "
                "width) is expected of both, and the same."
            )
        if counted is not None:
            truth, proposed = truth[counted], proposed[counted]
        truth, proposed = truth.ravel(), proposed.ravel()
        begins = np.ones(truth.size, bool)
        begins[1:] = (truth[1:] != truth[:-1]) | (proposed[1:] != proposed[:-1])
        starts = np.flatnonzero(begins)
        lengths = np.diff(starts, append=truth.size)
        true_ids, true_at = np.unique(truth[starts], return_inverse=True)
        found_ids, found_at = np.unique(proposed[starts], return_inverse=True)
        pairs, pair_at = np.unique(true_at * len(found_ids) + found_at, return_inverse=True)
        rows, columns = np.divmod(pairs, max(len(found_ids), 1))
        common = _sums(pair_at, lengths)
        both = (true_ids[rows] != 0) & (found_ids[columns] != 0)
        true, found = true_ids != 0, found_ids != 0
        return cls(
            true_ids[true],
            _sums(true_at, lengths)[true],
            found_ids[found],
            _sums(found_at, lengths)[found],
            _places(true)[rows[both]],
            _places(found)[columns[both]],
            common[both],
        )

    @property
    def union(self) -> np.ndarray:
        """The pixels that at least one object of each pair has, (pairs,)."""
        return self.true_areas[self.rows] + self.found_areas[self.columns] - self.common

    @property
    def iou(self) -> np.ndarray:
        """Intersection over union of each pair, (pairs,), above 0 and at most 1."""
        return self.common / self.union

    def with_found(self, kept: np.ndarray) -> "ObjectOverlap":
        """Returns the table with only those proposed objects for which `kept`, (m,), is true."""
        pairs = kept[self.columns]
        return replace(
            self,
            found_ids=self.found_ids[kept],
            found_areas=self.found_areas[kept],
            rows=self.rows[pairs],
            columns=_places(kept)[self.columns[pairs]],
            common=self.common[pairs],
        )

    def joined(self, ids: np.ndarray) -> "ObjectOverlap":
        """Returns the table of proposed objects that are unions of these; no pixel is looked at.

        ids: (m,) whole numbers, the new id of each of `found_ids`; 0 leaves it out.
        """
        found_ids, at = np.unique(ids, return_inverse=True)
        kept, areas = found_ids != 0, _sums(at, self.found_areas)
        pairs, pair_at = np.unique(
            self.rows * len(found_ids) + at[self.columns], return_inverse=True
        )
        rows, columns = np.divmod(pairs, max(len(found_ids), 1))
        both = kept[columns]
        return replace(
            self,
            found_ids=found_ids[kept],
            found_areas=areas[kept],
            rows=rows[both],
            columns=_places(kept)[columns[both]],
            common=_sums(pair_at, self.common)[both],
        )


def _sums(places: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Adds up the lengths at each place; float64 holds whole numbers of this size exactly."""
    return np.bincount(places, lengths).astype(np.int64)


def _places(kept: np.ndarray) -> np.ndarray:
    """Returns the new places of what is kept when the rest is left out."""
    return np.cumsum(kept) - 1
