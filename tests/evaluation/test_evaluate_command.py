"""`python -m unet_hf evaluate`: the figures on a card come back when its command is run."""

import json
import shlex
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from skimage.measure import label

from train.loop import train
from unet_hf import UNet
from unet_hf.cli.evaluate import run
from unet_hf.errors import ConfigError, DatasetError
from unet_hf.evaluation.verification import verify

from ..support.tiny_training import tiny, write_dataset

SCORES = ("score", "mean_iou", "iou", "intervals", "calibration", "membrane", "images", "objects")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    labels = {"0": "membrane", "1": "cell"}
    folder = tmp_path_factory.mktemp("cells") / "cells"
    return number_objects(write_dataset(folder, {"train": 6, "test": 2}, labels=labels))


def number_objects(folder: Path) -> Path:
    """Adds ids of the cells, and a kind, to every image of a data set."""
    for metadata in folder.glob("*/metadata.jsonl"):
        rows = [json.loads(line) for line in metadata.read_text().splitlines()]
        for row in rows:
            mask = np.array(PIL.Image.open(metadata.parent / row["mask_file_name"]))
            row |= {"instances_file_name": row["mask_file_name"].replace("masks", "instances")}
            row["kind"] = "drawn"
            path = metadata.parent / row["instances_file_name"]
            path.parent.mkdir(exist_ok=True)
            PIL.Image.fromarray(label(mask, connectivity=1).astype(np.uint16)).save(path)
        metadata.write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> Path:
    """A checkpoint of a data set without a validation split: two images were held back."""
    output = tmp_path_factory.mktemp("trained") / "unet-cells"
    train(tiny(data, output, max_train_steps=2, train_val_split=0.3, measure_speed=True))
    return output


def test_what_was_held_back_is_found_again(trained, tmp_path, capsys):
    recorded = json.loads((trained / "evaluation.json").read_text())
    card = (trained / "README.md").read_text()
    assert "python -m unet_hf evaluate --model unet-cells\n" in card
    assert run(["--model", str(trained), "--output", str(tmp_path / "scores.json")]) == 0
    again = json.loads((tmp_path / "scores.json").read_text())
    assert {key: again[key] for key in SCORES} == {key: recorded[key] for key in SCORES}
    assert again["chosen_on_this_split"]
    assert f"mean      {recorded['mean_iou']:.4f}" in capsys.readouterr().out


def test_objects_are_made_as_was_best_and_scored_on_the_card(trained, capsys):
    recorded = json.loads((trained / "evaluation.json").read_text())
    objects, model = recorded["objects"], UNet.from_pretrained(trained)
    assert model.config["objects"] == objects["recipe"]
    assert objects["all"]["images"] == len(recorded["images"]) == 2
    assert objects["all"]["true"] == sum(row["objects"]["true"] for row in recorded["images"]) > 9
    last = json.loads((trained / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["objects"] == objects["all"]["scores"]

    card = (trained / "README.md").read_text()
    table = card.split("| objects of |")[1].split("\n\n")[0]
    names = [row.split(" | ")[0] for row in table.splitlines()[2:]]
    assert names[:2] == ["| all", "| drawn"]
    others = {"components", "watershed"} - {objects["recipe"]["method"]}
    assert set(names[2:]) == {f"| all, by {method}" for method in others}
    assert f"| {objects['all']['scores']['ap50']:.3f} [" in table
    assert "chosen on these images" in card
    assert run(["--model", str(trained)]) == 0
    printed = capsys.readouterr().out
    assert f"AP@0.5       {objects['all']['scores']['ap50']:.3f} [" in printed
    assert "drawn" in printed


def test_new_scores_replace_old_ones_on_the_card_and_run_by_its_command(
    trained, data, monkeypatch, capsys
):
    arguments = ["--dataset_name", str(data), "--split", "test", "--update_card"]
    assert run(["--model", str(trained), *arguments]) == 0
    card = (trained / "README.md").read_text()
    assert "chosen on them" not in card  # this split has chosen nothing
    assert "trained on these images" not in card
    assert "split: test" in card
    assert "## Speed and memory" in card
    assert [finding.text for finding in verify(trained) if not finding.ok] == []

    line = next(line for line in card.splitlines() if line.startswith("    python -m unet_hf eval"))
    assert str(data.parent) not in card  # folders of this machine are nobody's business
    monkeypatch.chdir(data.parent)
    words = shlex.split(line)[4:]
    assert words[:2] == ["--model", "unet-cells"]
    capsys.readouterr()
    assert run(["--model", str(trained), *words[2:]]) == 0
    scores = json.loads((trained / "evaluation.json").read_text())
    assert f"mean      {scores['mean_iou']:.4f}" in capsys.readouterr().out


def test_other_scores_are_of_what_segment_gives_and_say_so(trained, data, tmp_path, capsys):
    how = ["--precision", "auto", "--tta"]
    where = ["--dataset_name", str(data), "--split", "test", "--output", str(tmp_path / "s.json")]
    assert run(["--model", str(trained), *where, *how]) == 0
    scores = json.loads((tmp_path / "s.json").read_text())
    model = UNet.from_pretrained(trained)
    right = []
    for path in sorted((data / "test" / "images").iterdir()):
        result = model.segment(path, precision="auto", tta=True)
        label = np.array(PIL.Image.open(data / "test" / "masks" / path.name))
        right.append((result.mask == label).mean())
    assert scores["pixel_accuracy"] == pytest.approx(np.mean(right), abs=1e-9)
    assert (scores["precision"], scores["tta"]) == (result.precision, True)
    assert scores["arguments"].endswith(" ".join(how))
    assert f"{result.precision}, mean of eight views" in capsys.readouterr().out


def test_fast_is_refused_with_the_reason_and_what_to_take(capsys):
    with pytest.raises(SystemExit):
        run(["--model", "unet-cells", "--precision", "fast"])
    said = capsys.readouterr().err
    assert "scores are of one. Take int8 for scores of int8, or leave it out for float32" in said


def test_what_is_not_said_is_float32_seen_once(trained):
    scores = json.loads((trained / "evaluation.json").read_text())
    assert (scores["precision"], scores["tta"]) == ("float32", False)


@pytest.mark.parametrize("how", (["--tta"], ["--precision", "auto"]))
def test_a_card_takes_scores_that_every_machine_can_repeat(trained, data, how):
    before = (trained / "README.md").read_bytes()
    with pytest.raises(ConfigError, match="Leave out --precision and --tta"):
        run(["--model", str(trained), "--dataset_name", str(data), "--update_card", *how])
    assert (trained / "README.md").read_bytes() == before


def test_a_shipped_checkpoint_is_not_rewritten(data):
    with pytest.raises(ConfigError, match="not yours to change"):
        run(["--model", "unet-isbi", "--dataset_name", str(data), "--update_card"])


def test_without_a_record_the_images_have_to_be_named(tmp_path):
    UNet(base_channels=2, depth=1).save_pretrained(tmp_path / "net")
    with pytest.raises(ConfigError, match="Name the images with --dataset_name"):
        run(["--model", str(tmp_path / "net")])


def test_a_split_that_is_not_there_is_named(trained, data):
    with pytest.raises(DatasetError, match="no split 'nowhere'"):
        run(["--model", str(trained), "--dataset_name", str(data), "--split", "nowhere"])
