"""`python -m train`, from a folder to a checkpoint, and the sentences it ends with otherwise."""

import json
import re
import subprocess
from functools import partial
from pathlib import Path

import pytest
import torch

from demo.synthetic import fluorescence_nuclei
from train.checkpoints import clear_unfinished
from train.cli.arguments import parse_arguments
from train.cli.check import run as check_command
from train.config import TrainingConfig
from train.loop import train
from train.start import find_start
from unet_hf import UNet
from unet_hf.data.open import open_data, open_split
from unet_hf.errors import ConfigError
from unet_hf.evaluation.metrics import confusion_matrix, overlap_scores

from ..conftest import ROOT
from ..support.processes import forked_python
from ..support.tiny_training import tiny, write_dataset


@pytest.fixture(scope="module")
def membranes(tmp_path_factory) -> Path:
    labels = {"0": "membrane", "1": "cell"}
    return write_dataset(
        tmp_path_factory.mktemp("membranes"), {"train": 3, "validation": 2}, labels=labels
    )


def run(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*forked_python(), "-m", "train", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_a_training_does_not_go_on_with_other_images_than_it_was_begun_with(tmp_path):
    data = write_dataset(tmp_path / "cells", {"train": 4}, labels={"0": "wall", "1": "cell"})
    train(tiny(data, tmp_path / "out", max_train_steps=2))
    longer = {"max_train_steps": 3, "resume_from_checkpoint": "latest"}
    lines = (data / "train/metadata.jsonl").read_text().splitlines()
    (data / "train/metadata.jsonl").write_text("\n".join(lines[1:]))  # others are held back
    with pytest.raises(ConfigError, match="are not those that the training was begun with"):
        train(tiny(data, tmp_path / "out", **longer))
    (data / "train/metadata.jsonl").write_text("\n".join(lines))
    train(tiny(data, tmp_path / "out", **longer))


def test_one_of_a_kind_is_said_in_the_singular(tmp_path, caplog, capsys):
    data = write_dataset(tmp_path / "cells", {"train": 2}, labels={"0": "wall", "1": "cell"})
    one = {"max_train_steps": 1, "train_batch_size": 1, "resolution": 96}
    with caplog.at_level("INFO"):
        train(tiny(data, tmp_path / "out", **one))
    check_command(["--dataset_name", str(data)])
    said = caplog.text + capsys.readouterr().out
    for words in ("1 of 2 images of train is held back", "1 step of 1 crop", "(1 epoch)"):
        assert words in said
    assert said.count("train: 1 image,") == said.count("train, 1 image held back: 1 image") == 2
    assert re.findall(r"\b1 (?:images|steps|crops|epochs)\b", said) == []


def test_a_folder_becomes_a_checkpoint_with_its_evidence(membranes, tmp_path):
    done = run(
        "--dataset_name", membranes, "--output-dir", tmp_path / "out", "--max_train_steps", 12,
        "--validation_steps", 6, "--base_channels", 4, "--depth", 2, "--resolution", 48,
        "--dataloader_num_workers", 1, "--license", "other", "--license_name", "ours-alone",
        "--measure_speed", "no",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for words in ("train: 3 images", "validation: 2 images", "membrane, cell (from its id2label"):
        assert words in done.stdout
    out = tmp_path / "out"
    evidence = json.loads((out / "evaluation.json").read_text())
    made_with = json.loads((out / "training.json").read_text())["made_with"]
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [6, 12]
    assert evidence["score"] == max(row["score"] for row in rows)

    model = UNet.from_pretrained(out)
    assert model.id2label == {0: "membrane", 1: "cell"}
    assert model.config["threshold"] == evidence["threshold"]
    card = (out / "README.md").read_text()
    assert "license: other\nlicense_name: ours-alone\n" in card
    assert "\nours-alone.\n" in card
    assert f"{evidence['membrane']['v_rand']:.4f}" in card
    assert "--max_train_steps 12" in card
    for row in rows:  # the curve
        kept = " (kept)" if row["step"] == made_with["step"] else ""
        assert f"| {row['step']}{kept} | {row['loss']:.3f} | {row['score']:.4f} |" in card
    assert str(tmp_path) not in card

    again = run("--dataset_name", membranes, "--output_dir", out)
    assert again.returncode == 1
    assert "already holds a training" in again.stderr  # nothing is overwritten


@pytest.mark.parametrize("name", ["best", "checkpoint-3"])
@pytest.mark.parametrize("resume", [None, "latest"])
def test_a_folder_that_no_training_wrote_is_not_replaced(name, resume, tmp_path):
    mine = tmp_path / name / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    config = tiny(tmp_path, tmp_path, resume_from_checkpoint=resume)
    with pytest.raises(ConfigError, match=rf"{name} was not written by a training.*Move it away"):
        find_start(config, tmp_path)


def test_only_what_killed_trainings_left_is_cleared_away(tmp_path):
    kept = [".unfinished-work-of-mine/a.txt", ".d41d8cd98f00b204e9800998ecf8427e.png", "a.png"]
    left = [
        f".unfinished-{'0' * 32}/a.txt",
        ".unfinished-a_b1c2d3/a.txt",
        f".unet_hf-{'0' * 32}.png",
        f"logs/.unet_hf-{'f' * 32}",
    ]
    for name in kept + left:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    clear_unfinished(tmp_path)
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert {name for name in there if (tmp_path / name).is_file()} == set(kept)


def test_the_checkpoint_scores_what_its_evidence_says(membranes, tmp_path):
    from unet_hf.evaluation.evaluate import evaluate

    config = TrainingConfig(
        dataset_name=str(membranes), output_dir=str(tmp_path / "out"), max_train_steps=4,
        base_channels=4, depth=2, resolution=48, dataloader_num_workers=0,
    )  # fmt: skip
    from train.loop import train

    reported = train(config)
    again = evaluate(UNet.from_pretrained(tmp_path / "out"), open_data(config).validation)
    assert again == reported


def test_an_extended_training_says_so_on_its_card(membranes, tmp_path):
    from train.loop import train

    options = {"max_validation_images": 1, "checkpoints_total_limit": 1}
    train(tiny(membranes, tmp_path, max_train_steps=2, **options))
    assert "it was extended" not in (tmp_path / "README.md").read_text()
    train(tiny(membranes, tmp_path, max_train_steps=4, resume_from_checkpoint="latest", **options))
    assert "At step 2 it was extended from 2 steps to 4" in (tmp_path / "README.md").read_text()
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-4"]


def test_a_given_threshold_is_scored_and_not_chosen_anew(tmp_path):
    from unet_hf.evaluation.evaluate import evaluate

    write_dataset(tmp_path, {"validation": 2}, draw=fluorescence_nuclei)
    pairs, _ = open_split(tiny(tmp_path, tmp_path / "out"), "validation")
    model = UNet(base_channels=2, depth=2)
    segment = partial(model.segment, threshold=0.37, precision="float32")
    found = evaluate(model, pairs, threshold=0.37)
    assert found.threshold == 0.37
    confusion = sum(confusion_matrix(pair.label, segment(pair.image).mask, 2) for pair in pairs)
    assert found.mean_iou == overlap_scores(confusion).mean_iou


def test_the_threshold_keeps_away_from_a_cliff():
    from unet_hf.evaluation.summary import CANDIDATES, choose_threshold

    scores = dict.fromkeys(CANDIDATES, 0.5)
    scores |= {0.2: 0.99, 0.25: 0.98, 0.3: 0.97, 0.35: 0.9}
    assert choose_threshold(scores) == 0.25  # 0.2 is best, but at 0.15 everything falls open
    assert choose_threshold(dict.fromkeys(CANDIDATES, 0.0) | {0.95: 1.0, 0.9: 0.9}) == 0.95


def test_training_learns(tmp_path):
    """Sixty steps of a tiny network find drawn nuclei."""
    from train.loop import train

    folder = write_dataset(tmp_path, {"train": 3, "validation": 2}, draw=fluorescence_nuclei)
    config = TrainingConfig(
        dataset_name=str(folder), output_dir=str(tmp_path / "out"), max_train_steps=60,
        base_channels=6, depth=2, resolution=64, dataloader_num_workers=0, ema_decay=0.8,
        learning_rate=1e-2, elastic_std=2,
    )  # fmt: skip
    assert train(config).mean_iou > 0.8  # everything "background" has 0.45


def test_short_trainings_are_not_averaged_with_their_random_start():
    import torch

    from train.optimization import moving_average

    averaged, steps = [torch.zeros(1)], 30
    for step in range(steps):
        moving_average(0.998)(averaged, [torch.ones(1)], torch.tensor(step + 1))
    assert averaged[0].item() > 0.99  # a plain average of decay 0.998 would be at 0.06
    moving_average(0.998)(averaged, [torch.zeros(1)], torch.tensor(10**6))
    assert averaged[0].item() > 0.98


def test_the_papers_preset_trains_with_valid_convolutions(membranes):
    from train.model import build_model, crop_size

    config = TrainingConfig(dataset_name=str(membranes), output_dir="x", preset="paper")
    model = build_model(config, {"0": "membrane", "1": "cell"}, 1)
    assert model.config["padding"] == "valid"
    assert crop_size(model, 572) == 572
    assert crop_size(model, 500) == 508


# ---------------------------------------------------------------- fine-tuning


def fine_tuned(folder, classes=2, channels=1, **options):
    from train.model import build_model

    config = TrainingConfig(
        dataset_name="d", output_dir="o", pretrained_model_name_or_path=str(folder), **options
    )
    return build_model(config, {str(i): f"kind {i}" for i in range(classes)}, channels)


def test_other_classes_need_a_new_head_and_nothing_else_changes(tmp_path):
    UNet(base_channels=4, depth=2, num_classes=4).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"4 classes apart .* Add --new_head"):
        fine_tuned(tmp_path)
    model, start = fine_tuned(tmp_path, new_head=True), UNet.from_pretrained(tmp_path)
    assert model.config["num_classes"] == 2
    assert model.id2label == {0: "kind 0", 1: "kind 1"}
    assert torch.equal(model.bottleneck[0].weight, start.bottleneck[0].weight)


def test_a_new_head_for_as_many_classes_is_drawn_afresh_too(tmp_path):
    UNet(base_channels=4, depth=2, threshold=0.9).save_pretrained(tmp_path)
    start = UNet.from_pretrained(tmp_path)
    assert torch.equal(fine_tuned(tmp_path).head.weight, start.head.weight)
    model = fine_tuned(tmp_path, new_head=True)
    assert not torch.equal(model.head.weight, start.head.weight)
    assert model.config["threshold"] is None  # it was chosen for the old classes


@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1)])
def test_gray_and_rgb_networks_become_each_other(tmp_path, before, after):
    """A gray image gives what it gave before, shown as three equal channels or as one."""
    UNet(before, base_channels=4, depth=2).save_pretrained(tmp_path)
    start, model = UNet.from_pretrained(tmp_path), fine_tuned(tmp_path, channels=after).eval()
    gray = torch.randn(1, 1, 16, 16)
    with torch.no_grad():
        expected = start(gray.expand(1, before, 16, 16))
        found = model(gray.expand(1, after, 16, 16))
    assert torch.allclose(found, expected, atol=1e-5)
    assert len(model.preprocessing.channels) == after


def test_other_channel_numbers_are_refused(tmp_path):
    UNet(1, base_channels=4, depth=2).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="takes 1 channels, the images have 5"):
        fine_tuned(tmp_path, channels=5)


def test_a_frozen_encoder_stays_as_it_was_loaded(membranes, tmp_path):
    from train.loop import train

    UNet(base_channels=4, depth=2).save_pretrained(tmp_path / "start")
    config = tiny(
        membranes, tmp_path / "out", max_train_steps=3, freeze_encoder=True,
        pretrained_model_name_or_path=str(tmp_path / "start"),
    )  # fmt: skip
    train(config)
    before = UNet.from_pretrained(tmp_path / "start").state_dict()
    after = UNet.from_pretrained(tmp_path / "out").state_dict()
    for name, tensor in before.items():
        frozen = name.startswith(("contracting", "bottleneck"))
        if "num_batches" not in name:
            assert torch.equal(tensor, after[name]) == frozen, name


# ---------------------------------------------------------------- options


def test_dashes_and_underscores_and_a_json_file_say_the_same(tmp_path):
    (tmp_path / "run.json").write_text('{"seed": 7, "base_channels": 8}')
    config = parse_arguments(
        ["--dataset-name", "d", "--output_dir", "o", "--config", str(tmp_path / "run.json"),
         "--base-channels", "4"]
    )  # fmt: skip
    assert (config.seed, config.base_channels) == (7, 4)  # a flag beats the file
    again = TrainingConfig(**json.loads(config.to_json()))
    assert again == config
    assert parse_arguments(config.command().split()[3:]) == config


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dataset_name": ""}, "--dataset_name is missing"),
        ({"preset": "tiny"}, "modern or paper"),
        ({"mixed_precision": "fp8"}, "auto, no or bf16"),
        ({"max_train_steps": 0}, "at least 1"),
        ({"scale_range": 0.5}, "1 or more"),
        ({"border_sigma": 0.0}, "above 0"),
        ({"elastic_std": -1.0}, "0 or more"),
        ({"ema_decay": 1.0}, "below 1"),
        ({"channel_mixing": 1.5}, "from 0 to 1"),
        ({"inversion": -0.1}, "from 0 to 1"),
        ({"depth": 7}, "--depth 7: .* a tile of 1024 px holds. Take --depth 6 or less"),
        ({"depth": 6, "preset": "paper"}, "Take --depth 5 or less"),
    ],
)
def test_unusable_options_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        TrainingConfig(**({"dataset_name": "d", "output_dir": "o"} | options))


def test_a_training_needs_a_place_for_its_checkpoint():
    """A check of the data set does not."""
    from train.loop import train

    with pytest.raises(ConfigError, match="--output_dir is missing"):
        parse_arguments(["--dataset_name", "d"])
    with pytest.raises(ConfigError, match="--output_dir is missing"):
        train(TrainingConfig(dataset_name="d"))


def test_a_missing_data_set_ends_with_a_sentence_not_a_traceback(tmp_path):
    done = run("--dataset_name", tmp_path / "nowhere", "--output_dir", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
