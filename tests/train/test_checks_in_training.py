"""A training looks at its data first: errors refuse it, and other data is told of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from train.checks.inspection import inspect
from train.checks.problems import find_problems, refuse_errors, seen_in
from train.checks.seen import describe_changes, look_again
from train.config import TrainingConfig
from unet_hf.data.open import open_data
from unet_hf.errors import DatasetError

from ..support.planted import CROP, Planted


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path / "data")


def test_a_training_is_refused_with_every_error_and_its_cure(planted):
    planted.cut_off("images", "train/2")
    planted.change("masks", "train/1", lambda label: label[:50])
    planted.copy_row("train/4", to="train/5")
    data = open_data(TrainingConfig(dataset_name=str(planted.folder), output_dir="unused"))
    with pytest.raises(DatasetError) as refused:
        refuse_errors(data, inspect(data, 2000), CROP, "train check")
    message = str(refused.value)
    for words in (
        "train/2",
        "train/1",
        "Export it again",
        "Pair them again",
        "train check",
        "--fix",
    ):
        assert words in message
    assert "repeat" not in message  # a warning


def test_warnings_do_not_stop_a_training(planted):
    planted.copy_row("train/4", to="train/5")
    data = open_data(TrainingConfig(dataset_name=str(planted.folder), output_dir="unused"))
    (warning,) = refuse_errors(data, inspect(data, 2000), CROP, "train check")
    assert str(warning).startswith("warning: 1 row of 6 repeat")


@pytest.mark.parametrize(("images", "severity"), [(100, "warning"), (99, "error")])
def test_few_enough_leaked_images_cannot_move_the_score_and_are_a_warning(
    planted, images, severity
):
    planted.copy_row("validation/0", to="train/4")
    data = open_data(TrainingConfig(dataset_name=str(planted.folder), output_dir="unused"))
    inspection = inspect(data, 2000)
    others = [
        replace(inspection.validation[1], name=f"{number}", digest=number.to_bytes(16, "big"))
        for number in range(images - 1)
    ]
    inspection.validation[1:] = others
    (leak,) = find_problems(data, inspection, CROP)
    assert (leak.code, leak.severity, leak.where) == (
        "image-in-both-splits",
        severity,
        ("train/4",),
    )


def test_other_numbers_of_the_same_foreground_are_other_data(planted):
    """A network that parts objects is taught something else by them."""

    def seen():
        data = open_data(TrainingConfig(dataset_name=str(planted.folder), output_dir="unused"))
        notes = seen_in(data, inspect(data, 2000))
        assert look_again(data, 2000, {}) == notes
        return notes

    before = seen()
    assert describe_changes(before, seen()) == ""
    numbered = planted.load("instances", "train/0")
    planted.change("instances", "train/0", lambda ids: np.minimum(ids, 1))
    assert describe_changes(before, seen()) == "changed: the mask of train/0"
    planted.save("instances", "train/0", numbered)
    assert seen() == before


def test_changed_data_is_said_by_name():
    before = {"train": [["a/1", "x", "m"], ["a/2", "x", "m"]], "validation": [["a/3", "x", "m"]]}
    now = {"train": [["a/1", "y", "m"], ["a/2", "x", "n"]], "validation": [["a/4", "x", "m"]]}
    words = "changed: the image of a/1, the mask of a/2; missing: a/3; new: a/4"
    assert describe_changes(before, now) == words
    turned = before | {"train": before["train"][::-1]}
    assert describe_changes(before, turned) == "another order, or others of them are held back"
    twice = {"train": [["a/1", "x", "m"]] * 2, "validation": []}
    once = {"train": [["a/1", "x", "m"]], "validation": []}
    assert describe_changes(twice, once) == "changed: the image of a/1, the mask of a/1"
