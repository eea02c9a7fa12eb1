"""Scores of objects against values worked out by hand."""

import numpy as np
import pytest

from benchmarks.object_metrics import drawn_objects, our_scores
from unet_hf.errors import ConfigError, ShapeError
from unet_hf.evaluation.object_overlap import ObjectOverlap
from unet_hf.evaluation.object_scores import IOU_THRESHOLDS, score_objects, score_overlap

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
    assert scores.matched == ((1, 7),)
    assert (scores.missed_ids, scores.invented_ids) == ((2, 3, 4, 5), (2, 3, 8, 9))
    assert (scores.split_into, scores.merged_from) == ({4: (2, 3)}, {9: (2, 3)})
    # The IoUs are 6/8 (1 with 7), 4/10 (2 and 3 with 9), 1/2 (4 with 2 and 3).
    assert scores.average_precision == (*[1 / 9] * 5, *[0] * 5)  # 0.75 is not above 0.75
    assert (scores.ap50, scores.mean_ap) == (1 / 9, pytest.approx(1 / 18))
    assert scores.panoptic_quality == pytest.approx(6 / 8 / (1 + 4 / 2 + 4 / 2))
    # 9 is taken twice; of 2 and 3, the halves of 4, one is; 5, 8 and the other half are alone.
    assert scores.aggregated_jaccard == (6 + 4 + 4 + 2) / (8 + 10 + 10 + 4 + 1 + 1 + 2)
    assert scores.seg == pytest.approx((6 / 8 + 4 / 10 + 4 / 10) / 5)  # no half of 4 is most of it
    assert scores.count_error == 0


def test_an_iou_of_just_a_half_is_no_pair():
    assert score_objects(np.array([[1, 1]]), np.array([[1, 0]])).found == 0
    assert score_objects(np.array([[1, 1, 1]]), np.array([[1, 1, 0]])).found == 1


def test_a_shifted_square_counts_up_to_its_iou():
    truth, proposed = np.zeros((2, 12, 12), int)
    truth[1:11, 1:11] = 4
    proposed[1:11, 2:12] = 9  # 90 pixels in common, 110 together
    scores = score_objects(truth, proposed)
    assert scores.mean_iou == scores.seg == scores.aggregated_jaccard == 90 / 110
    assert scores.hits == tuple(int(bound < 90 / 110) for bound in IOU_THRESHOLDS)
    assert scores.mean_ap == pytest.approx(7 / 10)  # 0.5 to 0.8


def test_an_iou_is_compared_as_a_fraction():
    truth = np.ones((1, 20), int)
    for step in range(11, 20):
        proposed = (np.arange(20) < step)[None].astype(int)
        assert sum(score_objects(truth, proposed).hits) == step - 10  # of step / 20, not above it


def test_dropped_objects_leave_the_others_as_they_were():
    truth, proposed = drawn_objects(0)
    overlap = ObjectOverlap.from_labels(truth, proposed)
    small = overlap.found_ids[overlap.found_areas < 60]
    assert 0 < len(small) < len(overlap.found_ids)
    without = np.where(np.isin(proposed, small), 0, proposed)
    dropped = score_overlap(overlap.with_found(overlap.found_areas >= 60))
    assert dropped == score_objects(truth, without)


# What `python -m benchmarks.object_metrics` got from StarDist 0.9.2 (AP, F1, panoptic quality),
# hover-net 0.0.10 (aggregated Jaccard index) and py-ctcmetrics 1.3.3 (SEG).
PUBLISHED = {
    0: (0.2741935484, 0.0861460202, 0.4303797468, 0.2795200348, 0.4177199030, 0.3941834971),
    1: (0.4509803922, 0.1397789872, 0.6216216216, 0.4041771760, 0.4700975541, 0.4758842417),
    2: (0.2372881356, 0.1033252024, 0.3835616438, 0.2709500038, 0.4698303979, 0.4279856181),
    3: (0.3777777778, 0.1524883470, 0.5483870968, 0.3773611746, 0.3803615739, 0.4500154941),
}


@pytest.mark.parametrize("seed", PUBLISHED)
def test_scores_are_those_of_published_implementations(seed):
    ours = our_scores(*drawn_objects(seed))
    assert list(ours.values()) == pytest.approx(PUBLISHED[seed], abs=1e-7)  # some use float32


def test_ids_are_names_and_not_numbers():
    renamed = np.array([0, 65_535, 12, 3, 2**31, 1])[TRUTH]
    scores = score_objects(TRUTH, renamed)
    assert (scores.found, scores.missed, scores.false) == (5, 0, 0)
    assert scores.f1 == scores.mean_iou == 1


def test_pixels_that_do_not_count_belong_to_no_object():
    counted = TRUTH != 5
    scores = score_objects(TRUTH, np.where(counted, TRUTH, 0), counted=counted)
    assert (scores.found, scores.missed) == (4, 0)


def test_nothing_against_nothing_is_right_and_has_no_other_score():
    nothing = np.zeros((2, 3), int)
    for scores in (
        score_objects(nothing, nothing),
        score_objects(nothing + 1, nothing, counted=nothing > 0),
    ):
        assert (scores.found, scores.missed, scores.false) == (0, 0, 0)
        assert scores.precision is scores.recall is scores.f1 is scores.mean_iou is None
        assert scores.panoptic_quality is scores.aggregated_jaccard is scores.seg is None
        assert (scores.ap50, scores.mean_ap, scores.count_error) == (1, 1, 0)


def test_all_missed_and_all_invented_are_zero():
    nothing, one = np.zeros((2, 3), int), np.ones((2, 3), int)
    missed, invented = score_objects(one, nothing), score_objects(nothing, one)
    for scores in (missed, invented):
        assert scores.ap50 == scores.mean_ap == scores.f1 == scores.panoptic_quality == 0
        assert (scores.aggregated_jaccard, scores.count_error) == (0, 1)
    assert (missed.recall, missed.seg, missed.missed_ids) == (0, 0, (1,))
    assert (invented.precision, invented.seg, invented.invented_ids) == (0, None, (1,))


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ShapeError, match="shape"):
        score_objects(TRUTH, TRUTH[:2])
    with pytest.raises(ConfigError, match="least_iou"):
        score_objects(TRUTH, TRUTH, least_iou=0.3)


def test_unions_of_proposed_objects_need_no_second_look_at_the_pixels():
    rng = np.random.default_rng(0)
    truth, pieces = rng.integers(0, 5, (2, 20, 30))
    ids = np.array([4, 0, 2, 4])  # of the pieces 1 to 4
    joined = ObjectOverlap.from_labels(truth, pieces).joined(ids)
    whole = ObjectOverlap.from_labels(truth, np.append(0, ids)[pieces])
    for name, values in vars(whole).items():
        np.testing.assert_array_equal(getattr(joined, name), values, name)
