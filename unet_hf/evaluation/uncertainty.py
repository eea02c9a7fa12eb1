"""Computes bootstrap intervals of scores, and the calibration error of probabilities."""

from typing import Any

import numpy as np

from ..predict.decision import most_probable

RESAMPLES = 2000  # draws of the bootstrap
BINS = 15  # bins of confidence


def resamples(n_images: int, seed: int = 0) -> np.ndarray:
    """Counts how often each image is drawn in each of `RESAMPLES` draws with replacement.

    Returns (RESAMPLES, n_images) float64 counts; each row sums to n_images.
    """
    random = np.random.default_rng(seed)
    return random.multinomial(n_images, np.full(n_images, 1 / n_images), RESAMPLES).astype(float)


def interval(values: np.ndarray) -> list[float] | None:
    """Computes the middle 95 % of a statistic over the draws (percentile bootstrap; Efron 1979).

    values: (RESAMPLES,) float, NaN where a draw has nothing to measure. Returns None if all are.
    """
    if np.isnan(values).all():
        return None
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return [float(low), float(high)]


def small_sample_interval(value: float, draws: np.ndarray, count: int) -> list[float] | None:
    """Computes a 95 % interval of a score from 0 to 1 that also holds for a few images.

    Of five images, the percentile interval of `interval` holds the true score about 80 times in
    100, because the bootstrap spreads too little by the root of (n - 1) / n and its percentiles
    are those of many images (Hesterberg 2015, The American Statistician 69:371, section 3.2).
    Here the bootstrap's standard error is corrected by that root, Student's t for count - 1
    degrees of freedom replaces the normal percentiles, and the interval is symmetric on the
    logit scale, so that it stays within 0 and 1 and is longer towards the middle.

    Args:
        value: The score of all images.
        draws: (RESAMPLES,) the scores of the draws; NaN where a draw has nothing to measure.
        count: Number of images.

    Returns None for one image, or where all draws have the same score: then nothing is known
    about the spread.
    """
    from scipy.special import expit, logit, stdtrit

    if count < 2 or not 0 < value < 1:
        return None
    error = np.nanstd(draws) * np.sqrt(count / (count - 1))
    if not error > 1e-12:
        return None
    step = stdtrit(count - 1, 0.975) * error / (value * (1 - value))
    return [float(expit(logit(value) - step)), float(expit(logit(value) + step))]


def mean_interval(values: list[float]) -> list[float] | None:
    """Computes the interval of a mean over images; None for a single image."""
    return ratio_interval(np.array(values), np.ones(len(values)))


def ratio_interval(parts: np.ndarray, wholes: np.ndarray) -> list[float] | None:
    """Computes the interval of a ratio whose two terms are sums over images; None for one image.

    parts, wholes: (images,) the terms of each image.
    """
    if len(parts) < 2:
        return None
    draws = resamples(len(parts))
    with np.errstate(invalid="ignore", divide="ignore"):
        return interval(draws @ parts / (draws @ wholes))


def median_interval(values: list[float]) -> list[float] | None:
    """Computes the interval of a median over images; None for a single image."""
    count = len(values)
    if count < 2:
        return None
    ordered = np.sort(values)
    seen = resamples(count)[:, np.argsort(values)].cumsum(1)  # images up to each value, by draw
    middle = [ordered[(seen > place).argmax(1)] for place in ((count - 1) // 2, count // 2)]
    return interval(np.mean(middle, axis=0))


def overlap_intervals(confusions: np.ndarray) -> dict[str, list[list[float] | None] | None]:
    """Computes intervals of IoU and Dice, pooled over the images of each draw.

    Args:
        confusions: (images, classes, classes) pixel counts, see `metrics.confusion_matrix`.

    Returns:
        {"iou": one interval a class, "dice": the same, "mean_iou": an interval}; None instead of
        an interval for a single image, or for a class that no image holds.
    """
    count, classes = confusions.shape[:2]
    if count < 2:
        return {"iou": [None] * classes, "dice": [None] * classes, "mean_iou": None}
    hits = np.diagonal(confusions, axis1=1, axis2=2).astype(float)  # (images, classes)
    sums = confusions.sum(1) + confusions.sum(2)
    draws = resamples(count)
    hit, both = draws @ hits, draws @ sums  # (RESAMPLES, classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        iou, dice = hit / (both - hit), 2 * hit / both
    present = ~np.isnan(iou)
    mean = np.where(present, iou, 0).sum(1) / np.maximum(present.sum(1), 1)
    return {
        "iou": [interval(values) for values in iou.T],
        "dice": [interval(values) for values in dice.T],
        "mean_iou": interval(mean),
    }


def calibration_bins(
    truth: np.ndarray, probabilities: np.ndarray, ignore_index: int = 255
) -> np.ndarray:
    """Counts how often the most probable class was right, in bins of its probability.

    Args:
        truth: (H, W) class ids; pixels of `ignore_index` do not count.
        probabilities: (classes, H, W) float, summing to 1 over the classes.

    Returns:
        (3, BINS) float64: pixels, the sum of their confidences, and how many were right, in
        `BINS` equal bins of confidence from 0 to 1. Bins of several images add up.
    """
    counted = truth != ignore_index
    confidence = probabilities.max(axis=0)[counted].astype(np.float64)
    right = most_probable(probabilities)[counted] == truth[counted]
    # The bins are (0, 1/15], (1/15, 2/15] ...: closed above, as in the source.
    index = np.ceil(confidence * BINS).astype(np.intp)
    index -= 1
    np.clip(index, 0, BINS - 1, out=index)
    counts = np.bincount(index, minlength=BINS), np.bincount(index[right], minlength=BINS)
    return np.stack([counts[0], np.bincount(index, confidence, BINS), counts[1]])


def bin_rows(bins: np.ndarray) -> list[dict[str, Any]]:
    """Returns the bins as JSON: pixels, mean confidence and accuracy; None in empty ones.

    bins: see `calibration_bins`.
    """
    return [
        {
            "pixels": int(pixels),
            "confidence": float(confidence / pixels) if pixels else None,
            "accuracy": float(right / pixels) if pixels else None,
        }
        for pixels, confidence, right in bins.T
    ]


def expected_calibration_error(bins: np.ndarray) -> float:
    """Mean distance of confidence and accuracy, weighted by pixels; 0 to 1.

    0 means, for example, that 80 % of the pixels with a confidence of 80 % are right (Guo et al.
    2017, arXiv 1706.04599, section 2). bins: see `calibration_bins`.
    """
    pixels, confidence, right = bins
    return float(np.abs(right - confidence).sum() / max(pixels.sum(), 1))
