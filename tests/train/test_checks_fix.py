"""--fix writes a copy of a data set without its faults, and with all the rest to the pixel."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from train.config import TrainingConfig
from unet_hf.data.open import open_data

from ..support.planted import FAULTS, TRAIN, Planted, check, problems_of


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path / "data")


FIXABLE = {name: fault for name, fault in FAULTS.items() if fault.fixable}


@pytest.mark.parametrize("fault", FIXABLE.values(), ids=FIXABLE)
def test_fix_writes_a_copy_without_the_fault(planted, fault, tmp_path, capsys):
    fault.plant(planted)
    before = planted.digest()
    assert check("--dataset_name", planted.folder, "--fix", tmp_path / "copy") == 0
    assert planted.digest() == before
    said = capsys.readouterr().out
    assert f"left out, {fault.code}: {fault.where[0]}\n" in said
    assert problems_of(tmp_path / "copy") == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "data"]


def test_fix_leaves_out_every_fault_at_once_and_keeps_the_rest_to_the_pixel(planted, tmp_path):
    planted.cut_off("images", "train/0")
    planted.copy_row("validation/2", to="train/1")
    planted.copy_row("validation/2", to="validation/0")
    planted.change("masks", "train/3", lambda label: label[:9])
    assert check("--dataset_name", planted.folder, "--fix", tmp_path / "a" / "copy") == 0

    copy = open_data(TrainingConfig(dataset_name=str(tmp_path / "a" / "copy"), output_dir="unused"))
    for split, pairs, kept in (
        ("train", copy.train, [2, 4, 5]),
        ("validation", copy.validation, [0, 1]),
    ):
        assert [pair.extras["slide"] for pair in pairs] == kept
        for pair, number in zip(pairs, kept, strict=True):
            row = f"{split}/{number}"
            assert np.array_equal(pair.image.pixels[..., 0], planted.load("images", row))
            assert np.array_equal(pair.label, planted.load("masks", row))
            assert np.array_equal(pair.instances, planted.load("instances", row))
    assert copy.id2label == {"0": "background", "1": "nucleus"}


def test_fix_writes_class_ids_whatever_the_masks_were(planted, tmp_path):
    """Colours, rare file formats, names that collide, one split for both, much that is ignored."""
    black, red, gray = (0, 0, 0), (200, 0, 0), (90, 90, 90)
    lines = []
    for number in range(TRAIN):
        row = f"train/{number}"
        label = planted.load("masks", row)
        label[30:] = 2
        planted.save("masks", row, np.array([black, red, gray], np.uint8)[label])
        image = planted.file("images", row)
        folder = image.parent / str(number % 2)
        folder.mkdir(exist_ok=True)
        PIL.Image.open(image).save(folder / f"slide {number // 2}.tga")
        lines.append(
            {"file_name": f"images/{number % 2}/slide {number // 2}.tga",
             "mask_file_name": f"masks/{number}.png"}
        )  # fmt: skip
    (planted.folder / "validation" / "metadata.jsonl").unlink()
    for file in (planted.folder / "validation").rglob("*.png"):
        file.unlink()
    planted.write_metadata("train", lines)
    colors = json.dumps({"#000000": 0, "#c80000": 1, "#5a5a5a": 255})
    code = check("--dataset_name", planted.folder, "--label_colors", colors,
                 "--fix", tmp_path / "copy")  # fmt: skip
    assert code == 0
    masks = sorted((tmp_path / "copy").rglob("masks/*.png"))
    assert len(masks) == TRAIN
    assert {path.parent.parent.name for path in masks} == {"train", "validation"}
    for path in masks:
        assert np.unique(np.array(PIL.Image.open(path))).tolist() == [0, 1, 255]
    assert problems_of(tmp_path / "copy", ignore_index=255) == []


def test_fix_writes_nothing_where_it_would_throw_away_what_may_be_right(planted, tmp_path, capsys):
    FAULTS["a value without a class"].plant(planted)
    assert check("--dataset_name", planted.folder, "--fix", tmp_path / "copy") == 1
    assert "mask-values validation/2" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_fix_says_what_is_left_to_do(planted, tmp_path, capsys):
    FAULTS["an RGB image among gray ones"].plant(planted)
    assert check("--dataset_name", planted.folder, "--fix", tmp_path / "copy") == 1
    assert capsys.readouterr().out.count("error: The images have different numbers") == 2
