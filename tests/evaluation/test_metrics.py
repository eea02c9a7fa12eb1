"""Metrics against values worked out by hand, and against scikit-image."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import adapted_rand_error, variation_of_information

from unet_hf.evaluation.metrics import (
    Contingency,
    confusion_matrix,
    confusions_at,
    membrane_slice,
    overlap_scores,
    pixel_error,
    rand_error,
    rand_score,
    thin,
)
from unet_hf.predict.decision import decide, most_probable


def rand_and_information(truth, regions):
    table = Contingency.from_labels(truth, regions)
    return table.rand, table.information


def test_overlap_of_a_mask_worked_out_by_hand():
    truth = np.array([[0, 0, 1, 1], [0, 0, 1, 255]])
    mask = np.array([[0, 1, 1, 1], [0, 0, 0, 1]], np.uint8)
    confusion = confusion_matrix(truth, mask, 2)
    assert confusion.tolist() == [[3, 1], [1, 2]]  # the pixel marked 255 does not count
    scores = overlap_scores(confusion)
    assert scores.iou.tolist() == [3 / 5, 2 / 4]
    assert scores.dice.tolist() == [6 / 8, 4 / 6]
    assert scores.pixel_accuracy == 5 / 7
    assert scores.mean_iou == pytest.approx(0.55)


def test_a_class_that_nobody_has_does_not_count():
    scores = overlap_scores(confusion_matrix(np.zeros((4, 4)), np.zeros((4, 4), np.uint8), 3))
    assert scores.iou[0] == 1
    assert np.isnan(scores.iou[1:]).all()
    assert scores.mean_iou == 1


def test_rand_and_information_of_one_cell_cut_in_two():
    truth = np.array([[1, 1, 1, 1]])
    halves = np.array([[1, 1, 2, 2]])
    rand, information = rand_and_information(truth, halves)
    # p = (1/2, 1/2), s = (1), t = (1/2, 1/2): 0.5 / (0.5 * 1 + 0.5 * 0.5)
    assert rand == pytest.approx(2 / 3)
    assert information == pytest.approx(0)  # one true region: nothing to know about it


def test_rand_and_information_of_two_cells_merged():
    truth = np.array([[1, 1, 0, 2, 2]])
    merged = np.ones((1, 5), int)
    rand, information = rand_and_information(truth, merged)
    assert rand == pytest.approx(0.5 / (0.5 * 0.5 + 0.5 * 1))
    assert information == pytest.approx(0)


def test_a_line_pixel_of_the_proposal_is_a_region_of_its_own():
    truth = np.array([[1, 1, 1, 1]])
    lines = np.array([[0, 1, 1, 0]])
    rand, _ = rand_and_information(truth, lines)
    joint = (1 / 4) ** 2 * 2 + (1 / 2) ** 2
    assert rand == pytest.approx(joint / (0.5 * 1 + 0.5 * joint))


regions = arrays(np.int64, (7, 9), elements=st.integers(0, 4))


@given(regions, regions)
def test_rand_and_information_agree_with_scikit_image(truth, found):
    truth[0, 0] = 1  # something has to count
    kept = truth > 0
    rand, information = rand_and_information(truth, found)
    lonely = found.copy()
    lonely[lonely == 0] = 10 + np.arange((lonely == 0).sum())
    n = kept.sum()
    s, t = (np.unique(ids[kept], return_counts=True)[1] / n for ids in (truth, lonely))
    conditional = variation_of_information(truth[kept], lonely[kept]) * math.log(2)
    entropy_s, entropy_t = (-(p * np.log(p)).sum() for p in (s, t))
    if entropy_s + entropy_t > 0:
        joint = entropy_s + entropy_t - 0.5 * (entropy_s + entropy_t + conditional.sum())
        assert information == pytest.approx(joint / (0.5 * (entropy_s + entropy_t)), abs=1e-9)

    # scikit-image counts n (n - 1) pairs where the challenge counts n * n: hold it to the
    # same table with both ways of counting.
    table = np.unique(np.stack([truth[kept], lonely[kept]]), axis=1, return_counts=True)[1]
    counts = [table, s * n, t * n]
    squares, squares_s, squares_t = (np.square(c).sum() for c in counts)
    assert rand == pytest.approx(2 * squares / (squares_s + squares_t), abs=1e-12)
    pairs, pairs_s, pairs_t = (total - n for total in (squares, squares_s, squares_t))
    if pairs_s > 0 and pairs_t > 0:
        error, _, _ = adapted_rand_error(truth, lonely, ignore_labels=(0,))
        assert 1 - error == pytest.approx(2 * pairs / (pairs_s + pairs_t), abs=1e-9)


def test_thinning_leaves_lines_one_pixel_wide_and_every_region():
    interior = np.ones((9, 12), bool)
    interior[:, 4:8] = False  # a membrane four pixels wide
    regions = thin(interior)
    assert set(np.unique(regions)) == {0, 1, 2}
    assert ((regions == 0).sum(axis=1) == 1).all()
    assert (thin(np.zeros((5, 5), bool)) == 1).all()


def test_truth_as_its_own_proposal_scores_one_whatever_the_width_of_its_membranes():
    truth = np.ones((40, 40), bool)
    truth[18:22] = truth[:, 9:13] = False
    scores = membrane_slice(truth, truth.astype(np.float32), [0.5])[0.5]
    assert scores.v_rand == pytest.approx(1, abs=1e-9)
    assert scores.v_info == pytest.approx(1, abs=1e-9)
    assert rand_error([scores]) == pytest.approx(0, abs=1e-9)
    assert pixel_error([scores]) == 0


def test_a_gap_in_a_membrane_costs_far_more_than_its_pixels():
    truth = np.ones((40, 40), bool)
    truth[18:22] = False
    gap = truth.astype(np.float32)
    gap[18:22, 20] = 1
    closed, open_ = (membrane_slice(truth, p, [0.5])[0.5].v_rand for p in (truth * 1.0, gap))
    assert closed == pytest.approx(1, abs=1e-9)
    assert open_ < 0.7  # 4 pixels of 1600 merge two cells


def test_rand_error_pools_the_slices_before_it_divides():
    """Not the mean of the slices' scores: pairs of pixels are summed first."""
    good = Contingency(np.array([4]), np.array([4]), np.array([4]))  # one cell, found whole
    cut = Contingency(np.array([1, 1]), np.array([2]), np.array([1, 1]))  # one cell, in two
    assert rand_score([good, cut]) == pytest.approx((16 + 2) / (0.5 * (16 + 4) + 0.5 * (16 + 2)))


def test_pixel_error_is_one_minus_the_f_score_of_the_cells():
    truth = np.array([[True, True, True, False]])
    p = np.array([[0.9, 0.9, 0.1, 0.9]])
    one = membrane_slice(truth, p, [0.5])[0.5]
    assert one.cell == (2, 1, 1)
    assert pixel_error([one, one]) == pytest.approx(1 - 4 / 6)


def test_a_slice_without_truth_or_without_interior_has_a_score():
    empty = np.zeros((6, 6), bool)
    assert membrane_slice(empty, np.ones((6, 6)), [0.5])[0.5].v_rand == 1
    nothing_found = membrane_slice(~empty, np.zeros((6, 6)), [0.5])[0.5]
    assert nothing_found.v_rand == 1  # thinned, a slice without interior is one region
    assert rand_error([nothing_found]) > 0.9  # unthinned, it is 36 regions


def test_confusions_at_many_thresholds_are_those_of_each_decision():
    rng = np.random.default_rng(0)
    truth = rng.choice(np.array([0, 1, 255], np.uint8), (20, 30))
    second = rng.integers(0, 11, truth.shape).astype(np.float32) / 10  # many exactly at a threshold
    tables = confusions_at(truth, second, (0.05, 0.3, 0.7))
    for threshold, table in tables.items():
        mask = decide(np.stack([1 - second, second]), threshold)
        np.testing.assert_array_equal(table, confusion_matrix(truth, mask, 2))


def test_the_most_probable_class_is_the_first_of_equal_ones():
    drawn = np.random.default_rng(0).integers(0, 3, (4, 20, 30)).astype(np.float32)
    for count in (1, 2, 3, 4):
        found = most_probable(drawn[:count])
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, drawn[:count].argmax(axis=0))
