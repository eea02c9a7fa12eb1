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


@dataclass(frozen=True)
class OverlapScores:
    """Scores of each class (NaN for one that neither truth nor prediction holds)."""

    iou: np.ndarray
    dice: np.ndarray
    pixel_accuracy: float

    @property
    def mean_iou(self) -> float:
        return float(np.nanmean(self.iou))


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


def rand_and_information(truth: np.ndarray, regions: np.ndarray) -> tuple[float, float]:
    """V_rand and V_info of one proposal.

    Args:
        truth: (H, W) region ids, 0 on membranes, which do not count.
        regions: (H, W) ids of the proposal; each pixel with id 0 is a region of its own.

    Returns:
        Two numbers from 0 to 1, higher is better; alpha = 1/2 in both.
    """
    kept = truth > 0
    n = int(kept.sum())
    if n == 0:
        return 1.0, 1.0
    true_ids = np.unique(truth[kept], return_inverse=True)[1]
    found = regions[kept].astype(np.int64)
    lonely = found == 0
    found[lonely] = found.max() + 1 + np.arange(int(lonely.sum()))
    found_ids = np.unique(found, return_inverse=True)[1]

    joint = np.unique(true_ids * (found_ids.max() + 1) + found_ids, return_counts=True)[1] / n
    s = np.bincount(true_ids) / n
    t = np.bincount(found_ids) / n
    rand = np.square(joint).sum() / (0.5 * np.square(s).sum() + 0.5 * np.square(t).sum())

    entropy_s, entropy_t, entropy_joint = (-(p * np.log(p)).sum() for p in (s, t, joint))
    if entropy_s + entropy_t == 0:  # one region in both: nothing to be wrong about
        return float(rand), 1.0
    information = (entropy_s + entropy_t - entropy_joint) / (0.5 * (entropy_s + entropy_t))
    return float(rand), float(information)


def membrane_scores(
    truths: Iterable[np.ndarray],
    probabilities: Iterable[np.ndarray],
    thresholds: Iterable[float] = THRESHOLDS,
) -> dict[float, list[tuple[float, float]]]:
    """V_rand and V_info (thinned) of every slice at every threshold.

    Args:
        truths: (H, W) bool a slice, True = cell; its regions are 4-connected.
        probabilities: (H, W) float a slice, the probability of CELL; interior is p > t.

    Returns:
        {threshold: [(V_rand, V_info) of each slice]}. The challenge's score is the mean over
        slices at the best threshold, one for the whole stack.
    """
    from skimage.measure import label

    slices = [
        (label(truth, connectivity=1), probability)
        for truth, probability in zip(truths, probabilities, strict=True)
    ]
    return {
        threshold: [
            rand_and_information(regions, thin(probability > threshold))
            for regions, probability in slices
        ]
        for threshold in thresholds
    }
