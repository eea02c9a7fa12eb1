"""Computes segmentation metrics as their sources define them.

Overlap: IoU and Dice of each class from one confusion matrix pooled over all images.
Membranes: V_rand and V_info after thinning, the ranking metrics of the ISBI 2012 challenge
(Arganda-Carreras et al. 2015, Frontiers in Neuroanatomy 9:142).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

THRESHOLDS = tuple(round(0.1 * step, 1) for step in range(11))  # those of the ISBI challenge


def confusion_matrix(
    truth: np.ndarray, mask: np.ndarray, num_classes: int, ignore_index: int = 255
) -> np.ndarray:
    """Counts pixels, (classes, classes): row = true class, column = predicted class."""
    counted = truth != ignore_index
    pairs = truth[counted].astype(np.int64) * num_classes + mask[counted]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def confusions_at(
    truth: np.ndarray, probability: np.ndarray, thresholds: Iterable[float]
) -> dict[float, np.ndarray]:
    """Counts pixels of two classes at each threshold; see `confusion_matrix` and `decide`.

    Args:
        truth: (H, W) class ids; pixels with another one than 0 and 1 do not count.
        probability: (H, W) float32, of class 1.
    """
    # Parted by the true class once, so that a threshold is one comparison of each pixel.
    parts = [probability[truth == index] for index in (0, 1)]
    above = {t: [np.count_nonzero(part > t) for part in parts] for t in thresholds}
    return {
        t: np.array([[part.size - one, one] for part, one in zip(parts, ones, strict=True)])
        for t, ones in above.items()
    }


@dataclass(frozen=True, eq=False)
class OverlapScores:
    """Scores of each class; NaN for a class that is in neither truth nor prediction."""

    iou: np.ndarray
    dice: np.ndarray
    pixel_accuracy: float

    @property
    def mean_iou(self) -> float:
        """Mean IoU over the classes that occur; NaN if none does."""
        return float(np.nanmean(self.iou)) if not np.isnan(self.iou).all() else float("nan")


def overlap_scores(confusion: np.ndarray) -> OverlapScores:
    """Computes the overlap scores of a confusion matrix.

    For each class, IoU = TP / (TP + FP + FN) and Dice = 2 TP / (2 TP + FP + FN).
    """
    hit = np.diag(confusion).astype(float)
    either = confusion.sum(0) + confusion.sum(1) - hit
    with np.errstate(invalid="ignore", divide="ignore"):
        return OverlapScores(
            iou=hit / either,
            dice=2 * hit / (either + hit),
            pixel_accuracy=float(hit.sum() / confusion.sum()),
        )


def thin(interior: np.ndarray) -> np.ndarray:
    """Grows the regions of a binary map until only lines one pixel wide separate them.

    Args:
        interior: (H, W) bool, True = cell.

    Returns:
        (H, W) int32 region ids, 0 on the lines. A map without interior is one region.

    scikit-image's watershed floods in another order than the challenge's, which changes V_rand by
    up to 5e-4 and V_info by up to 2e-4.
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
    """Contingency table of true and proposed regions, without the pixels of the truth's id 0.

    joint, true, found: Pixel counts of each pair of regions, of each true region and of each
        proposed one. Each pixel with the proposed id 0 is a region of its own.
    """

    joint: np.ndarray
    true: np.ndarray
    found: np.ndarray

    @classmethod
    def from_labels(cls, truth: np.ndarray, regions: np.ndarray) -> "Contingency":
        """Counts the pixels of two maps of region ids, each (H, W)."""
        kept = truth > 0
        true_ids = np.unique(truth[kept], return_inverse=True)[1]
        found = regions[kept].astype(np.int64)
        single = found == 0
        found[single] = found.max(initial=0) + 1 + np.arange(int(single.sum()))
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
        if true + found == 0:  # a single region in both
            return 1.0
        return (true + found - entropy(self.joint)) / (0.5 * (true + found))


def rand_score(slices: Iterable[Contingency]) -> float:
    """Computes V_rand, 0 to 1, from the sums over all slices; 1 if there are no pixels.

    It is the number of pairs of pixels in the same region of both, divided by the mean number in
    the same region of each.
    """
    sums = np.zeros(3)
    for table in slices:
        sums += [np.square(counts.astype(float)).sum() for counts in vars(table).values()]
    joint, true, found = sums
    return float(joint / (0.5 * true + 0.5 * found)) if true else 1.0


@dataclass(frozen=True)
class MembraneSlice:
    """Measures of one slice at one threshold.

    v_rand, v_info: Of the thinned proposal.
    cells: The same two of cells that are parted at no threshold; None if there are none.
    """

    v_rand: float
    v_info: float
    unthinned: Contingency
    cell: tuple[int, int, int]  # pixels of the cell class: hit, false, missed
    cells: tuple[float, float] | None = None

    @property
    def of_cells(self) -> tuple[float, float]:
        """V_rand and V_info of the cells, or else of the thinned proposal."""
        return self.cells or (self.v_rand, self.v_info)

    @property
    def scores(self) -> tuple[float, ...]:
        """What counts when a threshold or a training step is chosen: those of mask and cells."""
        return (self.v_rand, self.v_info, *(self.cells or ()))


def membrane_slice(
    truth: np.ndarray,
    probability: np.ndarray,
    thresholds: Iterable[float] = THRESHOLDS,
    cells: np.ndarray | None = None,
) -> dict[float, MembraneSlice]:
    """Computes the measures of the ISBI 2012 challenge for one slice, at each threshold.

    Args:
        truth: (H, W) bool, True = cell; its regions are 4-connected.
        probability: (H, W) float, of the class cell, not of the membrane; the interior is
            probability > threshold.
        cells: (H, W) ids of cells that share the membranes out among them, 0 on the lines between.
    """
    from skimage.measure import label

    true_regions = label(truth, connectivity=1)

    def measured(threshold: float) -> MembraneSlice:
        interior = probability > threshold
        thinned = Contingency.from_labels(true_regions, thin(interior))
        hit = int((truth & interior).sum())
        return MembraneSlice(
            thinned.rand,
            thinned.information,
            Contingency.from_labels(true_regions, label(interior, connectivity=1)),
            (hit, int(interior.sum()) - hit, int(truth.sum()) - hit),
            parted,
        )

    parted = None
    if cells is not None:
        table = Contingency.from_labels(true_regions, cells)
        parted = table.rand, table.information
    return {threshold: measured(threshold) for threshold in thresholds}


def rand_error(slices: Iterable[MembraneSlice]) -> float:
    """1 - F over pairs of pixels, without thinning, pooled over the slices; 0 to 1.

    This is the challenge's measure of 2012, at the threshold where it is least.
    """
    return 1 - rand_score(cut.unthinned for cut in slices)


def pixel_error(slices: Iterable[MembraneSlice]) -> float:
    """1 - F of the class cell, pooled over the slices; 0 to 1. Not the share of wrong pixels."""
    hit, false, missed = np.sum([cut.cell for cut in slices], axis=0)
    return float(1 - 2 * hit / max(2 * hit + false + missed, 1))
