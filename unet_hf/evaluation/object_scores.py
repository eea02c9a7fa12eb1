"""Scores single objects: which true ones were found, and which were split or merged.

A true object and a proposed one are a pair if their IoU is above a bound of at least 1/2. No object
can then be in two pairs, so nothing has to be assigned (Kirillov et al. 2019, "Panoptic
segmentation", section 4.1). "Above" is the rule of the Data Science Bowl 2018, too; StarDist and
Cellpose also count a pair whose IoU is exactly the bound.
"""

from dataclasses import dataclass, field

import numpy as np

from ..errors import ConfigError
from .object_overlap import ObjectOverlap

LEAST_IOU = 0.5
MOSTLY = 0.5  # an object lies in another if more than this part of it does
STEPS = np.arange(10, 20)  # the bounds of average precision, in twentieths
IOU_THRESHOLDS = tuple((STEPS / 20).tolist())  # 0.5, 0.55 ... 0.95


@dataclass(frozen=True)
class ObjectScores:
    """What became of each object. Scores are from 0 to 1, higher is better.

    A score is None where there is nothing to divide by: F1, panoptic quality and the aggregated
    Jaccard index where there are neither true nor proposed objects, SEG where there is no true one.

    matched: Pairs of a true id and a proposed one with an IoU above `least_iou`.
    missed_ids, invented_ids: True and proposed objects without a pair.
    split_into: True objects in which at least two proposed ones lie, each with more than half of
        itself: the true id, and these proposed ids.
    merged_from: Proposed objects in which at least two true ones lie, each with more than half of
        itself: the proposed id, and these true ids.
    mean_iou: Mean IoU of the matched pairs.
    hits: Number of pairs with an IoU above each of `IOU_THRESHOLDS`.
    aggregated_jaccard, seg: See the functions of these names.
    """

    matched: tuple[tuple[int, int], ...] = field(repr=False)
    missed_ids: tuple[int, ...] = field(repr=False)
    invented_ids: tuple[int, ...] = field(repr=False)
    split_into: dict[int, tuple[int, ...]] = field(repr=False)
    merged_from: dict[int, tuple[int, ...]] = field(repr=False)
    mean_iou: float | None
    hits: tuple[int, ...]
    aggregated_jaccard: float | None
    seg: float | None
    least_iou: float = LEAST_IOU

    @property
    def found(self) -> int:
        """The number of matched pairs."""
        return len(self.matched)

    @property
    def missed(self) -> int:
        """The number of true objects without a pair."""
        return len(self.missed_ids)

    @property
    def false(self) -> int:
        """The number of proposed objects without a pair."""
        return len(self.invented_ids)

    @property
    def split(self) -> int:
        """The number of true objects that were split."""
        return len(self.split_into)

    @property
    def merged(self) -> int:
        """The number of proposed objects that merge true ones."""
        return len(self.merged_from)

    @property
    def true_count(self) -> int:
        """The number of true objects."""
        return self.found + self.missed

    @property
    def proposed_count(self) -> int:
        """The number of proposed objects."""
        return self.found + self.false

    @property
    def precision(self) -> float | None:
        """The share of the proposed objects that are right."""
        return _share(self.found, self.proposed_count)

    @property
    def recall(self) -> float | None:
        """The share of the true objects that were found."""
        return _share(self.found, self.true_count)

    @property
    def f1(self) -> float | None:
        """2 found / (2 found + missed + false)."""
        return _share(2 * self.found, self.true_count + self.proposed_count)

    @property
    def panoptic_quality(self) -> float | None:
        """The mean IoU of the pairs times F1 (Kirillov et al. 2019, equation 1)."""
        return self.f1 and self.mean_iou * self.f1

    @property
    def average_precision(self) -> tuple[float, ...]:
        """AP at each of `IOU_THRESHOLDS`, see `precision_of_hits`."""
        return precision_of_hits(np.array(self.hits), self.true_count, self.proposed_count)

    @property
    def ap50(self) -> float:
        """AP at IoU 0.5."""
        return self.average_precision[0]

    @property
    def mean_ap(self) -> float:
        """The mean of AP at IoU 0.5, 0.55 ... 0.95."""
        return float(np.mean(self.average_precision))

    @property
    def count_error(self) -> float:
        """Proposed objects too many or too few, as a share of the true ones (of 1 if none is)."""
        return abs(self.proposed_count - self.true_count) / max(self.true_count, 1)


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
        least_iou: A matched pair has a higher IoU; from 0.5 to below 1.

    Raises:
        ShapeError: The sizes differ.
        ConfigError: `least_iou` is out of range.
    """
    if not 0.5 <= least_iou < 1:
        raise ConfigError(f"least_iou={least_iou!r} is out of range; 0.5 to below 1 is expected.")
    return score_overlap(ObjectOverlap.from_labels(truth, proposed, counted), least_iou)


def score_overlap(overlap: ObjectOverlap, least_iou: float = LEAST_IOU) -> ObjectScores:
    """Scores proposed objects against true ones, from the pixels that they share."""
    rows, columns, iou = overlap.rows, overlap.columns, overlap.iou
    true, found = overlap.true_ids[rows], overlap.found_ids[columns]
    pair = iou > least_iou
    inside = overlap.common > MOSTLY * overlap.found_areas[columns]  # the proposed in the true one
    around = overlap.common > MOSTLY * overlap.true_areas[rows]
    return ObjectScores(
        matched=tuple(zip(true[pair].tolist(), found[pair].tolist(), strict=True)),
        missed_ids=tuple(np.setdiff1d(overlap.true_ids, true[pair]).tolist()),
        invented_ids=tuple(np.setdiff1d(overlap.found_ids, found[pair]).tolist()),
        split_into=_several(true[inside], found[inside]),
        merged_from=_several(found[around], true[around]),
        mean_iou=float(iou[pair].mean()) if pair.any() else None,
        hits=tuple(hits(overlap).tolist()),
        aggregated_jaccard=aggregated_jaccard(overlap),
        seg=seg(overlap),
        least_iou=least_iou,
    )


def hits(overlap: ObjectOverlap) -> np.ndarray:
    """Counts the pairs with an IoU above each of `IOU_THRESHOLDS`.

    Whole numbers are compared, so that an IoU of exactly 11/20 is never above 0.55.
    """
    return (20 * overlap.common[:, None] > STEPS * overlap.union[:, None]).sum(0)


def precision_of_hits(pairs: np.ndarray, true: int, proposed: int) -> tuple[float, ...]:
    """Computes the average precision of the Data Science Bowl 2018: TP / (TP + FP + FN).

    It is 1 where there are neither true nor proposed objects, as nothing is wrong there. StarDist
    gives 0 and Cellpose NaN for such images; the Bowl had none.

    pairs: (bounds,) how many have an IoU above each bound. true, proposed: Numbers of objects.
    """
    if true + proposed == 0:
        return (1.0,) * len(pairs)
    return tuple((pairs / (true + proposed - pairs)).tolist())


def aggregated_jaccard(overlap: ObjectOverlap) -> float | None:
    """Computes the aggregated Jaccard index (Kumar et al. 2017, IEEE TMI 36:1550, algorithm 1).

    Each true object is compared with the proposed one of the highest IoU, which may be taken twice.
    The index is the sum of the intersections, divided by the sum of the unions and of the areas of
    proposed objects that were not taken.
    """
    best = np.lexsort((overlap.columns, -overlap.iou, overlap.rows))
    met, first = np.unique(overlap.rows[best], return_index=True)
    best = best[first]
    alone = np.delete(overlap.true_areas, met).sum()
    unused = np.delete(overlap.found_areas, overlap.columns[best]).sum()
    return _share(int(overlap.common[best].sum()), int(overlap.union[best].sum() + alone + unused))


def seg(overlap: ObjectOverlap) -> float | None:
    """Computes SEG of the Cell Tracking Challenge (Maška et al. 2014, Bioinformatics 30:1609).

    A true object is matched by the proposed one that has more than half of its pixels. SEG is the
    mean IoU of all true objects, 0 for those without a match.
    """
    matched = 2 * overlap.common > overlap.true_areas[overlap.rows]
    return _share(float(overlap.iou[matched].sum()), len(overlap.true_ids))


def _several(owners: np.ndarray, parts: np.ndarray) -> dict[int, tuple[int, ...]]:
    """Returns the owners that occur at least twice, each with its parts."""
    ids, starts, counts = np.unique(np.sort(owners), return_index=True, return_counts=True)
    ordered, several = parts[np.argsort(owners, kind="stable")], counts > 1
    places = zip(ids[several].tolist(), starts[several], counts[several], strict=True)
    return {owner: tuple(ordered[at : at + count].tolist()) for owner, at, count in places}


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
