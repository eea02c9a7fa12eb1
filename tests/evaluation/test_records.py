"""Records beside a checkpoint may come from anyone: what is not as we write it is named."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import ModelInfo

from train.cli.arguments import read_json
from train.config import TrainingConfig
from unet_hf import UNet
from unet_hf.cli.main import main
from unet_hf.data.pairs import Pair
from unet_hf.data.sources import parse_labels
from unet_hf.errors import CheckpointError, ConfigError, DatasetError
from unet_hf.evaluation.evaluate import evaluate
from unet_hf.files import parse_json
from unet_hf.hub import download
from unet_hf.hub import records as evidence
from unet_hf.hub.card import CardOptions, render_card
from unet_hf.hub.client_errors import RepoRef
from unet_hf.hub.download import Commit
from unet_hf.hub.find import SHIPPED, shipped_checkpoints
from unet_hf.hub.records import HASHES_KEY, CheckpointRecords, checkpoint_hashes
from unet_hf.images.reading import read_image

DEEP = "[" * 100_000
EVALUATION = "evaluation.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small checkpoint with all the records of a shipped one."""
    UNet(base_channels=2, depth=1, in_channels=1).save_pretrained(tmp_path / "net")
    source = SHIPPED / "unet-isbi"
    for name in (EVALUATION, "training.json", "metrics.jsonl", "speed.json", "int8.json"):
        shutil.copy(source / name, tmp_path / "net")
    own = checkpoint_hashes(tmp_path / "net")
    for name in (EVALUATION, "speed.json", "int8.json"):
        change(tmp_path / "net" / name, lambda record: record.update({HASHES_KEY: own}))
    change(
        tmp_path / "net/training.json", lambda record: record["made_with"].update({HASHES_KEY: own})
    )
    CheckpointRecords.read(tmp_path / "net")  # as it is, nothing is wrong with it
    return tmp_path / "net"


def change(path: Path, how: Callable[[dict], Any]) -> None:
    record = json.loads(path.read_text())
    how(record)
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NaN", "nan"),
        ("-Infinity", "infinity"),
        ("[1e999]", "1e999, which is too large"),
        (DEEP, "nested too deeply"),
        ("[" * 200 + "]" * 200, "nested too deeply"),
        ("{", "property name"),
        (b"{\xff}", "decode"),
        ("1" * 5000, "digits"),
    ],
)
def test_json_is_read_strictly(text: str | bytes, words: str):
    with pytest.raises(ValueError, match=words):
        parse_json(text)


@pytest.mark.parametrize("name", shipped_checkpoints())
def test_the_records_of_shipped_checkpoints_are_as_we_write_them(name: str):
    assert CheckpointRecords.read(SHIPPED / name).stale == ()


WRONG = {
    "nan": (EVALUATION, lambda r: r.update(mean_iou=float("nan")), "holds nan"),
    "no-score": (EVALUATION, lambda r: r.pop("mean_iou"), "mean_iou is missing"),
    "text": (EVALUATION, lambda r: r.update(mean_iou="0.9"), "mean_iou is '0.9', .* a number"),
    "boolean": (EVALUATION, lambda r: r.update(mean_iou=True), "mean_iou is True"),
    "no-images": (EVALUATION, lambda r: r.update(images=3), "images is 3, .* a list"),
    "image": (EVALUATION, lambda r: r["images"][1].pop("name"), r"images\[1\]\.name is missing"),
    "spread": (EVALUATION, lambda r: r["intervals"].update(mean_iou=[1]), "has 1 values"),
    "dataset": (EVALUATION, lambda r: r.update(dataset=[]), r"dataset is \[\], .* a mapping"),
    "membrane": (EVALUATION, lambda r: r.update(membrane={}), r"membrane\.v_rand is missing"),
    "objects": (EVALUATION, lambda r: r.update(objects={}), r"objects\.recipe is missing"),
    "dice": (EVALUATION, lambda r: r["dice"].pop("cell"), "iou and dice have different names"),
    "few": (EVALUATION, lambda r: r["few_missed"].update(images="5"), r"few_missed\.images is '5'"),
    "speed": ("speed.json", lambda r: r.update(milliseconds=1), "milliseconds is 1"),
    "size": ("speed.json", lambda r: r.update(image=[512]), "image has 1 values, expected are 2"),
    "int8": ("int8.json", lambda r: r.update(rounding=None), "some but not all of"),
    "training": ("training.json", lambda r: r["made_with"].pop("crops"), r"made_with\.crops"),
    "licence": ("training.json", lambda r: r.update(license={}), "license is {}"),
    "data": ("training.json", lambda r: r["made_with"].update(data=7), r"made_with\.data is 7"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_record_with_wrong_fields_is_named_everywhere_it_is_read(name, folder, capsys):
    file, how, words = WRONG[name]
    change(folder / file, how)
    with pytest.raises(CheckpointError, match=rf"{file} is not .*{words}.* or delete it"):
        render_card(folder, CardOptions("net"))
    assert main(["info", str(folder)]) == 1
    assert file in capsys.readouterr().err
    assert main(["verify", str(folder)]) == 1


def test_a_wrong_line_of_the_curve_is_named(folder):
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "loss": NaN, "score": 1, "score_name": "x"}\n')
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl, line \d+, is not JSON"):
        CheckpointRecords.read(folder)
    (folder / "metrics.jsonl").write_bytes(b"\xff\n")
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl, line 1"):
        CheckpointRecords.read(folder)


def test_a_record_of_gigabytes_is_not_read(folder):
    for name in (EVALUATION, "int8.json", "metrics.jsonl"):
        kept = (folder / name).read_bytes()
        with (folder / name).open("r+b") as file:
            file.truncate(2**36)  # a sparse file
        with pytest.raises(CheckpointError, match=rf"{name} has .* MB.* was not read"):
            CheckpointRecords.read(folder)
        (folder / name).write_bytes(kept)


@pytest.mark.parametrize("listed", [True, False])
def test_a_record_of_gigabytes_is_not_downloaded(listed, monkeypatch, caplog):
    """Whether the Hub tells its size with the names of the files, or only when asked for it."""
    sha = "a" * 40
    size = 2**36 if listed else None
    files = [{"rfilename": name, "size": size} for name in ("int8.json", "sub/speed.json")]
    commit = Commit(RepoRef("org/net", None), ModelInfo(id="org/net", sha=sha, siblings=files),
                    None, None, False)  # fmt: skip

    class About:
        size, commit_hash, etag = 2**36, sha, "abc"

    monkeypatch.setattr(download, "get_hf_file_metadata", lambda *_, **__: About)
    monkeypatch.setattr(download, "hf_hub_download", lambda *_, **__: pytest.fail("downloaded"))
    caplog.set_level(logging.WARNING)
    for file in files:
        commit.fetch_evidence(file["rfilename"])
    assert "int8.json of org/net is left out: 68719 MB" in caplog.text
    assert "speed.json of org/net is left out" in caplog.text


def test_a_deeply_nested_record_or_option_file_is_no_crash(folder, tmp_path):
    (folder / EVALUATION).write_text(DEEP)
    with pytest.raises(CheckpointError, match="nested too deeply"):
        evidence.read_record(folder / EVALUATION)
    (tmp_path / "options.json").write_text(DEEP)
    with pytest.raises(ConfigError, match="nested too deeply"):
        read_json(tmp_path / "options.json")
    with pytest.raises(DatasetError, match="nested too deeply"):
        parse_labels(DEEP, "--id2label")


def test_no_option_is_infinite_for_json_cannot_hold_it():
    with pytest.raises(ConfigError, match="max_grad_norm inf must be a finite number"):
        TrainingConfig(dataset_name="x", output_dir="y", max_grad_norm=float("inf"))


def pair(name: str, label: int) -> Pair:
    image = read_image(np.random.default_rng(0).integers(0, 256, (32, 32), np.uint8))
    return Pair(name, image, np.full((32, 32), label, np.uint8), None, {"kind": name})


def test_an_image_without_a_label_has_no_score_that_is_no_number():
    model = UNet(base_channels=2, depth=1)
    found = evaluate(model, [pair("a", 1), pair("empty", 255)])
    assert [row["mean_iou"] is None for row in found.images] == [False, True]
    assert found.groups["empty"] is None
    json.dumps(found.images, allow_nan=False)
    with pytest.raises(DatasetError, match=r"No pixel of the images .* has a label"):
        evaluate(model, [pair("empty", 255)])
