"""`python -m train`, from a folder to a checkpoint, and the sentences it ends with otherwise."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from train.config import TrainingConfig, parse_arguments
from train.data import load_data
from unet_hf import UNet
from unet_hf.errors import ConfigError, DatasetError
from unet_hf.metrics import confusion_matrix, overlap_scores
from unet_hf.synthetic import electron_micrograph, fluorescence_nuclei

from .conftest import ROOT


def write_dataset(
    folder: Path, splits: dict[str, int], *, rows=None, labels=None, draw=electron_micrograph
) -> Path:
    """A data set in the Hub's imagefolder layout, drawn by our own code."""
    for split, count in splits.items():
        lines = []
        for index in range(count):
            drawing = draw(96, 14, seed=100 * len(lines) + len(split))
            mask = drawing.label if rows is None else rows(drawing.label)
            for kind, pixels in (("images", drawing.image), ("masks", mask)):
                path = folder / split / kind / f"{index}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                PIL.Image.fromarray(pixels).save(path)
            lines.append(
                {"file_name": f"images/{index}.png", "mask_file_name": f"masks/{index}.png"}
            )
        text = "\n".join(map(json.dumps, lines))
        (folder / split / "metadata.jsonl").write_text(text)
    if labels is not None:
        (folder / "id2label.json").write_text(json.dumps(labels))
    return folder


@pytest.fixture(scope="module")
def membranes(tmp_path_factory) -> Path:
    labels = {"0": "membrane", "1": "cell"}
    return write_dataset(
        tmp_path_factory.mktemp("membranes"), {"train": 3, "validation": 2}, labels=labels
    )


def run(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "train", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_a_folder_becomes_a_checkpoint_with_its_evidence(membranes, tmp_path):
    done = run(
        "--dataset_name", membranes, "--output-dir", tmp_path / "out", "--max_train_steps", 12,
        "--validation_steps", 6, "--base_channels", 4, "--depth", 2, "--resolution", 48,
        "--dataloader_num_workers", 1, "--license", "cc0-1.0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for words in ("3 images to train on, 2 to evaluate on", "membrane, cell (from its id2label"):
        assert words in done.stdout
    out = tmp_path / "out"
    evidence = json.loads((out / "evaluation.json").read_text())
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [6, 12]
    assert evidence["score"] == max(row["score"] for row in rows)

    model = UNet.from_pretrained(out)
    assert model.id2label == {0: "membrane", 1: "cell"}
    assert model.config["threshold"] == evidence["threshold"]
    card = (out / "README.md").read_text()
    assert "license: cc0-1.0" in card
    assert f"{evidence['membrane']['v_rand']:.4f}" in card
    assert "--max_train_steps 12" in card
    assert str(tmp_path) not in card

    again = run("--dataset_name", membranes, "--output_dir", out)
    assert again.returncode == 1
    assert "already holds a training" in again.stderr  # nothing is overwritten


def test_the_checkpoint_scores_what_its_evidence_says(membranes, tmp_path):
    from train.evaluation import evaluate

    config = TrainingConfig(
        dataset_name=str(membranes), output_dir=str(tmp_path / "out"), max_train_steps=4,
        base_channels=4, depth=2, resolution=48, dataloader_num_workers=0,
    )  # fmt: skip
    from train.loop import train

    reported = train(config)
    again = evaluate(UNet.from_pretrained(tmp_path / "out"), load_data(config).validation)
    assert again == reported


def test_a_given_threshold_is_scored_and_not_chosen_anew(tmp_path):
    from train.data import load_splits
    from train.evaluation import evaluate

    write_dataset(tmp_path, {"validation": 2}, draw=fluorescence_nuclei)
    (pairs,), _, _ = load_splits(config_for(tmp_path), "validation")
    model = UNet(base_channels=2, depth=2)
    found = evaluate(model, pairs, threshold=0.37)
    assert found.threshold == 0.37
    confusion = sum(
        confusion_matrix(pair.label, model.segment(pair.image, threshold=0.37).mask, 2)
        for pair in pairs
    )
    assert found.mean_iou == overlap_scores(confusion).mean_iou


def test_the_threshold_keeps_away_from_a_cliff():
    from train.evaluation import CANDIDATES, steady_best

    scores = dict.fromkeys(CANDIDATES, 0.5)
    scores |= {0.2: 0.99, 0.25: 0.98, 0.3: 0.97, 0.35: 0.9}
    assert steady_best(scores) == 0.25  # 0.2 is best, but at 0.15 everything falls open
    assert steady_best(dict.fromkeys(CANDIDATES, 0.0) | {0.95: 1.0, 0.9: 0.9}) == 0.95


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

    from train.loop import moving_average

    averaged, steps = [torch.zeros(1)], 30
    for step in range(steps):
        moving_average(0.998)(averaged, [torch.ones(1)], torch.tensor(step + 1))
    assert averaged[0].item() > 0.99  # a plain average of decay 0.998 would be at 0.06
    moving_average(0.998)(averaged, [torch.zeros(1)], torch.tensor(10**6))
    assert averaged[0].item() > 0.98


def test_the_papers_preset_trains_with_valid_convolutions(membranes):
    from train.loop import build_model, crop_size

    config = TrainingConfig(dataset_name=str(membranes), output_dir="x", preset="paper")
    model = build_model(config, load_data(config))
    assert model.config["padding"] == "valid"
    assert crop_size(model, 572) == 572
    assert crop_size(model, 500) == 508


def test_fine_tuning_starts_from_a_checkpoint_and_its_classes(membranes, tmp_path):
    import torch

    from train.loop import build_model

    UNet(base_channels=4, depth=2, num_classes=4).save_pretrained(tmp_path)
    config = TrainingConfig(
        dataset_name=str(membranes), output_dir="x", pretrained_model_name_or_path=str(tmp_path)
    )
    model = build_model(config, load_data(config))
    start = UNet.from_pretrained(tmp_path)
    assert model.config["num_classes"] == 2
    assert model.id2label[1] == "cell"
    assert torch.equal(model.bottleneck[0].weight, start.bottleneck[0].weight)


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
        ({"output_dir": ""}, "--output_dir is missing"),
        ({"preset": "tiny"}, "modern or paper"),
        ({"mixed_precision": "fp8"}, "auto, no or bf16"),
        ({"max_train_steps": 0}, "at least 1"),
        ({"scale_range": 0.5}, "1 or more"),
        ({"border_sigma": 0.0}, "above 0"),
        ({"elastic_std": -1.0}, "0 or more"),
        ({"ema_decay": 1.0}, "below 1"),
    ],
)
def test_unusable_options_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        TrainingConfig(**({"dataset_name": "d", "output_dir": "o"} | options))


# ---------------------------------------------------------------- data


def config_for(folder: Path, **options) -> TrainingConfig:
    return TrainingConfig(dataset_name=str(folder), output_dir="unused", **options)


def test_masks_of_0_and_255_are_read_as_two_classes_and_said(tmp_path):
    write_dataset(tmp_path, {"train": 1, "validation": 1}, rows=lambda label: label * 255)
    data = load_data(config_for(tmp_path))
    assert np.unique(data.train[0].label).tolist() == [0, 1]
    assert "0 and 255 read as classes 0 and 1" in " ".join(data.findings)


@pytest.mark.parametrize(
    ("prepare", "options", "words"),
    [
        ({"splits": {"train": 1}}, {}, "no split 'validation'; it has train"),
        (
            {"splits": {"train": 1, "validation": 1}},
            {"label_column": "msk"},
            "no image column 'msk'",
        ),
        (
            {
                "splits": {"train": 1, "validation": 1},
                "rows": lambda m: np.stack([m * 200] * 3, -1),
            },
            {},
            "Colour-coded masks",
        ),
        (
            {"splits": {"train": 1, "validation": 1}, "rows": lambda m: m[:50]},
            {},
            "its mask 50 x 96",
        ),
        (
            {
                "splits": {"train": 1, "validation": 1},
                "rows": lambda m: m * 3,
                "labels": {"0": "a", "1": "b"},
            },
            {},
            "names only 2 classes",
        ),
    ],
)
def test_data_that_needs_a_guess_is_refused_with_what_to_say(tmp_path, prepare, options, words):
    write_dataset(tmp_path, **prepare)
    with pytest.raises(DatasetError, match=words):
        load_data(config_for(tmp_path, **options))


def test_images_and_masks_in_two_folders_are_not_taken_for_two_classes(tmp_path):
    write_dataset(tmp_path, {"train": 2, "validation": 1})
    for metadata in tmp_path.glob("*/metadata.jsonl"):
        metadata.unlink()
    with pytest.raises(DatasetError, match="label"):
        load_data(config_for(tmp_path))


def test_a_missing_data_set_ends_with_a_sentence_not_a_traceback(tmp_path):
    done = run("--dataset_name", tmp_path / "nowhere", "--output_dir", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
