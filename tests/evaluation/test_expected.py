"""What to expect on new images: choices made without each image in turn, on values by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from train.checkpoints import find_checkpoints, read_progress, tally_arrays
from train.loop import train
from unet_hf.cli.evaluate import run as evaluate_command
from unet_hf.evaluation.expected import MAX_STEPS, expected_scores, held_out_scores, keep_best
from unet_hf.evaluation.object_recipe import Recipe
from unet_hf.evaluation.summary import CANDIDATES
from unet_hf.evaluation.tally import MAX_GROUPS, Counts, Tally
from unet_hf.evaluation.uncertainty import resamples, small_sample_interval
from unet_hf.evaluation.verification import verify
from unet_hf.hub.expected_words import expected_words, how_expected

from ..support.tiny_training import tiny, write_dataset

LOW, HIGH = CANDIDATES.index(0.3), CANDIDATES.index(0.7)


def tally(right: list[list[int]], thresholds=CANDIDATES, precisions=None, membrane=None) -> Tally:
    """Of images of 100 pixels, half of each class; as many are right as said, for each threshold.

    Each class has half of the right ones, and the wrong ones are given to the other class.
    """
    hits = np.repeat(np.array(right)[..., None] // 2, 2, axis=-1)
    counts = Counts(np.ones(len(right), np.int64), hits, np.full_like(hits, 100), membrane)
    return Tally.of_images(thresholds, counts, precisions or [None] * len(right))


def peaks(low: int, high: int) -> list[int]:
    """Right pixels of an image at each threshold: `low` around 0.3, `high` around 0.7, else 50."""
    right = np.full(len(CANDIDATES), 50)
    right[LOW - 1 : LOW + 2], right[HIGH - 1 : HIGH + 2] = low, high
    return right.tolist()


def iou(right: float) -> float:
    """Of each class in an image of `tally`."""
    return right / 2 / (100 - right / 2)


def test_the_threshold_is_that_of_the_other_images():
    # 270 right at 0.3, 276 at 0.7: all images together choose 0.7. Without the last image it
    # is 190 against 180: 0.3.
    counted = tally([peaks(96, 90), peaks(94, 90), peaks(80, 96)])
    found = expected_scores([{10: counted}])
    # Without the first: 174 against 186, so 90; without the second: 176 against 186, so 90.
    assert found["scores"] == {"mean_iou": pytest.approx(iou((90 + 90 + 80) / 3))}
    assert found["chosen"] == ["threshold"]
    assert (found["images"], found["left_out"], found["folds"]) == (3, 1, None)
    assert how_expected(found) == (
        "Each image was scored with the threshold that is best on the others, so that it had no "
        "say in the choice. The training step was not chosen anew. This assumes that new images "
        "are like these 3."
    )


def test_the_step_is_that_of_the_other_images_and_the_last_of_equal_ones():
    early = tally([[90], [90], [60]], (None,))
    late = tally([[80], [80], [90]], (None,))  # 250 against 240: late is kept
    found = expected_scores([{1: early, 2: late}])
    # Without the first or the second: 170 against 150, late, 80. Without the third: early, 60.
    assert found["scores"]["mean_iou"] == pytest.approx(iou((80 + 80 + 60) / 3))
    assert found["chosen"] == ["step"]
    same = expected_scores([{1: tally([[90], [80]], (None,)), 2: tally([[90], [80]], (None,))}])
    assert same["scores"]["mean_iou"] == pytest.approx(iou(85))


def test_membranes_are_scored_by_the_mean_over_slices():
    membrane = np.zeros((2, len(CANDIDATES), 2))
    membrane[0, LOW - 1 : LOW + 2], membrane[0, HIGH - 1 : HIGH + 2] = (0.9, 0.8), (0.7, 0.6)
    membrane[1, LOW - 1 : LOW + 2], membrane[1, HIGH - 1 : HIGH + 2] = (0.5, 0.4), (0.95, 0.85)
    found = expected_scores([{1: tally([peaks(90, 90)] * 2, membrane=membrane)}])
    scores = {key: pytest.approx(value) for key, value in found["scores"].items()}
    # Each slice at the threshold of the other: the first at 0.7, the second at 0.3.
    assert scores == {"mean_iou": iou(90), "v_rand": (0.7 + 0.5) / 2, "v_info": (0.6 + 0.4) / 2}


def test_the_way_of_making_objects_is_that_of_the_other_images():
    good, other = Recipe("components", 0), Recipe("watershed", 0)
    rows = [{good: 0.9, other: 0.5}, {good: 0.8, other: 0.7}, None, {good: 0.2, other: 0.9}]
    found = expected_scores([{1: tally([[90]] * 4, (None,), rows)}])
    # Without the first: 1.0 against 1.6; without the second: 1.1 against 1.4; without the last:
    # 1.7 against 1.2. The third has no ids.
    assert found["scores"]["ap50"] == pytest.approx((0.5 + 0.7 + 0.2) / 3)
    assert found["chosen"] == ["objects"]


def test_folds_choose_the_step_on_their_own_images_and_the_threshold_on_all():
    folds = [{4: tally([peaks(96, 90), peaks(94, 90)])}, {8: tally([peaks(80, 96)])}]
    found = expected_scores(folds)
    assert found["scores"]["mean_iou"] == pytest.approx(iou((90 + 90 + 80) / 3))
    assert how_expected(found).startswith("By 2-fold cross-validation: each image was segmented by")
    # Alone in its fold, an image must not choose the step: the last one is taken.
    alone = [{1: tally([[98]], (None,)), 2: tally([[60]], (None,))}, {2: tally([[90]], (None,))}]
    assert expected_scores(alone)["scores"]["mean_iou"] == pytest.approx(iou(75))


def test_nothing_is_expected_from_one_labelled_image():
    assert expected_scores([{1: tally([[90]], (None,))}]) is None
    counted = tally([[90], [80]], (None,))
    counted.counts.hits[1] = counted.counts.areas[1] = 0  # all its pixels are to be ignored
    assert expected_scores([{1: counted}]) is None
    assert held_out_scores(counted) is None


def test_images_that_chose_nothing_are_taken_as_they_were_scored():
    found = held_out_scores(tally([[90], [80]], (0.4,), [{Recipe("components"): 0.5}] * 2))
    assert found["scores"] == {"mean_iou": pytest.approx(iou(85)), "ap50": 0.5}
    assert found["chosen"] == []
    assert found["intervals"]["ap50"] is None  # both images have the same: no spread is known
    assert "chose nothing" in how_expected(found)
    assert expected_words(found).endswith("], AP of objects at IoU 0.5 0.5000")


def test_many_images_and_evaluations_take_bounded_room():
    many = tally([[90]] * (2 * MAX_GROUPS + 6), (None,))
    assert many.counts.images.sum() == 2 * MAX_GROUPS + 6
    assert len(many.counts.images) == MAX_GROUPS
    assert set(many.counts.images.tolist()) == {2, 3}
    assert expected_scores([{1: many}])["left_out"] == 3
    assert "Each group of up to 3 neighbouring images" in how_expected(expected_scores([{1: many}]))
    steps = {step: tally([[50 + step]] * 2, (None,)) for step in range(40, 0, -1)}
    assert list(keep_best(steps)) == list(range(41 - MAX_STEPS, 41))


def test_an_interval_of_five_images_holds_the_truth_as_often_as_it_says():
    random = np.random.default_rng(0)
    weights = resamples(5)
    inside = {"few": 0, "many": 0}
    for _ in range(500):
        images = 1 - random.gamma(4.0, 0.025, 5)  # of the mean 0.9
        draws = weights @ images / 5
        low, high = small_sample_interval(images.mean(), draws, 5)
        inside["few"] += low <= 0.9 <= high
        inside["many"] += np.percentile(draws, 2.5) <= 0.9 <= np.percentile(draws, 97.5)
        assert 0 < low < high < 1
    assert inside["few"] / 500 > 0.92
    assert inside["many"] / 500 < 0.86  # what percentiles alone would claim


def test_an_interval_by_hand():
    # Draws of 0.7 and 0.9: their standard deviation is 0.1. Of two images: x sqrt(2), and
    # Student's t is 12.706; on the logit scale it is divided by 0.8 x 0.2.
    low, high = small_sample_interval(0.8, np.array([0.7, 0.9]), 2)
    step = 12.7062 * 0.1 * np.sqrt(2) / 0.16
    assert low == pytest.approx(1 / (1 + np.exp(step) / 4), rel=1e-4)
    assert high == pytest.approx(1 / (1 + np.exp(-step) / 4), rel=1e-4)
    assert small_sample_interval(0.8, np.array([0.8, 0.8]), 2) is None
    assert small_sample_interval(1.0, np.array([0.7, 0.9]), 2) is None


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("expected")
    labels = {"0": "membrane", "1": "cell"}
    data = write_dataset(folder / "cells", {"train": 2, "validation": 3, "test": 2}, labels=labels)
    options = {"base_channels": 2, "resolution": 32, "validation_steps": 2}
    train(tiny(data, folder / "out", max_train_steps=4, **options))
    return folder / "out"


def test_a_training_says_what_to_expect_and_its_checkpoints_remember_it(trained):
    record = json.loads((trained / "evaluation.json").read_text())
    expected = record["expected"]
    assert expected["chosen"] == ["step", "threshold", "objects"]
    assert expected["images"] == 3
    state = read_progress(find_checkpoints(trained)[4])
    assert list(state.tallies) == [2, 4]
    assert expected_scores([state.tallies]) == expected
    # The tally of the kept step has what the evaluation had.
    kept = state.tallies[state.best_step]
    at = CANDIDATES.index(record["threshold"])
    assert kept.total.scores[at] == pytest.approx(record["score"])
    assert kept.total.mean_iou[at] == pytest.approx(record["mean_iou"])
    again = Tally.from_arrays(state.tallies[4].to_arrays())
    for name, array in tally_arrays({4: again}).items():
        np.testing.assert_array_equal(array, tally_arrays(state.tallies)[name])


def test_the_card_says_it_and_is_verified(trained):
    card = (trained / "README.md").read_text()
    expected = json.loads((trained / "evaluation.json").read_text())["expected"]
    assert f"**Expected on new images: {expected_words(expected)}.**" in card
    assert "the way of making objects that are best on the others" in card
    assert "| | cells | mask at the stored threshold" in card  # of membranes, see test_membranes
    assert [finding.text for finding in verify(trained) if not finding.ok] == []
    (trained / "README.md").write_text(card.replace(expected_words(expected), "mean IoU 0.9999"))
    wrong = [finding.text for finding in verify(trained) if not finding.ok]
    (trained / "README.md").write_text(card)
    assert len(wrong) == 1
    assert "does not say what to expect on new images" in wrong[0]


def test_evaluate_says_what_it_could_choose_again(trained, tmp_path, capsys):
    path = tmp_path / "scores.json"

    def expected(*arguments: str) -> dict:
        assert evaluate_command(["--model", str(trained), "--output", str(path), *arguments]) == 0
        return json.loads(path.read_text())["expected"]

    recorded = json.loads((trained / "evaluation.json").read_text())
    assert expected() == recorded["expected"]  # the training knows all steps
    evaluation = {key: value for key, value in recorded.items() if key != "expected"}
    (trained / "evaluation.json").write_text(json.dumps(evaluation))  # of an older version
    assert expected()["chosen"] == ["threshold"]
    assert "The training step was not chosen anew." in capsys.readouterr().out
    (trained / "evaluation.json").write_text(json.dumps(recorded))
    data = str(trained.parent / "cells")
    held_out = expected("--dataset_name", data, "--split", "test")
    assert held_out["method"] == "held out"
    assert held_out["scores"]["mean_iou"] == pytest.approx(json.loads(path.read_text())["mean_iou"])
    assert expected("--dataset_name", data, "--split", "train") is None
