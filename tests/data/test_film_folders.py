"""Films of the Cell Tracking Challenge are data sets to train on."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from train.cli.main import main
from unet_hf.data.sources import open_source
from unet_hf.errors import DatasetError


def write_film(root: Path, name: str, masks: list[int], frames: int = 6) -> None:
    rng = np.random.default_rng(int(name))
    (root / name).mkdir(parents=True)
    (root / f"{name}_GT" / "SEG").mkdir(parents=True)
    for t in range(frames):
        objects = np.zeros((64, 64), np.uint16)
        for number in range(1, 4):
            y, x = rng.integers(4, 52, 2)
            objects[y : y + 9, x : x + 9] = 10 * number + t  # ids of tracks
        noise = rng.integers(0, 40, objects.shape)
        tifffile.imwrite(root / name / f"t{t:03d}.tif", (150 * (objects > 0) + noise).astype("u1"))
        if t in masks:
            tifffile.imwrite(root / f"{name}_GT" / "SEG" / f"man_seg{t:03d}.tif", objects)


def names(rows) -> list[tuple[str, str]]:
    import datasets

    rows = rows.cast_column("image", datasets.Image(decode=False))
    rows = rows.cast_column("mask", datasets.Image(decode=False))
    return [(Path(row["image"]["path"]).name, Path(row["mask"]["path"]).name) for row in rows]


def test_frames_without_masks_are_left_out_and_the_last_film_validates(tmp_path):
    write_film(tmp_path, "01", [0, 4])
    write_film(tmp_path, "02", [3])
    source = open_source(str(tmp_path))
    assert names(source.splits["train"]) == [
        ("t000.tif", "man_seg000.tif"), ("t004.tif", "man_seg004.tif"),
    ]  # fmt: skip
    assert names(source.splits["validation"]) == [("t003.tif", "man_seg003.tif")]
    assert "train: film 01, 2 of 6 frames, which have masks of objects" in source.findings


def test_a_film_is_read_as_objects_by_the_training_however_few_there_are(tmp_path, capsys):
    write_film(tmp_path, "01", [0, 1, 2, 4, 5])
    assert main(["check", "--dataset_name", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "film 01, 5 of 6 frames" in said
    assert "classes: class 0, class 1 (" in said  # though the ids go up to 35
    assert "touch another; diameter" in said  # of objects, which classes do not have


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (None, "films with tracks, but no masks"),
        ("man_seg007.tif", "has no frame: there is no t007.tif"),
        ("man_seg_000_012.tif", "in three dimensions"),
    ],
)
def test_what_cannot_be_paired_is_said(tmp_path, name, says):
    write_film(tmp_path, "01", [])
    if name:
        tifffile.imwrite(tmp_path / "01_GT" / "SEG" / name, np.zeros((64, 64), np.uint16))
    with pytest.raises(DatasetError, match=says):
        open_source(str(tmp_path))
