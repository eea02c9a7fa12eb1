"""What a training decides by itself: values and reasons, for a dozen kinds of data."""

import json
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

from train.checks.inspection import inspect
from train.checks.object_facts import object_facts, piece_facts
from train.cli.arguments import parse_arguments
from train.cli.check import run as check
from train.config import TrainingConfig
from train.loop import train
from train.plan.facts import DataFacts, ObjectSizes, measure_facts
from train.plan.planner import Decision, TrainingPlan, decide, plan_training
from train.plan.rules import AS_USUAL, RULES
from train.presets import USUAL
from unet_hf.data.open import open_data
from unet_hf.errors import ConfigError

from ..support.drawn import disc

CELLS = ObjectSizes(20, 30, 45, 30, close=0.8)
# Gray microscopy for which the usual values were found.
USUAL_DATA = DataFacts(
    images=20,
    sides=(512, 512, 512),
    shape=(512, 512),
    channels=1,
    dtype="uint8",
    classes={"background": 0.8, "cell": 0.2},
    objects=CELLS,
    light=20,
)


def planned(facts: DataFacts, shown=None, **given) -> dict[str, tuple]:
    """Value and reason of each option, for facts like the usual ones."""
    left = [name for name in RULES if name not in given]
    decisions = decide(facts, dict(given), left, lambda size: shown or {"cell": 1.0})
    return {decision.option: (decision.value, decision.reason) for decision in decisions}


def side(px: int) -> dict:
    return {"sides": (px, px, px), "shape": (px, px)}


def objects(small: float, median: float, large: float, width: float | None = None, **facts):
    return {"objects": ObjectSizes(small, median, large, width or median, close=0.8, **facts)}


def test_usual_data_is_planned_as_usual():
    assert list(RULES) == list(USUAL)
    assert planned(USUAL_DATA) == {name: (value, AS_USUAL) for name, value in USUAL.items()}
    colors = replace(USUAL_DATA, channels=5, dtype="uint16", objects=None)
    changed = {k: v for k, v in planned(colors).items() if v != (USUAL[k], AS_USUAL)}
    assert changed == {"border_weight": (0.0, "there are no objects")}


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (side(64), {
            "depth": (3, "one more pooling would leave 4 of 64 px"),
            "resolution": (64, "images are 64 x 64 px"),
            "train_batch_size": (8, "more of these small crops a step would leave time for fewer "
                                    "steps"),
            "elastic_std": (2.5, "in proportion to crops of 64 px"),
        }),
        (side(120), {
            "resolution": (128, "images are 120 x 120 px"),
            "train_batch_size": (8, "about as many pixels as 2 crops of 256 px"),
            "elastic_std": (5.0, "in proportion to crops of 128 px"),
        }),
        ({"sides": (90, 200, 300)}, {
            "resolution": (208, "images are 90 to 300 px"),
            "train_batch_size": (3, "about as many pixels as 2 crops of 256 px"),
            "elastic_std": (8.1, "in proportion to crops of 208 px"),
        }),
        (side(3000) | objects(15, 20, 25), {}),
        (side(3000) | objects(700, 800, 900), {
            "max_channels": (256, "deeper levels are no wider than level 4"),
            "depth": (6, "a pixel then sees 765 px, and large objects are 900"),
            "resolution": (512, "typical objects are 800 px; still larger crops would leave too "
                                "few a step"),
            "train_batch_size": (2, "batch norm needs more than one crop"),
        }),
        (side(1024) | objects(60, 90, 230), {
            "max_channels": (256, "deeper levels are no wider than level 4"),
            "depth": (5, "a pixel then sees 381 px, and large objects are 230"),
            "resolution": (512, "large objects are 230 px, and a crop shows what is around them"),
            "train_batch_size": (2, "batch norm needs more than one crop"),
        }),
        (objects(30, 50, 75, width=4), {"border_sigma": (2.0, "objects are 4 px wide")}),
        (objects(8, 18, 40, numbered=True), {
            "scale_range": (1.5, "most objects are from 8 to 40 px"),
            "border_weight": (5.0, "half the usual, as the borders between objects are learned, "
                                   "too"),
        }),
        ({"objects": replace(CELLS, close=0.02)}, {"border_weight": (0.0, "objects lie apart")}),
        ({"classes": dict.fromkeys("abc", 1 / 3)}, {
            "border_weight": (0.0, "nothing tells the objects of these classes apart"),
        }),
        ({"light": 15, "dark": 5}, {
            "pretrained_model_name_or_path": (
                "unet-nuclei", "a new network (none) mostly learns less from images of several "
                               "kinds, with light objects and with dark ones"),
            "new_head": (True, "its last layer is of other classes"),
            "inversion": (0.05, "objects are lighter than their surroundings in 15 images, and "
                                "darker in 5"),
            "norms_settle_after": (0.6, "images are of several kinds, and batch norms see few of "
                                        "them in a step"),
        }),
        ({"channels": 3, "colored": 12, "tint_std": 0.04}, {
            "channel_mixing": (0.2, "colours vary among the 12 images that have any"),
        }),
        ({"channels": 3, "colored": 12, "tint_std": 0.01}, {}),
        ({"channels": 3, "colored": 12, "tint_std": 0.04, "classes": dict.fromkeys("abc", 1 / 3)}, {
            "channel_mixing": (0.0, "colours vary, but may be what tells these classes apart"),
            "border_weight": (0.0, "nothing tells the objects of these classes apart"),
        }),
        ({"channels": 3, "gray": 20}, {
            "channel_mixing": (0.0, "images are gray stored as RGB: no colours to mix, nothing "
                                    "else changes"),
        }),
        ({"oriented": "sky"}, {
            "rotation": (15.0, "sky lies on one side in nearly all images: there is an up and a "
                               "down"),
        }),
    ],
)  # fmt: skip
def test_the_plan_follows_from_the_facts(facts, wanted):
    """All that is not named stays as usual."""
    expected = {name: (value, AS_USUAL) for name, value in USUAL.items()} | wanted
    assert planned(replace(USUAL_DATA, **facts)) == expected


def test_classes_that_random_crops_seldom_show_get_crops_of_their_own():
    found = planned(USUAL_DATA, {"cell": 0.9, "crack": 0.031, "pore": 0.2})["class_sampling"]
    assert found == (0.33, "random crops show crack in 3.1%, and 1 more seldom")


def test_what_was_given_stays_and_what_speaks_against_it_is_said():
    small = replace(USUAL_DATA, **side(120))
    found = planned(small, resolution=256, depth=5, border_weight=3.0, channel_mixing=0.5)
    assert found["resolution"] == (
        256, "images are 120 x 120 px, so 78% of each crop is mirrored",
    )  # fmt: skip
    assert found["depth"] == (5, "") and found["border_weight"] == (3.0, "")
    assert found["channel_mixing"] == (0.5, "only three channels can be mixed, and images have 1")
    assert found["train_batch_size"] == (2, AS_USUAL)  # follows from the crops that were given
    gray = replace(USUAL_DATA, channels=3, gray=20)
    assert "colours that do not occur" in planned(gray, channel_mixing=0.2)["channel_mixing"][1]
    large = replace(USUAL_DATA, **side(2000) | objects(400, 500, 600))
    assert planned(large, resolution=256)["resolution"][1].startswith("typical objects are 500 px")
    assert planned(large, resolution=256)["depth"][0] == 5  # 8 px after the last pooling
    assert planned(small, padding="valid")["resolution"][0] == 256
    assert planned(large, depth=3)["depth"] == (
        3, "a pixel sees 93 px, and typical objects are 500 px",
    )  # fmt: skip


def strokes(number: int):
    """An image with eight cells, and a mask with a stroke on two of them and one between them."""
    image, mask = cells(number)
    label = np.full(mask.shape, 255, np.uint8)
    label[28:32, 15:25] = label[58:62, 35:45] = 1
    label[90:94, 20:60] = 0
    return image, label


@pytest.mark.parametrize("names", [{"0": "ground", "1": "cell"}, {"0": "membrane", "1": "cell"}])
def test_strokes_are_trained_on_in_every_crop_and_are_no_objects(names, tmp_path):
    folder = write_folder(tmp_path, [strokes(number) for number in range(4)])
    (folder / "id2label.json").write_text(json.dumps(names))
    data = open_data(TrainingConfig(dataset_name=str(folder)))
    facts = measure_facts(data, inspect(data, 100))
    assert facts.labelled == pytest.approx((40 + 40 + 160) / 120**2)
    assert not data.has_objects  # pieces of strokes are no cells
    found = planned(facts)
    assert found["class_sampling"] == (
        1.0, "1.7% of the pixels are labelled; every crop shows some",
    )  # fmt: skip
    assert found["border_weight"] == (0.0, "strokes are not whole objects")
    assert check(["--dataset_name", str(folder)]) == 0  # nothing is wrong with it


def test_objects_are_measured_across_and_along():
    ids = np.zeros((100, 200), np.int32)
    ids[10:14, 10:90] = 1  # 80 x 4 px
    ids[16:20, 10:90] = 2  # 2 px from it
    ids[disc(ids.shape, 70, 150, 20)] = 7
    facts = object_facts(ids)
    assert facts.diameters == pytest.approx([20.2, 20.2, 40], abs=0.2)
    assert facts.widths == pytest.approx([4.6, 4.6, 40], abs=0.7)
    assert (facts.touching, facts.close) == (0, 2)
    pieces = piece_facts((ids > 0).astype(np.uint8))
    assert np.array_equal(pieces.diameters, facts.diameters)
    huge = np.kron((ids > 0).astype(np.uint8), np.ones((20, 20), np.uint8))  # 8 million px
    assert piece_facts(huge).diameters == pytest.approx(facts.diameters * 20, rel=0.03)


# ---------------------------------------------------------------- from a folder


def write_folder(folder, drawings):
    """A data set of (image, mask) arrays, with the last one to evaluate on."""
    for number, (image, mask) in enumerate(drawings):
        split = "validation" if number == len(drawings) - 1 else "train"
        for kind, pixels in (("images", image), ("masks", mask)):
            path = folder / split / kind / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            PIL.Image.fromarray(pixels).save(path)
    return folder


def cells(number: int, light: bool = True, tint=None):
    """An image with eight cells of 14 px in two rows, and its mask."""
    rng, mask = np.random.default_rng(number), np.zeros((120, 120), np.uint8)
    for row in (30, 60):
        for column in (20, 40, 60, 80):
            mask[disc(mask.shape, row, column, 7)] = 1
    gray = (180.0 if light else 60.0) * mask + 120 * (1 - mask) + rng.normal(0, 5, mask.shape)
    if tint is not None:
        gray = gray[..., None] * tint
    return gray.clip(0, 255).astype(np.uint8), mask


def facts_of(folder, **options) -> DataFacts:
    data = open_data(TrainingConfig(dataset_name=str(folder), **options))
    return measure_facts(data, inspect(data, 100))


def test_polarity_colours_and_an_up_are_seen_in_the_images(tmp_path):
    tints = [(1, 0.6, 0.8), (0.6, 0.8, 1), (0.8, 1, 0.6), (1, 1, 0.5)] * 3
    drawings = [cells(i, light=i % 3 > 0, tint=np.array(tint)) for i, tint in enumerate(tints)]
    found = facts_of(write_folder(tmp_path, drawings))
    assert (found.images, found.light, found.dark, found.colored) == (11, 7, 4, 11)
    assert found.tint_std > 0.05 and found.channels == 3
    assert list(found.classes.values()) == pytest.approx([0.914, 0.086], abs=0.005)
    assert found.objects.median == pytest.approx(14, abs=0.5)
    assert found.objects.close == 1 and not found.objects.numbered
    gray = facts_of(write_folder(tmp_path / "gray", [cells(i, tint=np.ones(3)) for i in range(2)]))
    assert (gray.gray, gray.colored, found.gray) == (1, 0, 0)
    # The cells are all a little above the middle, which is not enough for an up.
    assert found.oriented is None
    top = [(image, np.roll(mask, -22, axis=0)) for image, mask in drawings]
    assert facts_of(write_folder(tmp_path / "top", top)).oriented is not None


def test_a_check_says_that_no_image_is_there_to_plan_for(tmp_path, capsys):
    folder = write_folder(tmp_path, [cells(i) for i in range(2)])
    for path in folder.glob("**/images/*"):
        path.write_bytes(path.read_bytes()[:40])
    assert check(["--dataset_name", str(folder), "--plan"]) == 1
    assert "plan      none: no image can be used" in capsys.readouterr().out


def test_a_plan_is_printed_stored_and_kept_when_the_training_is_resumed(tmp_path, capsys):
    folder = write_folder(tmp_path / "cells", [cells(i) for i in range(4)])
    assert check(["--dataset_name", str(folder), "--plan", "--json"]) == 0
    shown = {row["option"]: row for row in json.loads(capsys.readouterr().out)["plan"]}
    assert shown["resolution"]["value"] == 128
    assert shown["resolution"]["reason"] == "images are 120 x 120 px"
    check(["--dataset_name", str(folder), "--plan", "--resolution", "64"])
    assert "resolution 64 (given)" in capsys.readouterr().out

    out = tmp_path / "out"
    small = {"base_channels": 4, "depth": 2, "dataloader_num_workers": 0, "measure_speed": False}
    config = TrainingConfig(str(folder), output_dir=str(out), max_train_steps=1, **small)
    train(config)
    written = json.loads((out / "training.json").read_text())
    assert (written["resolution"], written["train_batch_size"]) == (120, 8)
    plan = TrainingPlan.from_json((out / "plan.json").read_text())
    assert Decision("depth", 2, "", given=True) in plan.decisions
    assert Decision("resolution", 120, "images are 120 x 120 px") in plan.decisions
    # The command on the card has every planned value, so that it repeats the training.
    words = written["made_with"]["command"].split()
    assert words[words.index("--train_batch_size") + 1] == "8"
    again = parse_arguments(["--config", str(out / "training.json"), "--output_dir", "b"])
    data = open_data(again)
    assert plan_training(again, data, inspect(data, 9))[0] == again

    # Resumed with the command that began it: the options of the checkpoint count, not a new plan.
    longer = replace(config, max_train_steps=2, resume_from_checkpoint="latest")
    train(longer)
    assert json.loads((out / "training.json").read_text())["resolution"] == 120
    assert TrainingPlan.from_json((out / "plan.json").read_text()) == plan
    with pytest.raises(ConfigError, match="--resolution 120 -> 64"):
        train(replace(longer, resolution=64))


def test_a_damaged_plan_is_said_and_the_training_goes_on_without_it(tmp_path, caplog):
    decided = TrainingPlan((Decision("depth", 3, "for a reason"),))
    assert TrainingPlan().of_output(tmp_path) == TrainingPlan()
    assert not caplog.text  # a training that planned nothing has no file
    decided.write(tmp_path)
    assert TrainingPlan().of_output(tmp_path) == decided
    for content in (b"{", b'{"decisions": [{"option": 3}]}', b"[]", b"\xff"):
        caplog.clear()
        (tmp_path / "plan.json").write_bytes(content)
        assert TrainingPlan().of_output(tmp_path) == TrainingPlan()
        assert "plan.json cannot be read" in caplog.text
        assert "goes on with the options in training.json" in caplog.text
        assert "is not printed" in caplog.text
    assert decided.of_output(tmp_path) == decided and "was made anew" in caplog.text


def test_the_paper_and_a_loaded_network_are_not_planned(tmp_path):
    folder = write_folder(tmp_path / "cells", [cells(i) for i in range(2)])
    paper = TrainingConfig(str(folder), output_dir="x", preset="paper")
    data = open_data(paper)
    inspection = inspect(data, 9)
    assert plan_training(paper, data, inspection) == (paper, TrainingPlan())
    loaded = TrainingConfig(str(folder), pretrained_model_name_or_path="unet-isbi")
    config, plan = plan_training(loaded, data, inspection)
    assert config.depth is None and config.resolution == 128  # its network decides its depth
    assert "depth" not in {decision.option for decision in plan.decisions}
    one = measure_facts(data, inspection)
    assert (one.images, one.light) == (1, 1)


def test_a_class_in_a_corner_of_large_images_gets_crops_of_its_own(tmp_path):
    drawings = []
    for number in range(3):
        image = np.random.default_rng(number).integers(0, 255, (640, 640), np.uint8)
        mask = np.kron(np.eye(2, dtype=np.uint8), np.ones((320, 320), np.uint8))
        mask[:8, 632:] = 2
        drawings.append((image, mask))
    config = TrainingConfig(str(write_folder(tmp_path, drawings)))
    data = open_data(config)
    config, plan = plan_training(config, data, inspect(data, 9))
    assert config.class_sampling == 0.33
    found = next(decision for decision in plan.decisions if decision.option == "class_sampling")
    assert found.reason == "random crops show class 2 in 3.5%"
    assert str(found) in plan.lines()
