"""Goals that are set before a training, and stand on the card beside what was measured."""

import json

import pytest

from benchmarks.bars import BARS, card_texts
from train.config import TrainingConfig
from unet_hf import shipped_checkpoints
from unet_hf.errors import ConfigError
from unet_hf.hub.card import CardOptions, render_card
from unet_hf.hub.goals import goal_rows, read_goals
from unet_hf.hub.layout import CARD_NAME, EVALUATION_NAME, SHIPPED, TRAINING_NAME
from unet_hf.hub.records import read_record

EVALUATION = {
    "mean_iou": 0.9,
    "iou": {"crack": 0.72, "ground": 0.98},
    "groups": {"stained": 0.85},
    "membrane": {"v_rand": 0.97},
    "expected": {"scores": {"v_rand": 0.96}},
    "objects": {
        "all": {"scores": {"ap50": 0.8, "count_error": 0.05}},
        "groups": {"stained": {"scores": {"ap50": 0.6}}},
    },
}


@pytest.mark.parametrize(
    ("goal", "row"),
    [
        ("mean_iou >= 0.9", ("mean IoU at least 0.9", "0.9000", "reached")),
        ("mean_iou>=.91", ("mean IoU at least 0.91", "0.9000", "missed")),
        ("v_rand >= 0.98", ("V_rand at least 0.98", "0.9700", "missed")),
        ("iou[crack] >= 0.7", ("IoU of crack at least 0.7", "0.7200", "reached")),
        ("mean_iou[stained] >= 0.8", ("mean IoU of stained at least 0.8", "0.8500", "reached")),
        ("ap50[stained] >= 0.7", ("AP@0.5 of stained at least 0.7", "0.6000", "missed")),
        ("count_error <= 0.05", ("count error at most 0.05", "0.0500", "reached")),
        (
            "expected[v_rand] >= 0.96",
            ("V_rand expected on new images at least 0.96", "0.9600", "reached"),
        ),
        ("iou[rust] >= 0.7", ("IoU of rust at least 0.7", "not measured", "open")),
        ("v_info >= 0.7", ("V_info at least 0.7", "not measured", "open")),
    ],
)
def test_a_goal_is_held_against_the_score_it_names(goal: str, row: tuple):
    assert goal_rows(goal, EVALUATION) == [row]
    assert goal_rows(f"{goal}; {goal};", EVALUATION) == [row, row]


def test_nothing_measured_reaches_nothing():
    rows = goal_rows("mean_iou >= 0.1; ap50 >= 0.1; iou[a] >= 0.1; seg[b] >= 0.1", {})
    assert {reached for _, _, reached in rows} == {"open"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mean_iou = 0.9", "cannot be read"),
        ("mean_iou >= much", "cannot be read"),
        ("beauty >= 0.9", "names the score beauty"),
        ("expected[v_rnad] >= 0.9", "on new images is v_rand, v_info"),
        ("v_rand[membrane] >= 0.9", "Scores of a part are iou, dice"),
    ],
)
def test_what_is_no_goal_is_refused_before_the_training(text: str, words: str):
    with pytest.raises(ConfigError, match=words):
        read_goals(text)
    with pytest.raises(ConfigError, match=words):
        TrainingConfig(dataset_name="data", output_dir="out", goals=text)


@pytest.mark.parametrize("name", shipped_checkpoints())
def test_the_cards_hold_the_goals_of_the_bars(name: str):
    folder, bar = SHIPPED / name, json.loads(BARS.read_text(encoding="utf-8"))[name]
    training = read_record(folder / TRAINING_NAME)
    assert {key: training[key] for key in ("goals", "goals_note")} == card_texts(bar)
    card = (folder / CARD_NAME).read_text(encoding="utf-8")
    assert card == render_card(folder, CardOptions(name), card)
    for goal, measured, reached in goal_rows(
        training["goals"], read_record(folder / EVALUATION_NAME)
    ):
        assert f"| {goal} | {measured} | {reached.replace('missed', '**missed**')} |" in card
