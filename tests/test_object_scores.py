"""Scores of objects against values worked out by hand."""

import numpy as np
import pytest

from unet_hf.errors import ConfigError, ShapeError
from unet_hf.evaluation.object_scores import score_objects

TRUTH = np.array(
    [
        [1, 1, 1, 1, 0, 2, 2, 0, 3, 3],
        [1, 1, 1, 1, 0, 2, 2, 0, 3, 3],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [4, 4, 4, 4, 0, 5, 0, 0, 0, 0],
    ]
)


def test_found_missed_false_split_and_merged_by_hand():
    proposed = np.array(
        [
            [7, 7, 7, 7, 0, 9, 9, 9, 9, 9],  # 1 has 7 (6 of 8 pixels); 2 and 3 are one object
            [7, 7, 0, 0, 0, 9, 9, 9, 9, 9],
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 8],  # nothing true is there
            [3, 3, 2, 2, 0, 0, 0, 0, 0, 0],  # 4 in two halves; 5 is missed
        ]
    )
    scores = score_objects(TRUTH, proposed)
    assert (scores.found, scores.missed, scores.false) == (1, 4, 4)
    assert (scores.split, scores.merged) == (1, 1)
    assert scores.mean_iou == 6 / 8
    assert scores.precision == 1 / 5
    assert scores.recall == 1 / 5
    assert scores.f1 == 2 / (2 + 4 + 4)


def test_an_iou_of_just_a_half_is_no_pair():
    assert score_objects(np.array([[1, 1]]), np.array([[1, 0]])).found == 0
    assert score_objects(np.array([[1, 1, 1]]), np.array([[1, 1, 0]])).found == 1


def test_ids_are_names_and_not_numbers():
    renamed = np.array([0, 65_535, 12, 3, 2**31, 1])[TRUTH]
    scores = score_objects(TRUTH, renamed)
    assert (scores.found, scores.missed, scores.false) == (5, 0, 0)
    assert scores.f1 == scores.mean_iou == 1


def test_pixels_that_do_not_count_belong_to_no_object():
    counted = TRUTH != 5
    scores = score_objects(TRUTH, np.where(counted, TRUTH, 0), counted=counted)
    assert (scores.found, scores.missed) == (4, 0)


def test_nothing_against_nothing_has_no_score():
    nothing = np.zeros((2, 3), int)
    scores = score_objects(nothing, nothing)
    assert (scores.found, scores.missed, scores.false) == (0, 0, 0)
    assert scores.precision is scores.recall is scores.f1 is scores.mean_iou is None
    assert score_objects(np.ones((2, 3), int), nothing).recall == 0


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ShapeError, match="shape"):
        score_objects(TRUTH, TRUTH[:2])
    with pytest.raises(ConfigError, match="least_iou"):
        score_objects(TRUTH, TRUTH, least_iou=0.3)
