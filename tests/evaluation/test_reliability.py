"""Bootstrap intervals and calibration, against values computed by hand."""

import numpy as np
import pytest

from unet_hf.evaluation.metrics import confusion_matrix, overlap_scores
from unet_hf.evaluation.uncertainty import (
    BINS,
    RESAMPLES,
    calibration_bins,
    expected_calibration_error,
    mean_interval,
    median_interval,
    overlap_intervals,
    ratio_interval,
    resamples,
)


def probabilities_of(confidence: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """(2, ...) in which class `chosen` has the probability `confidence`."""
    return np.where(chosen == np.arange(2)[:, None], confidence, 1 - confidence)


def test_each_draw_is_as_large_as_the_set_of_images():
    draws = resamples(7)
    assert draws.shape == (RESAMPLES, 7)
    assert (draws.sum(axis=1) == 7).all()
    assert np.array_equal(draws, resamples(7))  # the same figures in every run


def test_calibration_by_hand():
    """Ten pixels at 0.9 of which seven are right, ten at 0.6 of which six are: half of them are
    0.2 too sure, so the error is 0.1."""
    truth = np.array([[1] * 7 + [0] * 3 + [1] * 6 + [0] * 4])
    confidence = np.array([[0.9] * 10 + [0.6] * 10])
    probabilities = np.stack([1 - confidence, confidence])
    bins = calibration_bins(truth, probabilities)
    assert bins[0].sum() == 20
    assert expected_calibration_error(bins) == pytest.approx(0.1)
    # Two images add up as one twice as large.
    assert expected_calibration_error(bins + bins) == pytest.approx(0.1)


def test_ignored_pixels_do_not_count_and_bins_are_closed_above():
    truth = np.array([[1, 255, 0]])
    probabilities = np.array([[[0.0, 0.0, 1.0]], [[1.0, 1.0, 0.0]]])
    pixels, confidence, right = calibration_bins(truth, probabilities)
    assert pixels[BINS - 1] == 2 == confidence[BINS - 1] == right[BINS - 1]
    edge = np.array([[[1 - 9 / BINS]], [[9 / BINS]]])
    assert calibration_bins(np.array([[1]]), edge)[0].argmax() == 8


def test_an_honest_forecaster_is_calibrated():
    random = np.random.default_rng(0)
    share = random.uniform(0.5, 1, (300, 300))
    truth = (random.random((300, 300)) < share).astype(np.uint8)
    bins = calibration_bins(truth, np.stack([1 - share, share]))
    assert expected_calibration_error(bins) < 0.01


def test_equal_images_leave_no_doubt_and_unequal_ones_do():
    equal = np.repeat(np.array([[[50, 10], [5, 35]]]), 6, axis=0)
    found = overlap_intervals(equal)
    scores = overlap_scores(equal.sum(0))
    assert found["mean_iou"] == pytest.approx([scores.mean_iou] * 2)
    assert found["iou"][1] == pytest.approx([scores.iou[1]] * 2)

    good, bad = np.array([[50, 0], [0, 50]]), np.array([[25, 25], [25, 25]])
    mixed = np.stack([good, bad, good, bad])
    low, high = overlap_intervals(mixed)["mean_iou"]
    assert low < overlap_scores(mixed.sum(0)).mean_iou < high
    assert high <= 1.0
    assert low >= overlap_scores(bad).mean_iou


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """200 sets of 30 values from a known distribution: 95 % of the intervals hold its mean.
    (The percentile bootstrap is a little too narrow for small sets.)"""
    random = np.random.default_rng(1)
    sets = random.normal(0.8, 0.1, (200, 30))
    held = [low <= 0.8 <= high for low, high in (mean_interval(list(row)) for row in sets)]
    assert 0.88 <= np.mean(held) <= 0.98


@pytest.mark.parametrize("values", ([3.0, 1.0, 2.0, 7.0], [0.5, 0.1, 0.1, 0.9, 0.4]))
def test_medians_and_ratios_are_those_of_the_images_drawn(values):
    ordered = np.array(values)
    draws = [np.repeat(ordered, counts) for counts in resamples(len(values)).astype(int)]
    expected = np.percentile([np.median(draw) for draw in draws], (2.5, 97.5))
    assert median_interval(values) == pytest.approx(list(expected))
    ratios = [draw.sum() / (draw**2).sum() for draw in draws]
    found = ratio_interval(ordered, ordered**2)
    assert found == pytest.approx(list(np.percentile(ratios, (2.5, 97.5))))


def test_one_image_has_no_interval_and_an_absent_class_none_either():
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    one = confusion_matrix(truth, truth, 3)[None]
    assert overlap_intervals(one) == {"iou": [None] * 3, "dice": [None] * 3, "mean_iou": None}
    assert mean_interval([0.5]) is median_interval([0.5]) is None
    several = overlap_intervals(np.repeat(one, 3, axis=0))
    assert several["iou"][2] is None
    assert several["mean_iou"] == [1.0, 1.0]  # over the classes that are there


def test_confidence_is_of_the_most_probable_class():
    chosen = np.array([0, 1, 1])
    probabilities = probabilities_of(np.array([0.7, 0.8, 0.9]), chosen)[:, None, :]
    bins = calibration_bins(np.array([[0, 1, 0]]), probabilities)
    assert bins[1].sum() == pytest.approx(2.4)
    assert bins[2].sum() == 2
