"""A fault that is planted in a data set is found and named, and the command tells of it."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from train.checks.inspection import PairSummary, note_places
from unet_hf.data.pair_error import PairError, cell_fault
from unet_hf.errors import DatasetError

from ..conftest import ROOT
from ..support.planted import CROP, FAULTS, SIZE, TRAIN, Planted, check, no_objects, problems_of
from ..support.processes import forked_python


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path / "data")


def test_a_sound_data_set_has_no_problems(planted):
    assert problems_of(planted.folder) == []
    assert problems_of(planted.folder, streaming=True) == []


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_found_and_named(planted, fault):
    fault.plant(planted)
    problems = problems_of(planted.folder)
    assert {problem.code for problem in problems} == {fault.code, *fault.also}
    found = next(problem for problem in problems if problem.code == fault.code)
    assert (found.severity, found.where, found.fixable) == (
        fault.severity, fault.where, fault.fixable,
    )  # fmt: skip
    text = str(found)
    assert text.startswith(f"{fault.severity}: ")
    assert text.endswith(".")
    assert all(place in text for place in fault.where)
    assert any(character.isdigit() for character in found.what)
    assert check("--dataset_name", planted.folder) == int(found.severity == "error")


@pytest.mark.parametrize(
    ("split", "purpose"), [("train", "train on"), ("validation", "evaluate on")]
)
def test_a_split_of_one_class_is_called_by_what_it_is_for(planted, split, purpose):
    no_objects(split)(planted)
    (found,) = (problem for problem in problems_of(planted.folder) if problem.code == "one-class")
    assert f"pixels to {purpose} " in found.what


def test_a_file_out_of_reach_is_not_taken_for_a_missing_one():
    remote = {"bytes": None, "path": "zip://1.png::hf://datasets/org/name/data.zip"}
    with pytest.raises(PairError) as error, cell_fault("image", remote):
        raise DatasetError("the network is down")
    assert error.value.code == "image-unreachable"


@pytest.mark.parametrize("size", [16, 40, 64, 200])
def test_the_share_of_crops_that_meet_a_class_is_close_to_the_counted_one(size):
    rng = np.random.default_rng(0)
    label = np.zeros((120, 90), np.uint8)
    label[rng.integers(0, 60, 2), rng.integers(0, 90, 2)] = 3
    facts = PairSummary("a", 0, height=120, width=90)
    facts.counts, facts.places = note_places(label)
    assert facts.counts[[0, 3]].tolist() == [120 * 90 - 2, 2]
    meets = [
        (label[top : top + size, left : left + size] == 3).any()
        for top in range(max(120 - size, 0) + 1)
        for left in range(max(90 - size, 0) + 1)
    ]
    assert facts.share_of_crops_with(3, size) == pytest.approx(np.mean(meets), abs=0.15)
    assert facts.share_of_crops_with(2, size) == 0


# ---------------------------------------------------------------- the command


def test_options_that_cannot_be_used_end_with_status_2(planted, tmp_path, capsys):
    before = planted.digest()
    for arguments, words in (
        (["--dataset_name", planted.folder, "--fix", planted.folder], "exists already"),
        (["--dataset_name", planted.folder, "--fix", tmp_path / "x", "--streaming"], "--streaming"),
        ([], "--dataset_name is missing"),
    ):
        assert check(*arguments) == 2
        assert words in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        check("--no-such-option")
    assert stopped.value.code == 2
    assert planted.digest() == before
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("streaming", [False, True])
def test_json_holds_findings_shares_and_problems(planted, capsys, streaming):
    planted.cut_off("images", "train/2")
    code = check("--dataset_name", planted.folder, "--json", "--streaming", streaming)
    report = json.loads(capsys.readouterr().out)
    assert code == 1
    assert any("values 0-1 read as class ids" in finding for finding in report["findings"])
    train = report["train"]
    assert (train["looked_at"], train["readable"]) == (TRAIN, TRAIN - 1)
    assert train["images"] == (None if streaming else TRAIN)
    assert (train["sizes"], train["channels"], train["dtypes"]) == ([[SIZE, SIZE]], [1], ["uint8"])
    labels = np.stack(
        [planted.load("masks", row) for row in planted.all("train") if row[-1] != "2"]
    )
    assert train["shares"]["nucleus"] == pytest.approx(labels.mean(), abs=1e-6)
    (problem,) = report["problems"]
    assert (problem["code"], problem["where"]) == ("image-unreadable", ["train/2"])


def test_a_data_set_that_cannot_be_opened_is_an_error_line_and_json(planted, capsys):
    for row in planted.all("train"):
        planted.cut_off("masks", row)
    assert check("--dataset_name", planted.folder) == 1
    assert "error: No mask of train can be read" in capsys.readouterr().out
    assert check("--dataset_name", planted.folder, "--json") == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem["severity"] == "error"


def test_the_command_line_prints_nothing_but_json(planted):
    done = subprocess.run(
        [*forked_python(), "-m", "train", "check", "--dataset_name", planted.folder, "--json",
         "--resolution", str(CROP)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["problems"] == []
