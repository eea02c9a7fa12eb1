"""Images and masks in folders without metadata, paired by name."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile

from unet_hf.data.detect_encoding import read_mask
from unet_hf.data.open import open_data
from unet_hf.data.options import DataOptions
from unet_hf.data.sources import open_source
from unet_hf.errors import DatasetError
from unet_hf.images.reading import read_image

from ..support.drawn_sets import own_cache, streamed, values, write  # noqa: F401


@streamed
def test_images_and_masks_without_metadata_are_paired(tmp_path, streaming):
    write(tmp_path, "images/b.png", "masks/b.png", "images/a.jpg", "masks/a.png")
    source = open_source(str(tmp_path), streaming=streaming)
    assert values(source) == [("a", 2, 3), ("b", 0, 1)]
    assert any("2 files of images/ and masks/ paired by name" in f for f in source.findings)


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("image", "mask"), ("img", "gt"), ("imgs", "annotations"), ("Images", "Labels"),
        ("images", "segmentations"), ("images", "annotation"), ("images", "label"),
    ],
)  # fmt: skip
def test_names_of_the_folders(tmp_path, images, masks):
    write(tmp_path, f"{images}/a.png", f"{masks}/a.png")
    assert values(open_source(str(tmp_path))) == [("a", 0, 1)]


@pytest.mark.parametrize(
    "mask", ["a_mask", "a_seg", "a_label", "a_gt", "a-mask", "a_Mask", "a_segmentation", "a_masks"]
)
@pytest.mark.parametrize("image", ["a", "a_image", "a_img"])
def test_suffixes_of_the_names(tmp_path, image, mask):
    write(tmp_path, f"images/{image}.png", f"masks/{mask}.png")
    assert values(open_source(str(tmp_path))) == [(image, 0, 1)]


def test_equal_names_are_paired_as_they_are(tmp_path):
    """Without their suffixes both masks would belong to one image."""
    write(tmp_path, "images/a.png", "masks/a.png", "images/a_seg.png", "masks/a_seg.png")
    assert values(open_source(str(tmp_path))) == [("a", 0, 1), ("a_seg", 2, 3)]


@pytest.mark.parametrize(
    "layout",
    ["{split}/images/a.png {split}/masks/a.png", "images/{split}/a.png masks/{split}/a.png"],
)
def test_folders_of_splits(tmp_path, layout):
    for split in ("val", "training"):
        write(tmp_path, *layout.format(split=split).split())
    source = open_source(str(tmp_path))
    assert list(source.splits) == ["train", "validation"]
    assert values(source) == values(source, "validation") == [("a", 0, 1)]


def test_folds_are_splits_and_images_without_masks_are_left_out_and_said(tmp_path):
    write(tmp_path, "fold1/images/a.png", "fold1/masks/a.png", "test/images/b.png")
    source = open_source(str(tmp_path))
    assert list(source.splits) == ["fold1"]
    assert any("no masks: test" in finding for finding in source.findings)


def test_other_folders_inside_pair_within_themselves(tmp_path):
    """Scenes with equal file names; they are no splits."""
    write(tmp_path, "images/x/1.png", "masks/x/1.png", "images/y/1.png", "masks/y/1.png")
    assert values(open_source(str(tmp_path))) == [("1", 0, 1), ("1", 2, 3)]


def test_what_does_not_pair_is_an_error_that_names_five(tmp_path):
    write(tmp_path, *[f"images/{n}.png" for n in range(7)], "masks/0.png")
    with pytest.raises(DatasetError, match=r"1 \(1 images, 0 masks\), .* 5 .* and 1 more\."):
        open_source(str(tmp_path))


def test_two_masks_an_image_are_an_error(tmp_path):
    write(tmp_path, "images/a.png", "masks/a.png", "masks/a_mask.png")
    with pytest.raises(DatasetError, match=r"a \(1 images, 2 masks\)"):
        open_source(str(tmp_path))


def test_two_folders_of_masks_are_an_error(tmp_path):
    write(tmp_path, "images/a.png", "masks/a.png", "labels/a.png")
    with pytest.raises(DatasetError, match="hold the masks: labels, masks"):
        open_source(str(tmp_path))
    (tmp_path / "labels/a.png").rename(tmp_path / "labels/a.txt")  # boxes
    assert values(open_source(str(tmp_path))) == [("a", 0, 1)]


def test_masks_that_are_no_pictures_are_an_error(tmp_path):
    write(tmp_path, "images/a.png", "labels/a.txt")
    with pytest.raises(DatasetError, match="holds no pictures"):
        open_source(str(tmp_path))


# ------------------------------------------------------------------ as people download them

DRIVE = ("images/21_training.png", "1st_manual/21_manual1.png", "mask/21_training_mask.png")


def test_the_aperture_of_a_camera_is_not_taken_for_the_vessels(tmp_path: Path):
    """DRIVE, in which mask/ says where the image is at all."""
    for split in ("training", "test"):
        write(tmp_path / split, *[name.replace("training", split) for name in DRIVE])
    with pytest.raises(DatasetError, match=r"hold the masks: 1st_manual, mask\. Move"):
        open_source(str(tmp_path))
    for split in ("training", "test"):
        (tmp_path / split / "mask").rename(tmp_path / f"aperture of {split}")
    source = open_source(str(tmp_path))
    assert list(source.splits) == ["train", "test"]
    assert values(source) == [("21_training", 0, 1)]


def test_folders_that_nothing_is_known_of_are_told(tmp_path: Path):
    write(tmp_path, "images/a.png", "masks/a.png", "vessels/a.png", "notes/a.txt")
    source = open_source(str(tmp_path))
    assert any("left out, as nothing says what" in text for text in source.findings)
    assert any("vessels/ (1 picture)" in text for text in source.findings)
    assert not any("notes" in text for text in source.findings)


def test_another_folder_beside_splits_does_not_mix_them(tmp_path: Path):
    for number, split in enumerate(("train", "val", "train_extra")):
        write(tmp_path, f"images/{split}/{number}.png", f"masks/{split}/{number}.png")
    source = open_source(str(tmp_path))
    assert list(source.splits) == ["train", "validation"]
    assert values(source, "validation") == [("1", 0, 1)]
    assert any("no splits: train_extra" in finding for finding in source.findings)


def test_folders_of_patients_are_told_what_would_be_read(tmp_path: Path):
    for patient in range(20):
        write(tmp_path / f"patient {patient}", "a.png", "a_mask.png", "b.png", "b_mask.png")
    config = DataOptions(dataset_name=str(tmp_path))
    with pytest.raises(DatasetError, match=r"patient 0, .* and 12 more\. .*each in a folder"):
        open_data(config)
    for place in tmp_path.glob("*/*.png"):
        kind = "masks" if "mask" in place.name else "images"
        name = tmp_path / "joined" / kind / place.parent.name / place.name
        name.parent.mkdir(parents=True, exist_ok=True)
        place.rename(name)
    assert len(values(open_source(str(tmp_path / "joined")))) == 40


def test_splits_of_one_image_each_stay_splits(tmp_path: Path):
    for split in ("train", "val", "test"):
        write(tmp_path / split, "images/a.png", "masks/b.png")
    with pytest.raises(DatasetError, match="do not pair by name"):
        open_source(str(tmp_path))


def test_a_second_mask_beside_an_image_is_no_file_without_a_partner(tmp_path: Path):
    """The second lesion of BUSI."""
    write(tmp_path, "benign (2).png", "benign (2)_mask.png", "benign (2)_mask_1.png")
    with pytest.raises(DatasetError, match=r"two masks of one image: .*_mask\.png and .*_mask_1"):
        open_source(str(tmp_path))


def test_a_number_at_the_end_of_a_name_is_no_second_mask(tmp_path: Path):
    write(tmp_path, "a_1.png", "a_1_mask.png", "a_2.png", "a_2_mask.png", "b_3.png")
    source = open_source(str(tmp_path))
    assert values(source) == [("a_1", 0, 1), ("a_2", 2, 3)]
    assert any("no partner: b_3.png" in finding for finding in source.findings)


@pytest.mark.parametrize("inner", [".ipynb_checkpoints", "@eaDir", "__MACOSX"])
def test_what_programs_leave_beside_pictures_is_none_of_them(tmp_path: Path, inner: str):
    write(tmp_path, "images/a.png", "masks/a.png", f"images/{inner}/a-checkpoint.png")
    assert values(open_source(str(tmp_path))) == [("a", 0, 1)]


def test_a_name_that_is_no_text_is_an_error_that_shows_it(tmp_path: Path):
    write(tmp_path, "images/a.png", "masks/a.png")
    for folder in ("images", "masks"):
        try:
            (tmp_path / folder / "a.png").rename(tmp_path / folder / os.fsdecode(b"pr\xe4p.png"))
        except OSError:
            pytest.skip("names of this file system are text")
    with pytest.raises(DatasetError, match=r"not UTF-8.*Rename"):
        open_source(str(tmp_path))


def test_a_folder_that_is_no_data_set_is_told_what_was_seen_in_it(tmp_path: Path):
    write(tmp_path, "JPEGImages/a.png", "SegmentationClass/a.png", "readme.png")
    with pytest.raises(DatasetError) as caught:
        open_source(str(tmp_path))
    assert "but JPEGImages/ (1 picture), SegmentationClass/ (1 picture)" in str(caught.value)
    assert "1 picture such as readme.png" in str(caught.value)


def test_yes_and_no_of_tifffile_are_read_as_they_were_written(tmp_path: Path):
    """It stores them as a fax is stored, white as 0, but reads them back as they were."""
    mask = np.zeros((20, 30), bool)
    mask[4:9, 5:20] = True
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    assert np.array_equal(read_mask((tmp_path / "mask.tif").read_bytes()).values, mask)
    image = read_image(tmp_path / "mask.tif")
    assert np.array_equal(image.pixels[..., 0], mask)
    assert image.notes == ("yes and no as tifffile wrote them: the stored values were taken",)
    tifffile.imwrite(tmp_path / "fax.tif", mask, software="a scanner")
    assert np.array_equal(read_mask((tmp_path / "fax.tif").read_bytes()).values, ~mask)
