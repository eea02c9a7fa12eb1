"""Segmentation metrics, as their sources define them.

Overlap: IoU and Dice of each class from one confusion matrix pooled over all images.
Membranes: V_rand and V_info after thinning, the ranking metrics of the ISBI 2012 challenge
(Arganda-Carreras et al. 2015, Frontiers in Neuroanatomy 9:142).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

THRESHOLDS = tuple(round(0.1 * step, 1) for step in range(11))  # those of the challenge


def confusion_matrix(
    truth: np.ndarray, mask: np.ndarray, num_classes: int, ignore_index: int = 255
) -> np.ndarray:
    """(classes, classes) pixel counts: row = true class, column = predicted class."""
    counted = truth != ignore_index
    pairs = truth[counted].astype(np.int64) * num_classes + mask[counted]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


@dataclass(frozen=True, eq=False)
class OverlapScores:
    """Scores of each class (NaN for one that neither truth nor prediction holds)."""

    iou: np.ndarray
    dice: np.ndarray
    pixel_accuracy: float

    @property
    def mean_iou(self) -> float:
        """Over the classes that are there; NaN if none is."""
        return float(np.nanmean(self.iou)) if not np.isnan(self.iou).all() else float("nan")


def overlap_scores(confusion: np.ndarray) -> OverlapScores:
    """IoU = TP / (TP + FP + FN) and Dice = 2 TP / (2 TP + FP + FN), each class its own."""
    hit = np.diag(confusion).astype(float)
    either = confusion.sum(0) + confusion.sum(1) - hit
    with np.errstate(invalid="ignore", divide="ignore"):
        return OverlapScores(
            iou=hit / either,
            dice=2 * hit / (either + hit),
            pixel_accuracy=float(hit.sum() / confusion.sum()),
        )


def thin(interior: np.ndarray) -> np.ndarray:
    """Regions of a binary map, grown until lines one pixel wide part them.

    Args:
        interior: (H, W) bool, True = cell.

    Returns:
        (H, W) int32 region ids, 0 on the lines. A map without interior is one region.

    scikit-image's watershed floods in another order than the challenge's; V_rand differs by
    up to 5e-4 and V_info by up to 2e-4 for it.
    """
    from skimage.measure import label
    from skimage.segmentation import watershed

    markers = label(interior, connectivity=1)
    if markers.max() == 0:
        return np.ones(interior.shape, np.int32)
    flat = np.zeros(interior.shape, np.uint8)
    return watershed(flat, markers, connectivity=1, watershed_line=True)


@dataclass(frozen=True, eq=False)
class Contingency:
    """How the pixels of true regions spread over proposed ones; truth's 0 does not count.

    joint, true, found: pixel counts of each pair of regions, of each true region and of each
    proposed one. Each pixel that the proposal leaves out (id 0) is a region of its own.
    """

    joint: np.ndarray
    true: np.ndarray
    found: np.ndarray

    @classmethod
    def of(cls, truth: np.ndarray, regions: np.ndarray) -> "Contingency":
        """truth, regions: (H, W) region ids."""
        kept = truth > 0
        true_ids = np.unique(truth[kept], return_inverse=True)[1]
        found = regions[kept].astype(np.int64)
        lonely = found == 0
        found[lonely] = found.max(initial=0) + 1 + np.arange(int(lonely.sum()))
        found_ids = np.unique(found, return_inverse=True)[1]
        pairs = true_ids * (found_ids.max(initial=0) + 1) + found_ids
        return cls(
            np.unique(pairs, return_counts=True)[1], np.bincount(true_ids), np.bincount(found_ids)
        )

    @property
    def rand(self) -> float:
        """V_rand, 0 to 1, higher is better; alpha = 1/2."""
        return rand_score([self])

    @property
    def information(self) -> float:
        """V_info, 0 to 1, higher is better; alpha = 1/2."""
        n = self.true.sum()
        if n == 0:
            return 1.0

        def entropy(counts: np.ndarray) -> float:
            shares = counts / n
            return float(-(shares * np.log(shares)).sum())

        true, found = entropy(self.true), entropy(self.found)
        if true + found == 0:  # one region in both: nothing to be wrong about
            return 1.0
        return (true + found - entropy(self.joint)) / (0.5 * (true + found))


def rand_score(slices: Iterable[Contingency]) -> float:
    """Pairs of pixels that are together in both, over the mean of those together in either;
    summed over the slices first. 1 for no pixels at all."""
    sums = np.zeros(3)
    for table in slices:
        sums += [np.square(counts.astype(float)).sum() for counts in vars(table).values()]
    joint, true, found = sums
    return float(joint / (0.5 * true + 0.5 * found)) if true else 1.0


@dataclass(frozen=True)
class MembraneSlice:
    """One slice cut at one threshold."""

    v_rand: float  # of the thinned proposal
    v_info: float
    unthinned: Contingency
    cell: tuple[int, int, int]  # pixels of the cell class: hit, false, missed


def membrane_slice(
    truth: np.ndarray, probability: np.ndarray, thresholds: Iterable[float] = THRESHOLDS
) -> dict[float, MembraneSlice]:
    """The measures of the ISBI 2012 challenge for one slice, at each threshold.

    Args:
        truth: (H, W) bool, True = cell; its regions are 4-connected.
        probability: (H, W) float, of CELL; the interior is probability > threshold.
    """
    from skimage.measure import label

    true_regions = label(truth, connectivity=1)

    def measured(interior: np.ndarray) -> MembraneSlice:
        thinned = Contingency.of(true_regions, thin(interior))
        hit = int((truth & interior).sum())
        return MembraneSlice(
            thinned.rand,
            thinned.information,
            Contingency.of(true_regions, label(interior, connectivity=1)),
            (hit, int(interior.sum()) - hit, int(truth.sum()) - hit),
        )

    return {threshold: measured(probability > threshold) for threshold in thresholds}


def rand_error(slices: Iterable[MembraneSlice]) -> float:
    """1 - F over pairs of pixels, unthinned and pooled over the slices; the challenge's measure
    of 2012. Its score takes the threshold at which this is least."""
    return 1 - rand_score(one.unthinned for one in slices)


def pixel_error(slices: Iterable[MembraneSlice]) -> float:
    """1 - F of the cell class, pooled over the slices. Not the share of wrong pixels."""
    hit, false, missed = np.sum([one.cell for one in slices], axis=0)
    return float(1 - 2 * hit / max(2 * hit + false + missed, 1))
