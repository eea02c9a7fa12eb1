"""What reading notices reaches the one who trains: stacks, EXIF, a channel called alpha, names."""

import json
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile

from train.checks.inspection import inspect
from train.checks.problems import find_problems
from train.cli.check import run
from train.config import TrainingConfig
from train.loop import train
from unet_hf import UNet
from unet_hf.data.open import open_data
from unet_hf.errors import ConfigError
from unet_hf.large import segment_large

SIDE = 64
TINY = {
    "max_train_steps": 2, "resolution": 32, "base_channels": 2, "depth": 1, "train_batch_size": 1,
    "dataloader_num_workers": 0, "measure_speed": False,
}  # fmt: skip


def drawn(seed: int, shape: tuple[int, int] = (SIDE, SIDE)) -> np.ndarray:
    """Some squares of 255."""
    mask = np.zeros(shape, np.uint8)
    for y, x in np.random.default_rng(seed).integers(0, min(shape) - 12, (4, 2)):
        mask[y : y + 12, x : x + 12] = 255
    return mask


def as_image(mask: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 60, mask.shape, np.uint8)
    return mask // 2 + noise


MASKS = np.stack([drawn(seed) for seed in range(6)])
IMAGES = np.stack([as_image(mask, seed) for seed, mask in enumerate(MASKS)])


def stack(path: Path, pages: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pages, photometric="minisblack")


def save(path: Path, pixels: np.ndarray, **options) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path, **options)


def opened(folder: Path, **options):
    return open_data(TrainingConfig(dataset_name=str(folder), **options))


def checked(folder: Path, capsys, *options: str) -> tuple[int, str]:
    capsys.readouterr()
    code = run(["--dataset_name", str(folder), "--resolution", "32", *options])
    return code, capsys.readouterr().out


# ------------------------------------------------------------------ stacks


def test_the_two_files_of_the_challenge_train_page_by_page(tmp_path):
    stack(tmp_path / "data/train-volume.tif", IMAGES)
    stack(tmp_path / "data/train-labels.tif", MASKS)
    stack(tmp_path / "data/test-volume.tif", IMAGES)
    data = opened(tmp_path / "data")
    assert [pair.name for pair in data.train] == [f"train-volume page {n}" for n in range(5)]
    (held,) = data.validation
    assert np.array_equal(held.image.pixels[..., 0], IMAGES[5])
    assert np.array_equal(held.label, MASKS[5] // 255)
    said = " ".join(data.findings)
    assert "the last pages of train-volume.tif; neighbouring pages look alike" in said
    assert "1 stack of 6 pages" in said and "test-volume.tif" in said
    config = {"dataset_name": str(tmp_path / "data"), "output_dir": str(tmp_path / "net")}
    assert 0 <= train(TrainingConfig(**config, **TINY)).mean_iou <= 1


def test_stacks_beside_stacks_hold_back_whole_ones(tmp_path):
    for name in "abc":
        stack(tmp_path / f"images/{name}.tif", np.roll(IMAGES, ord(name), 2))
        stack(tmp_path / f"masks/{name}.tif", np.roll(MASKS, ord(name), 2))
    data = opened(tmp_path)
    held = {pair.name[0] for pair in data.validation}
    assert len(data.validation) == 6 and len(held) == 1
    assert held.isdisjoint(pair.name[0] for pair in data.train)
    assert any(f"whole stacks: {min(held)}.tif" in finding for finding in data.findings)


def test_a_stack_with_one_mask_is_refused_and_the_cure_works(tmp_path, capsys):
    for number in range(3):
        stack(tmp_path / f"images/{number}.tif", np.roll(IMAGES, number, 2)[:3])
        save(tmp_path / f"masks/{number}.png", np.roll(MASKS[1], number, 1))
    code, said = checked(tmp_path, capsys)
    assert code == 1 and "stack of 3 pages with one mask" not in said.split("error:")[0]
    (option, page) = re.search(r"(--stack_page) (\d)", said).groups()
    assert page == "0"
    code, said = checked(tmp_path, capsys, option, "1")
    assert code == 0 and "3 of 3: page 1 of 3" in said
    pair = opened(tmp_path, stack_page=1).train[0]
    assert np.array_equal(pair.image.pixels[..., 0] >= 127, pair.label == 1)


def test_stacks_of_other_lengths_are_refused(tmp_path, capsys):
    stack(tmp_path / "images/a.tif", IMAGES)
    stack(tmp_path / "masks/a.tif", MASKS[:5])
    code, said = checked(tmp_path, capsys)
    assert code == 1 and "a.tif has 6 pages, its masks a.tif have 5" in said


# ------------------------------------------------------------------ EXIF


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_a_mask_stored_before_the_turn_is_turned_as_its_image(tmp_path, orientation):
    for number in range(2):
        mask = drawn(number, (48, 80))
        exif = PIL.Image.Exif()
        exif[0x0112] = orientation
        save(tmp_path / f"images/{number}.png", as_image(mask, number), exif=exif)
        save(tmp_path / f"masks/{number}.png", mask)
    pair = opened(tmp_path).train[0]
    assert pair.label.shape == (80, 48)
    assert np.array_equal(pair.image.pixels[..., 0] >= 127, pair.label == 1)
    assert "mask turned as the EXIF orientation of the image says" in pair.notes


def test_a_turn_that_the_sides_do_not_show_is_a_warning(tmp_path, capsys):
    for number in range(3):
        exif = PIL.Image.Exif()
        exif[0x0112] = 3
        save(tmp_path / f"images/{number}.png", IMAGES[number], exif=exif)
        marked = {"exif": exif} if number == 0 else {}
        save(tmp_path / f"masks/{number}.png", MASKS[number], **marked)
    code, said = checked(tmp_path, capsys)
    assert code == 0
    assert "warning: EXIF turned the image, and its mask has no such mark" in said
    assert "2 of 3 rows" in said, "the mask of one image is turned by its own mark"


# ------------------------------------------------------------------ a fourth channel


def four_bands(folder: Path) -> None:
    """The objects are only in the fourth channel."""
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 60, (SIDE, SIDE, 3), np.uint8)
        pixels = np.dstack([noise, IMAGES[number]])
        path = folder / f"images/{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unassalpha"])
        save(folder / f"masks/{number}.png", MASKS[number])


def test_near_infrared_called_alpha_is_said_and_kept_when_asked_for(tmp_path, capsys):
    four_bands(tmp_path / "data")
    assert "3 of 3: alpha channel left out" in checked(tmp_path / "data", capsys)[1]
    code, said = checked(tmp_path / "data", capsys, "--alpha_channel", "keep")
    assert code == 0 and "4 x uint8" in said and "3 of 3: alpha kept as a channel" in said
    config = {"dataset_name": str(tmp_path / "data"), "output_dir": str(tmp_path / "net")}
    train(TrainingConfig(**config, alpha_channel="keep", **TINY))
    model, file = UNet.from_pretrained(tmp_path / "net"), tmp_path / "data/images/0.tif"
    result = model.segment(file)
    assert "alpha kept as a channel" in result.notes
    assert not any("left out" in note for note in result.notes)
    from_array = model.segment(tifffile.imread(file))
    assert np.array_equal(result.probabilities, from_array.probabilities)
    save(tmp_path / "a.png", tifffile.imread(file))
    assert np.array_equal(model.segment(tmp_path / "a.png").mask, from_array.mask)
    assert result.overlay().size == (SIDE, SIDE)
    options = {"outputs": ("classes",), "precision": "float32"}
    large = segment_large(model, file, tmp_path / "large", **options)
    expected = model.segment(file, precision="float32").mask
    assert np.array_equal(tifffile.imread(tmp_path / "large/classes.tif"), expected)
    assert "alpha kept as a channel" in large.notes


# ------------------------------------------------------------------ names


@pytest.mark.parametrize("listed", [False, True], ids=["mapping", "list"])
def test_names_with_a_byte_order_mark_and_twice(tmp_path, listed):
    for number in range(3):
        save(tmp_path / f"images/{number}.png", IMAGES[number])
        mask = MASKS[number] // 255
        mask[:30][mask[:30] == 1] = 2
        save(tmp_path / f"masks/{number}.png", mask)
    names = ["ground", "tree", "tree"]
    text = json.dumps(names if listed else dict(enumerate(names)))
    unique = {"0": "ground", "1": "tree 1", "2": "tree 2"}
    (tmp_path / "names.json").write_text(text, encoding="utf-8-sig")
    data = opened(tmp_path, id2label=str(tmp_path / "names.json"))
    assert data.id2label == unique
    assert any("more than once are numbered" in finding for finding in data.findings)
    (tmp_path / "names.json").rename(tmp_path / "id2label.json")
    assert opened(tmp_path).id2label == unique
    assert (
        UNet(base_channels=1, depth=1, num_classes=3, id2label=unique).config["id2label"]
        == (
            UNet(
                base_channels=1,
                depth=1,
                num_classes=3,
                id2label=dict(zip("012", names, strict=True)),
            )
        ).config["id2label"]
    )


# ------------------------------------------------------------------ what is refused


def problems_of(folder: Path, **options) -> dict[str, tuple[str, str]]:
    data = opened(folder, **options)
    found = find_problems(data, inspect(data, 2000), 32)
    return {problem.code: (problem.severity, problem.cure) for problem in found}


def test_a_class_of_a_handful_of_pixels_is_refused_and_the_cure_works(tmp_path):
    for number in range(3):
        save(tmp_path / f"train/images/{number}.png", IMAGES[number])
        mask = MASKS[number] // 255
        if number == 1:
            mask[0, :4] = 2
        save(tmp_path / f"train/masks/{number}.png", mask)
        save(tmp_path / f"validation/images/{number}.png", IMAGES[number + 3])
        save(tmp_path / f"validation/masks/{number}.png", MASKS[number + 3] // 255)
    severity, cure = problems_of(tmp_path)["class-few-pixels"]
    value = int(re.search(r"--ignore_index (\d)", cure).group(1))
    assert severity == "error" and value == 2
    assert "class-few-pixels" not in problems_of(tmp_path, ignore_index=value)


def test_one_class_to_evaluate_on_is_refused(tmp_path):
    for split in ("train", "validation"):
        for number in range(3):
            save(tmp_path / f"{split}/images/{number}.png", IMAGES[number + 3 * (split != "train")])
            mask = MASKS[number] // 255
            if split == "validation":
                mask = mask * 255  # all objects are void
            else:
                mask[:9] = 255
            save(tmp_path / f"{split}/masks/{number}.png", mask)
    assert problems_of(tmp_path)["one-class"][0] == "error"


@pytest.mark.parametrize("value", [-32769, 65536])
def test_values_to_ignore_are_those_that_files_hold(value):
    TrainingConfig(dataset_name="x", ignore_index=-100)
    with pytest.raises(ConfigError, match="from -32768 to 65535"):
        TrainingConfig(dataset_name="x", ignore_index=value)


def test_as_many_classes_with_new_names_are_a_new_task(tmp_path, caplog):
    old = {"0": "ground", "1": "cell"}
    options = {"base_channels": 1, "depth": 1, "num_classes": 2, "id2label": old, "threshold": 0.7}
    UNet(**options, colors=["#111111", "#222222"]).save_pretrained(tmp_path)
    model, start = UNet.from_pretrained(tmp_path), {"0": "sound", "1": "crack"}
    with caplog.at_level("WARNING"):
        new = UNet.from_pretrained(tmp_path, num_classes=2, id2label=start)
    assert "drawn afresh for 2 classes" in caplog.text
    assert not np.array_equal(new.head.weight.detach(), model.head.weight.detach())
    assert new.config["threshold"] is None and new.config["colors"] != model.config["colors"]
    same = UNet.from_pretrained(tmp_path, num_classes=2, id2label=old)
    assert np.array_equal(same.head.weight.detach(), model.head.weight.detach())
