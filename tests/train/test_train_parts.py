"""Small parts of a training: what it shows, waits for, and leaves as it was given."""

import argparse
import json
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from accelerate.utils import InitProcessGroupKwargs

from train import loop, start
from train.cli import main as command
from train.config import DEFAULT_STEPS, TrainingConfig
from train.crops import crops
from train.crops.crops import CropMaker, RandomCrops
from train.crops.shares import draw_shares
from train.errors import StoppedError
from train.model import build_model, check_batch_norm, freeze_encoder
from train.report import write_samples
from unet_hf import UNet
from unet_hf.data import open as data
from unet_hf.data.pairs import Pair
from unet_hf.errors import ConfigError, DatasetError
from unet_hf.evaluation.update_card import options_of_labelled_images
from unet_hf.images.reading import read_image

from ..support.tiny_training import tiny, write_dataset

SHA = "a" * 40


class ReachedError(Exception):
    """The training got to the part that is looked at."""


def test_no_process_gives_up_while_the_first_one_evaluates(tmp_path, monkeypatch):
    """Accelerate's own timeout is ten minutes on several GPUs; an evaluation may take longer."""
    seen = {}

    def accelerator(**options):
        seen.update(options)
        raise ReachedError

    monkeypatch.setattr(loop, "Accelerator", accelerator)
    with pytest.raises(ReachedError):
        loop.train(TrainingConfig(dataset_name="x", output_dir=str(tmp_path / "out")))
    (handler,) = seen["kwargs_handlers"]
    assert isinstance(handler, InitProcessGroupKwargs)
    assert handler.timeout >= timedelta(days=1)


def test_one_process_asks_the_hub_for_the_commit_and_the_others_are_told(tmp_path, monkeypatch):
    class Second:
        is_main_process, num_processes = False, 2

        def main_process_first(self):
            return nullcontext()

    def open_data(config):
        assert config.dataset_revision == SHA
        raise ReachedError

    monkeypatch.setattr(loop, "Accelerator", lambda **_: Second())
    monkeypatch.setattr(loop, "broadcast_object_list", lambda _: [SHA])
    monkeypatch.setattr(loop, "open_data", open_data)
    monkeypatch.setattr(data, "hub_commit", lambda *_: pytest.fail("asked by each process"))
    config = TrainingConfig(dataset_name="org/cells", output_dir=str(tmp_path / "out"))
    with pytest.raises(ReachedError):
        loop.train(config)
    assert config.dataset_revision is None


def test_options_stay_as_they_were_given(monkeypatch):
    """The commit and the number of steps are found out, and are in new options."""
    monkeypatch.setattr(data, "hub_commit", lambda *_: SHA)
    config = TrainingConfig(dataset_name="org/cells", output_dir="out", num_train_epochs=3)
    before = config.to_dict()
    pinned = data.pin_revision(config)
    assert start.count_steps(pinned, 20).max_train_steps == 60
    assert pinned.to_dict() == before | {"dataset_revision": SHA}
    assert config.to_dict() == before
    without = TrainingConfig(dataset_name="org/cells", output_dir="out")
    assert start.count_steps(without, 20).max_train_steps == DEFAULT_STEPS
    assert without.max_train_steps is None


@pytest.mark.parametrize("arguments", [[], ["--dataset_name", "org/cells"], ["check"], ["--no"]])
def test_wrong_usage_has_the_exit_status_of_argparse(arguments, capsys):
    try:
        status = command.main(arguments)
    except SystemExit as error:  # of argparse itself
        status = error.code
    assert status == 2
    assert "error: " in capsys.readouterr().err


def test_a_stopped_training_has_the_exit_status_of_ctrl_c(monkeypatch, capsys):
    def stop(_):
        raise HaltedError("Stopped after step 3.")

    class HaltedError(StoppedError):
        """Of another name."""

    monkeypatch.setattr(command, "run_training", stop)
    assert command.main([]) == 130
    assert "Stopped after step 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("record", "words"),
    [({"seed": "4"}, "seed is '4'"), ({"id2label": {"0": "a"}}, "id2label is {")],
)
def test_a_record_of_a_training_from_anyone_is_no_crash(record, words, tmp_path):
    (tmp_path / "training.json").write_text(json.dumps({"dataset_name": "x"} | record))
    given = argparse.Namespace(dataset_name=None, model="net", hub_token=None)
    with pytest.raises(ConfigError, match=words):
        options_of_labelled_images(given, tmp_path)


def pair(height: int, width: int) -> Pair:
    image = read_image(np.random.default_rng(0).integers(0, 200, (height, width), np.uint8))
    return Pair("x", image, np.zeros((height, width), np.uint8), None, {})


@pytest.mark.parametrize("widths", [(300, 100), (100, 300)])
def test_the_sample_picture_shows_every_prediction_whole(widths, tmp_path: Path):
    model = UNet(base_channels=1, depth=1).eval()
    pairs = [pair(40, width) for width in widths]
    write_samples(tmp_path / "samples" / "step.png", model, pairs)
    picture = np.asarray(PIL.Image.open(tmp_path / "samples" / "step.png"))
    assert picture.shape == (80, 3 * 300, 3)
    for row, (one, width) in enumerate(zip(pairs, widths, strict=True)):
        predicted = np.asarray(model.segment(one.image).overlay(0.5).convert("RGB"))
        shown = picture[40 * row : 40 * row + 40]
        assert np.array_equal(shown[:, 2 * width : 3 * width], predicted)
        assert (shown[:, 3 * width :] == 255).all()


@pytest.mark.parametrize("room", [2**30, 0])
def test_images_are_kept_prepared_or_decoded_but_not_both(room, tmp_path, monkeypatch):
    """In each worker; and the crops are the same ones either way."""
    monkeypatch.setattr(crops, "PREPARED_BYTES", room)
    folder = write_dataset(tmp_path / "cells", {"train": 3, "validation": 1})
    config = tiny(folder, tmp_path / "out", max_train_steps=1).usual()
    pairs = data.open_data(config).train
    model = build_model(config, {0: "membrane", 1: "cell"}, 1)
    counts = np.ones(2)
    maker = CropMaker(model.preprocessing, loop.augmentation_of(config, 48), counts, config)
    areas = np.full(3, 96.0 * 96)
    random = RandomCrops(pairs, areas, maker)
    first = [random[number] for number in range(12)]
    assert (random.cache.used > 0, pairs.cache.used > 0) == (room > 0, room == 0)
    again = [random[number] for number in range(12)]
    for one, other in zip(first, again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_kinds_are_drawn_by_the_root_of_their_number_and_large_images_more_often_within():
    areas = np.array([100, 400, 100, 100, 100.0])
    kinds = np.array(["cells", "cells", "cells", "cells", "tissue"])  # 4 and 1: 2 to 1
    assert np.allclose(draw_shares(areas, 10, kinds) * 3, [0.4, 0.8, 0.4, 0.4, 1])
    plain = np.sqrt(np.maximum(areas / 10**2, 1.0))
    assert (draw_shares(areas, 10) == plain / plain.sum()).all()


@pytest.mark.parametrize(
    ("options", "size", "crops", "frozen", "works"),
    [
        ({}, 64, 1, False, False),
        ({}, 64, 2, False, True),
        ({}, 128, 1, False, True),
        ({"norm": "none"}, 64, 1, False, True),
        ({}, 64, 1, True, True),
    ],
)
def test_batch_norm_of_a_single_pixel_is_refused_and_nothing_else(
    options, size, crops, frozen, works
):
    model = UNet(base_channels=1, max_channels=2, depth=6, **options).train()
    if frozen:
        freeze_encoder(model)
    with nullcontext() if works else pytest.raises(ValueError, match="more than 1 value"):
        model(torch.zeros(crops, 1, size, size))  # PyTorch's own word on it
    with (
        nullcontext()
        if works
        else pytest.raises(ConfigError, match="a single pixel, and batch norm")
    ):
        check_batch_norm(model, size, crops)


def test_a_training_that_cannot_make_a_step_is_refused_before_the_first(with_kinds, tmp_path):
    config = tiny(with_kinds, tmp_path / "out", depth=6, resolution=64, train_batch_size=1)
    with pytest.raises(ConfigError, match="After 6 poolings, a crop of 64 x 64 px"):
        loop.train(config)


@pytest.fixture(scope="module")
def with_kinds(tmp_path_factory) -> Path:
    folder = write_dataset(tmp_path_factory.mktemp("kinds"), {"train": 5, "validation": 1})
    for split, kinds in (
        ("train", ["cells", None, "cells", "cells", "cells"]),
        ("validation", [1]),
    ):
        file = folder / split / "metadata.jsonl"
        rows = map(json.loads, file.read_text().splitlines())
        rows = [row | {"kind": k and "cells"} for row, k in zip(rows, kinds, strict=True)]
        file.write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_a_training_balances_by_a_column_and_its_plan_says_the_shares(with_kinds, tmp_path):
    config = tiny(with_kinds, tmp_path / "out", balance_column="kind", max_train_steps=1)
    opened = data.open_data(config)
    assert opened.kinds.tolist() == ["cells", "(none)", "cells", "cells", "cells"]
    assert (
        "training crops balanced by 'kind', each kind by the root of its number of images: "
        "cells 66.7% (4 images), (none) 33.3% (1 image)"
    ) in opened.findings
    maker = CropMaker(
        build_model(config, {0: "membrane", 1: "cell"}, 1).preprocessing,
        loop.augmentation_of(config, 48), np.ones(2), config,
    )  # fmt: skip
    random = RandomCrops(opened.train, np.full(5, 96.0**2), maker, opened.kinds)
    assert np.allclose(random.share * 6, [1, 2, 1, 1, 1])


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"balance_column": "mask"}, DatasetError, "no plain values. Columns .*: kind;"),
        ({"balance_column": "kin"}, DatasetError, "does not exist. Columns .*: kind;"),
        ({"balance_column": "kind", "streaming": True}, ConfigError, "cannot be counted"),
    ],
)
def test_a_column_that_cannot_balance_is_refused(with_kinds, options, error, words, tmp_path):
    with pytest.raises(error, match=words):
        data.open_data(tiny(with_kinds, tmp_path, **options))
