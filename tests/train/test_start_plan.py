"""Where a training begins that has little to learn from: with the weights of a checkpoint."""

import hashlib
import json
import shlex
from dataclasses import replace

import pytest

from train.checks.inspection import inspect
from train.cli.arguments import parse_arguments
from train.config import TrainingConfig
from train.folds import train_folds
from train.loop import train
from train.model import build_model
from train.plan import facts, known_images
from train.plan.planner import plan_training
from train.plan.rules import FEW_CROPS, FEW_IMAGES, START, conflict
from train.presets import NEW
from unet_hf import UNet
from unet_hf.data.open import open_data
from unet_hf.hub.find import SHIPPED, WEIGHTS_NAME

from .test_planner import AS_USUAL, USUAL_DATA, cells, planned, write_folder

OPTION = "pretrained_model_name_or_path"
FEW = replace(USUAL_DATA, total=FEW_IMAGES)


@pytest.mark.parametrize(
    ("changed", "given", "why"),
    [
        ({"total": FEW_IMAGES}, {}, "from 10 images"),
        ({"total": 1, "channels": 3}, {}, "from 1 image"),
        ({"total": 500}, {"max_train_steps": FEW_CROPS // 2}, "in 2,000 steps"),
        ({"total": None}, {"max_train_steps": 1}, "in 1 step"),  # a stream
        ({"total": 500}, {"time_budget": "5m"}, "in 5m"),
        (
            {"total": 500, "light": 15, "dark": 5},
            {},
            "from images of several kinds, with light objects and with dark ones",
        ),
        ({"total": 5}, {"max_train_steps": 10**6, "depth": 4, "dropout": 0.1}, "from 5 images"),
    ],
)
def test_little_to_learn_from_begins_with_other_images(changed, given, why):
    decided = planned(replace(USUAL_DATA, **changed), **given)[OPTION]
    assert decided == (START, f"a new network (none) mostly learns less {why}")
    assert planned(replace(USUAL_DATA, **changed), **given)["new_head"][0] is True


@pytest.mark.parametrize(
    ("changed", "given"),
    [
        ({"total": FEW_IMAGES + 1}, {}),
        ({"total": None}, {}),
        ({"total": 500}, {"max_train_steps": FEW_CROPS // 2 + 1}),
        ({"total": 500}, {"max_train_steps": FEW_CROPS // 2, "train_batch_size": 4}),
        ({"total": 500}, {"time_budget": "301s"}),
        ({"channels": 5}, {}),
        ({}, {"base_channels": 32}),
        ({}, {"depth": 3}),
        ({}, {"norm": "none"}),
        ({}, {"padding": "valid"}),
        ({}, {"dropout": 0.3}),
    ],
)
def test_otherwise_and_for_another_network_it_begins_anew(changed, given):
    found = planned(replace(FEW, **changed), **given)
    assert (found[OPTION], found["new_head"]) == ((NEW, AS_USUAL), (None, AS_USUAL))


def test_small_images_need_another_network():
    small = replace(FEW, sides=(64, 64, 64), shape=(64, 64))
    assert planned(small)["depth"][0] == 3
    assert planned(small)[OPTION] == (NEW, AS_USUAL)


def test_a_start_that_has_seen_the_images_is_not_taken_and_if_given_that_is_said():
    value, reason = planned(replace(FEW, known=2))[OPTION]
    assert value == NEW
    assert reason == "unet-nuclei was trained on 2 images of these, so scores would flatter it"
    seen = replace(USUAL_DATA, known=1)
    assert "trained on 1 image of these" in conflict(OPTION, seen, {OPTION: START})
    assert not conflict(OPTION, seen, {OPTION: "unet-phase"})


def test_the_list_of_images_is_that_of_the_shipped_weights():
    content = json.loads(known_images.FILE.read_text())
    weights = (SHIPPED / START / WEIGHTS_NAME).read_bytes()
    assert content["checkpoint"] == START
    assert content["sha256"] == hashlib.sha256(weights).hexdigest(), "see benchmarks.known_images"
    assert len(content["images"]) == len(known_images.known_images()) > 500
    assert not known_images.is_known(b"")  # of an image that could not be read


def test_images_are_known_by_their_pixels_in_both_splits(tmp_path, monkeypatch):
    folder = write_folder(tmp_path, [cells(i) for i in range(4)])
    config = TrainingConfig(str(folder))
    data = open_data(config)
    inspection = inspect(data, 9)
    assert facts.measure_facts(data, inspection).known == 0
    seen = {inspection.train[0].digest[:8].hex(), inspection.validation[0].digest[:8].hex()}
    monkeypatch.setattr(known_images, "known_images", lambda: seen)
    assert facts.measure_facts(data, inspection).known == 2
    assert plan_training(config, data, inspection)[0].start is None


def test_a_training_begins_there_says_so_and_its_command_does_so_too(tmp_path, caplog):
    folder = write_folder(tmp_path / "cells", [cells(i) for i in range(4)])
    out = tmp_path / "out"
    quick = {"dataloader_num_workers": 0, "measure_speed": False, "validation_steps": 1}
    config = TrainingConfig(str(folder), output_dir=str(out), max_train_steps=1, **quick)
    with caplog.at_level("INFO"):
        train(config)
    assert f"{OPTION} unet-nuclei: a new network (none) mostly learns less from 3" in caplog.text
    written = json.loads((out / "training.json").read_text())
    assert (written[OPTION], written["new_head"]) == (START, True)
    assert written["made_with"]["base_model"]["name"] == START
    words = shlex.split(written["made_with"]["command"])[3:]
    again = replace(parse_arguments(words), dataset_name=str(folder))
    assert (again.start, again.new_head) == (START, True)
    data = open_data(config)
    assert plan_training(again, data, inspect(data, 9))[0] == again

    longer = replace(config, max_train_steps=2, resume_from_checkpoint="latest")
    train(longer)
    written = json.loads((out / "training.json").read_text())
    assert (written[OPTION], written["new_head"]) == (START, True)
    name = "contracting.1.0.weight"
    body, start = (UNet.from_pretrained(place).state_dict()[name] for place in (out, START))
    assert 0 < (body - start).abs().max() < 0.1  # two steps away from it


def test_a_cross_validation_that_began_there_goes_on_by_the_same_command(tmp_path):
    folder = write_folder(tmp_path / "cells", [cells(i) for i in range(4)])
    quick = {"dataloader_num_workers": 0, "measure_speed": False, "validation_steps": 1}
    config = TrainingConfig(
        str(folder), output_dir=str(tmp_path / "out"), max_train_steps=1, folds=2, **quick
    )
    train_folds(config)
    train_folds(replace(config, resume_from_checkpoint="latest"))
    for fold in ("", "folds/0", "folds/1"):
        written = json.loads((tmp_path / "out" / fold / "training.json").read_text())
        assert (written[OPTION], written["new_head"]) == (START, True)


def test_a_start_that_was_named_keeps_its_last_layer_unless_told_otherwise(tmp_path):
    folder = write_folder(tmp_path, [cells(i) for i in range(4)])
    config = TrainingConfig(str(folder), pretrained_model_name_or_path="unet-phase")
    data = open_data(config)
    decided, plan = plan_training(config, data, inspect(data, 9))
    assert (decided.start, decided.new_head, decided.depth) == ("unet-phase", False, None)
    assert f"{OPTION} unet-phase (given)" in plan.lines()
    assert "new_head" not in {decision.option for decision in plan.decisions}


def test_none_is_a_new_network(tmp_path):
    folder = write_folder(tmp_path, [cells(i) for i in range(4)])
    config = TrainingConfig(str(folder), pretrained_model_name_or_path=NEW)
    assert config.start is None
    data = open_data(config)
    decided, plan = plan_training(config, data, inspect(data, 9))
    assert decided.start is None and not decided.new_head and decided.depth == 4
    assert f"{OPTION} none (given)" in plan.lines()
    model = build_model(decided, {"0": "background", "1": "cell"}, 1)
    shipped = UNet.from_pretrained(START).state_dict()
    name = "contracting.1.0.weight"
    assert (model.state_dict()[name] - shipped[name]).abs().max() > 0.1


def test_the_options_of_a_training_from_before_starts_were_planned_begin_anew(tmp_path):
    folder = write_folder(tmp_path / "cells", [cells(i) for i in range(4)])
    stored = {"dataset_name": str(folder), OPTION: None, "new_head": False}
    (tmp_path / "training.json").write_text(json.dumps(stored))
    words = ["--config", str(tmp_path / "training.json"), "--output_dir", str(tmp_path / "out")]
    config = parse_arguments(words)
    data = open_data(config)
    assert plan_training(config, data, inspect(data, 9))[0].start is None
    named = parse_arguments([*words, f"--{OPTION}", "unet-phase"])
    assert named.start == "unet-phase"


def test_cards_of_new_networks_repeat_them_whatever_is_planned_today():
    for place in SHIPPED.iterdir():
        if place.is_dir() and (place / "training.json").is_file():
            stored = json.loads((place / "training.json").read_text())
            few = stored["made_with"]["data"]["images"] <= FEW_IMAGES
            assert not few or f"--{OPTION}" in stored["made_with"]["command"], place.name
