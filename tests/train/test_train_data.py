"""What a training reads of a data set: what it takes masks for, and what it refuses."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from train.config import TrainingConfig
from train.loop import train
from unet_hf.data.open import open_data
from unet_hf.errors import DatasetError

from ..support.tiny_training import tiny, write_dataset


def config_for(folder: Path, **options) -> TrainingConfig:
    return TrainingConfig(dataset_name=str(folder), output_dir="unused", **options)


def write_rgb(label: np.ndarray) -> np.ndarray:
    """A colour-coded mask: red membranes, blue cells."""
    return np.array([[255, 0, 0], [0, 0, 255]], np.uint8)[label]


def test_masks_of_0_and_255_are_read_as_two_classes_and_said(tmp_path):
    write_dataset(tmp_path, {"train": 1, "validation": 1}, rows=lambda label: label * 255)
    data = open_data(config_for(tmp_path))
    assert np.unique(data.train[0].label).tolist() == [0, 1]
    assert "values 0 and 255 read as classes 0 and 1" in " ".join(data.findings)


def test_colour_masks_are_read_as_classes_and_said_or_as_the_colours_are_named(tmp_path):
    write_dataset(tmp_path / "plain", {"train": 1, "validation": 1})
    write_dataset(tmp_path / "rgb", {"train": 1, "validation": 1}, rows=write_rgb)
    truth = open_data(config_for(tmp_path / "plain")).train[0].label
    data = open_data(config_for(tmp_path / "rgb"))
    assert "#0000ff" in " ".join(data.findings)  # sorted: blue comes first
    assert np.array_equal(data.train[0].label, 1 - truth)
    named = config_for(tmp_path / "rgb", label_colors='{"#ff0000": 0, "#0000FF": 1}')
    assert np.array_equal(open_data(named).train[0].label, truth)


def test_a_misspelt_column_ends_with_the_columns_there_are(tmp_path):
    write_dataset(tmp_path, {"train": 1, "validation": 1})
    with pytest.raises(DatasetError, match=r"'msk'.*mask"):
        open_data(config_for(tmp_path, label_column="msk"))


def test_a_missing_split_ends_with_the_splits_there_are(tmp_path):
    write_dataset(tmp_path, {"train": 2})
    with pytest.raises(DatasetError, match="no split 'test'; it has train"):
        open_data(config_for(tmp_path, validation_split="test"))
    with pytest.raises(DatasetError, match="is the split that is trained on"):
        open_data(config_for(tmp_path, validation_split="train"))


def test_without_a_validation_split_a_share_is_held_back_and_said(tmp_path):
    write_dataset(tmp_path, {"train": 5})
    data = open_data(config_for(tmp_path, train_val_split=0.4))
    train, held = ({pair.name for pair in pairs} for pairs in (data.train, data.validation))
    assert (len(train), len(held)) == (3, 2)
    assert not train & held
    assert "2 of 5 images of train are held back" in " ".join(data.findings)


def test_more_classes_than_names_are_an_error(tmp_path):
    write_dataset(
        tmp_path, {"train": 1, "validation": 1}, rows=lambda m: m * 3, labels={"0": "a", "1": "b"}
    )
    (tmp_path / "id2label.json").write_text('{"0": "a", "1": "b", "2": "c"}')
    with pytest.raises(DatasetError, match="3"):
        data = open_data(config_for(tmp_path))
        list(data.train)


def test_two_folders_of_images_and_masks_are_paired_by_name(tmp_path):
    write_dataset(tmp_path, {"train": 2, "validation": 1})
    for metadata in tmp_path.glob("*/metadata.jsonl"):
        metadata.unlink()
    data = open_data(config_for(tmp_path))
    assert [pair.name for pair in data.train] == ["0", "1"]
    assert np.unique(data.train[0].label).tolist() == [0, 1]


def test_a_pair_of_different_sizes_is_named(tmp_path):
    write_dataset(tmp_path, {"train": 1, "validation": 1}, rows=lambda m: m[:50])
    with pytest.raises(DatasetError, match=r"0 \(train, row 0\).*96 x 96.*50 x 96"):
        open_data(config_for(tmp_path)).train[0]


@pytest.mark.parametrize("streaming", [False, True])
def test_data_of_16_bits_and_small_images_train(tmp_path, streaming):
    """16-bit gray, images smaller than the crop, of different sizes, ignored pixels."""
    write_dataset(tmp_path, {"train": 3, "validation": 1})
    for index, side in enumerate((96, 40, 25)):
        for kind in ("images", "masks"):
            path = tmp_path / "train" / kind / f"{index}.png"
            pixels = np.asarray(PIL.Image.open(path))[:side, :side]
            if kind == "images":
                pixels = pixels.astype(np.uint16) * 257
            else:
                pixels = pixels.copy()
                pixels[:5] = 255
            PIL.Image.fromarray(pixels).save(path)
    config = tiny(tmp_path, tmp_path / "out", max_train_steps=3, streaming=streaming)
    assert train(config).mean_iou > 0
