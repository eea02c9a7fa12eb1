"""Cross-validation: each image is scored by a network that never saw it, and the final one has
seen all."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from demo.synthetic import fluorescence_nuclei
from train import checkpoints
from train.cli.arguments import parse_arguments
from train.cli.check import run as check_command
from train.config import TrainingConfig
from train.cross_validation.folds import divide, open_folds
from train.errors import StoppedError, TooShortError
from train.folds import options_in, train_folds
from train.loop import train
from unet_hf import UNet
from unet_hf.cli.evaluate import run as evaluate_command
from unet_hf.errors import ConfigError, DatasetError
from unet_hf.evaluation.verification import verify
from unet_hf.hub.expected_words import expected_words

from ..support.tiny_training import tiny, write_dataset

SMALL = {"base_channels": 2, "resolution": 32, "max_train_steps": 4, "validation_steps": 2}


def folds_of(groups, folds: int, order: str) -> list[list[int]]:
    placed = divide(np.array(groups), folds, order, seed=0)
    return [np.flatnonzero(placed == fold).tolist() for fold in range(folds)]


def test_contiguous_folds_are_blocks_in_the_order_of_the_rows():
    assert folds_of(range(7), 3, "contiguous") == [[0, 1], [2, 3, 4], [5, 6]]
    # Groups in the order in which they first occur: films of 1, 1 and 4 images.
    assert folds_of([9, 2, 5, 5, 5, 5], 2, "contiguous") == [[0, 1], [2, 3, 4, 5]]
    # A long film at the end may not leave the other folds empty.
    assert folds_of([0, 1, 2, 2, 2, 2, 2, 2, 2], 3, "contiguous") == [[0], [1], [*range(2, 9)]]
    assert folds_of([0, 0, 0, 0, 0, 0, 0, 1, 2], 3, "contiguous") == [[*range(7)], [7], [8]]


def test_random_folds_have_about_the_same_size_and_keep_groups_together():
    drawn = folds_of(range(11), 3, "random")
    assert sorted(map(len, drawn)) == [3, 4, 4]
    assert sorted(np.concatenate(drawn)) == [*range(11)]
    assert drawn == folds_of(range(11), 3, "random")  # the seed decides
    assert drawn != [[*range(0, 4)], [*range(4, 8)], [*range(8, 11)]]
    films = np.array([3, 1, 3, 1, 3, 2, 2, 0])
    placed = divide(films, 2, "random", seed=1)
    assert all(len(set(placed[films == film])) == 1 for film in range(4))
    assert sorted(np.bincount(placed)) == [4, 4]


def test_fewer_images_than_folds_are_refused():
    with pytest.raises(DatasetError, match="at least 5 images; there are 3"):
        folds_of(range(3), 5, "random")
    with pytest.raises(DatasetError, match="at least 3 groups of images; there are 2"):
        folds_of([0, 0, 1], 3, "contiguous")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"folds": 1}, "at least 2"),
        ({"folds": 3, "fold": 3}, "from 0 to 2"),
        ({"fold": 0}, "--fold without --folds"),
        ({"fold_order": "contiguous"}, "--fold_order without --folds"),
        ({"folds": 3, "streaming": True}, "a stream has no end"),
        ({"folds": 3, "max_validation_images": 2}, "--max_validation_images"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        TrainingConfig(dataset_name="org/name", **options)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Three training and two validation images of two films, and two that are kept aside."""
    folder = tmp_path_factory.mktemp("folds") / "cells"
    splits = {"train": 3, "validation": 2, "test": 2}
    write_dataset(folder, splits, draw=fluorescence_nuclei, rows=lambda label: np.minimum(label, 1))
    for metadata in folder.glob("*/metadata.jsonl"):
        rows = [json.loads(line) for line in metadata.read_text().splitlines()]
        rows = [row | {"film": "ab"[index % 2]} for index, row in enumerate(rows)]
        metadata.write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_training_and_validation_images_are_divided_together(data, tmp_path):
    seen = []
    for fold in range(2):
        opened = open_folds(tiny(data, tmp_path, folds=2, fold=fold, fold_order="contiguous"))
        assert opened.train_name == "train + validation"
        assert sorted([*opened.train.indices, *opened.validation.indices]) == [*range(5)]
        seen += opened.validation.indices.tolist()
    assert sorted(seen) == [*range(5)]  # each image is left out once, those of "test" never
    every = open_folds(tiny(data, tmp_path, folds=2))
    assert (len(every.train), len(every.validation)) == (5, 0)
    films = open_folds(tiny(data, tmp_path, folds=2, fold=0, fold_column="film"))
    held = {pair.extras["film"] for pair in films.validation}
    assert len(held) == 1
    assert held.isdisjoint(pair.extras["film"] for pair in films.train)
    with pytest.raises(DatasetError, match="--fold_column 'slide' does not exist"):
        open_folds(tiny(data, tmp_path, folds=2, fold_column="slide"))


@pytest.fixture(scope="module")
def trained(data) -> Path:
    output = data.parent / "out"
    train_folds(tiny(data, output, folds=2, **SMALL))
    return output


def test_the_final_network_has_the_scores_of_the_folds_as_its_evidence(trained):
    record = json.loads((trained / "evaluation.json").read_text())
    made_with = json.loads((trained / "training.json").read_text())["made_with"]
    names = [row["name"] for row in record["images"]]
    assert len(names) == 5
    steps = [
        json.loads((trained / f"folds/{fold}/training.json").read_text())["made_with"]["step"]
        for fold in range(2)
    ]
    assert record["folds"] == {"count": 2, "steps": steps}
    assert made_with["step"] == sorted(steps)[1]  # of two, the later one
    assert (trained / f"checkpoint-{made_with['step']}").is_dir()
    assert made_with["data"] | {"split": "train + validation", "images": 5} == made_with["data"]
    assert record["expected"]["method"] == "cross-validation"
    assert record["expected"]["images"] == 5
    model = UNet.from_pretrained(trained)
    assert model.threshold == record["threshold"]
    # A score by hand: the image of a fold, segmented by its network at the common threshold.
    pairs = open_folds(options_in(trained / "folds/1")).validation
    network = UNet.from_pretrained(trained / "folds/1/best")
    mask = network.segment(pairs[0].image, threshold=record["threshold"], precision="float32").mask
    iou = [
        ((mask == c) & (pairs[0].label == c)).sum() / ((mask == c) | (pairs[0].label == c)).sum()
        for c in range(2)
    ]
    row = record["images"][5 - len(pairs)]
    assert row["name"] == pairs[0].name
    assert row["mean_iou"] == pytest.approx(np.mean(iou))


def test_the_card_says_so_and_the_checkpoint_is_verified(trained, data, tmp_path):
    card = (trained / "README.md").read_text()
    expected = json.loads((trained / "evaluation.json").read_text())["expected"]
    assert f"**Expected on new images: {expected_words(expected)}.** By 2-fold cross-val" in card
    assert "**This checkpoint was trained on all these images**" in card
    assert "--folds 2" in card
    assert "unet_hf evaluate --model out\n" not in card  # it would score what it was trained on
    assert [finding.text for finding in verify(trained) if not finding.ok] == []
    with pytest.raises(ConfigError, match="was cross-validated"):
        evaluate_command(["--model", str(trained)])
    path = tmp_path / "scores.json"
    for split, method, was_trained in (("test", "held out", False), ("validation", None, True)):
        words = ["--dataset_name", str(data), "--split", split, "--output", str(path)]
        evaluate_command(["--model", str(trained), *words])
        scores = json.loads(path.read_text())
        assert scores["trained_on"] is was_trained
        assert (scores["expected"] or {}).get("method") == method


def files_of(output: Path) -> dict[str, bytes]:
    names = ("model.safetensors", "config.json", "evaluation.json", "evaluations.safetensors")
    return {
        path.relative_to(output).as_posix(): path.read_bytes()
        for path in output.rglob("*")
        if path.name in names
    }


def test_a_killed_cross_validation_goes_on_to_the_same_bytes(trained, data, tmp_path, monkeypatch):
    output = tmp_path / "out"
    config = tiny(data, output, folds=2, checkpointing_steps=1, **SMALL)
    save = checkpoints.save_training_state
    for fold, step in [(1, 3), (None, 1)]:  # the second fold, then the final network

        def save_and_die(folder, progress, *others, fold=fold, step=step):
            save(folder, progress, *others)
            if progress.config["fold"] == fold and progress.step == step:
                raise KeyboardInterrupt

        monkeypatch.setattr(checkpoints, "save_training_state", save_and_die)
        with pytest.raises(StoppedError, match=rf"--output_dir {output}"):
            train_folds(config)
        config = resumed(output)
    monkeypatch.undo()
    with pytest.raises(ConfigError, match="already holds a cross-validation"):
        train_folds(replace(config, resume_from_checkpoint=None))
    with pytest.raises(ConfigError, match=r"options differ: --learning_rate 0.002 -> 0.5"):
        train_folds(replace(config, learning_rate=0.5))
    train_folds(config)
    reference, again = files_of(trained), files_of(output)
    final = {name for name in reference if "checkpoint-" not in name}
    assert len(final) > 9
    for name in final:
        assert again[name] == reference[name], name


@pytest.mark.parametrize("kind", ["images", "masks"])
def test_a_finished_fold_is_not_reused_with_other_data(data, trained, tmp_path, kind):
    output = tmp_path / "out"
    shutil.copytree(trained, output)
    for name in ("config.json", "evaluation.json"):  # the final network is missing
        (output / name).unlink()
    config = resumed(output)
    replaced = data / "train" / kind / "1.png"
    before = replaced.read_bytes()
    with PIL.Image.open(replaced) as picture:
        other = PIL.Image.fromarray(np.array(picture)[::-1])
    other.save(replaced)  # of the same name
    words = rf"fold 0, which is finished.*\(changed: the {kind[:-1]} of .*/1\)\. Bring them back"
    try:
        with pytest.raises(ConfigError, match=words):
            train_folds(config)
    finally:
        replaced.write_bytes(before)
    train_folds(config)


def resumed(output: Path) -> TrainingConfig:
    return parse_arguments(["--output_dir", str(output), "--resume_from_checkpoint", "latest"])


def test_several_processes_and_a_bare_call_are_refused(data, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="train_folds"):
        train(tiny(data, tmp_path / "out", folds=2))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="train each fold by itself: --fold 0"):
        train_folds(tiny(data, tmp_path / "out", folds=2))
    assert not (tmp_path / "out").exists()


def test_a_time_budget_is_shared_by_all_trainings(data, tmp_path, monkeypatch):
    seen = []

    def trained(config, began=None, out_of_fold=None):
        seen.append((config.fold, config.time_budget, config.push_to_hub))
        Path(config.output_dir).mkdir(parents=True)
        options = config.to_dict() | {"time_budget": None, "fitted_to": "15.0s"}
        text = json.dumps(options | {"max_train_steps": 30})
        (Path(config.output_dir) / "training.json").write_text(text)

    def unscored(*_):
        raise NotImplementedError

    monkeypatch.setattr("train.folds.train", trained)
    monkeypatch.setattr("train.folds.score_folds", unscored)
    options = {"base_channels": 2, "resolution": 32, "time_budget": "1m"}
    with pytest.raises(NotImplementedError):
        train_folds(tiny(data, tmp_path / "out", folds=3, **options))
    assert seen == [(0, "15.0s", False), (1, None, False), (2, None, False)]
    assert options_in(tmp_path / "out/folds/2").max_train_steps == 30


def test_a_fold_that_cannot_be_trained_is_refused_before_the_first_one_is(data, tmp_path):
    bare = tmp_path / "cells"
    shutil.copytree(data, bare)
    masks = sorted(bare.glob("train/masks/*"))[:2]
    for mask in masks:
        PIL.Image.fromarray(np.zeros_like(PIL.Image.open(mask))).save(mask)
    options = {"folds": 3, "fold_order": "contiguous", **SMALL}
    with pytest.raises(
        DatasetError, match=r"\n- fold 0: All labelled pixels to evaluate"
    ) as caught:
        train_folds(tiny(bare, tmp_path / "out", **options))
    assert "fold 1: " not in str(caught.value)
    masks[0].unlink()
    with pytest.raises(DatasetError, match=r"it stands:\n- The mask is missing") as caught:
        train_folds(tiny(bare, tmp_path / "out", seed=3, **options))
    # The hint can be copied: it has no option that a check does not know.
    words = str(caught.value).rsplit("\n", 1)[1].split("`")[1].split()
    assert words[:6] == ["python", "-m", "train", "check", "--dataset_name", str(bare)]
    assert {"--seed", "--resolution"} <= {*words}
    assert check_command(words[4:]) == 1
    assert not (tmp_path / "out").exists()


def test_a_budget_too_short_for_all_trainings_is_said_as_given_and_another_may_follow(
    data, tmp_path, monkeypatch
):
    def refused(config, *_):
        Path(config.output_dir).mkdir(parents=True, exist_ok=True)
        raise TooShortError(f"{config.time_budget}, and 20s is the least.", 20)

    monkeypatch.setattr("train.folds.train", refused)
    out = tmp_path / "out"
    for budget, share in (("30s", "10.0s"), ("45s", "15.0s")):
        words = rf"--time_budget {budget} is shared by 3 trainings.* {share}, .* this is 60s\.$"
        with pytest.raises(ConfigError, match=words):
            train_folds(tiny(data, out, folds=2, time_budget=budget, base_channels=2))
        assert json.loads((out / "training.json").read_text())["time_budget"] == budget
