"""Scores single objects: which true ones were found, and which were split or merged.

A true object and a proposed one are a pair if their IoU is above a bound of at least 1/2. No object
can then be in two pairs, so nothing has to be assigned (Kirillov et al. 2019, "Panoptic
segmentation", section 4.1).
"""

from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError, ShapeError

LEAST_IOU = 0.5
MOSTLY = 0.5  # an object lies in another if more than this part of it does


@dataclass(frozen=True)
class ObjectScores:
    """Counts of objects. Scores are from 0 to 1, and None where there is nothing to divide by.

    found: Pairs of a true object and a proposed one with an IoU above `least_iou`.
    missed, false: True and proposed objects without a pair.
    split: True objects in which at least two proposed ones lie, each with more than half of itself.
    merged: Proposed objects in which at least two true ones lie, each with more than half of
        itself.
    mean_iou: Mean IoU of the pairs.
    """

    found: int
    missed: int
    false: int
    split: int
    merged: int
    mean_iou: float | None
    least_iou: float = LEAST_IOU

    @property
    def precision(self) -> float | None:
        """The share of the proposed objects that are right."""
        return _share(self.found, self.found + self.false)

    @property
    def recall(self) -> float | None:
        """The share of the true objects that were found."""
        return _share(self.found, self.found + self.missed)

    @property
    def f1(self) -> float | None:
        """2 found / (2 found + missed + false)."""
        return _share(2 * self.found, 2 * self.found + self.missed + self.false)


def score_objects(
    truth: np.ndarray,
    proposed: np.ndarray,
    *,
    counted: np.ndarray | None = None,
    least_iou: float = LEAST_IOU,
) -> ObjectScores:
    """Scores proposed objects against true ones.

    Args:
        truth, proposed: (H, W) ids of objects, whole numbers; 0 for none. Pixels with the same id
            are one object, whether they are connected or not.
        counted: (H, W) bool, the pixels that count; None: all of them.
        least_iou: A pair has a higher IoU; from 0.5 to below 1.

    Raises:
        ShapeError: The sizes differ.
        ConfigError: `least_iou` is out of range.
    """
    if truth.shape != proposed.shape:
        raise ShapeError(
            f"The truth has the shape {truth.shape}, the objects {proposed.shape}; (height, width) "
            "is expected of both, and the same."
        )
    if not 0.5 <= least_iou < 1:
        raise ConfigError(f"least_iou={least_iou!r} is out of range; 0.5 to below 1 is expected.")
    if counted is not None:
        truth, proposed = truth[counted], proposed[counted]
    true_ids, true_areas, true_at = _areas(truth)
    found_ids, found_areas, found_at = _areas(proposed)
    pairs, common = np.unique(true_at * len(found_ids) + found_at, return_counts=True)
    rows, columns = np.divmod(pairs, max(len(found_ids), 1))
    both = (true_ids[rows] != 0) & (found_ids[columns] != 0)
    rows, columns, common = rows[both], columns[both], common[both]
    true_area, found_area = true_areas[rows], found_areas[columns]
    iou = common / (true_area + found_area - common)
    found = int((iou > least_iou).sum())
    return ObjectScores(
        found=found,
        missed=int((true_ids != 0).sum()) - found,
        false=int((found_ids != 0).sum()) - found,
        split=_with_several(rows[common > MOSTLY * found_area]),
        merged=_with_several(columns[common > MOSTLY * true_area]),
        mean_iou=float(iou[iou > least_iou].mean()) if found else None,
        least_iou=least_iou,
    )


def _areas(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the ids that occur, their pixels, and of each pixel the place of its id."""
    ids, places, areas = np.unique(labels.ravel(), return_inverse=True, return_counts=True)
    return ids, areas, places


def _with_several(places: np.ndarray) -> int:
    """Returns how many places occur at least twice."""
    return int((np.unique(places, return_counts=True)[1] > 1).sum())


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
