"""int8 computes what float32 does, but for a rounding that is bounded, recorded and stated."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import label

from train.loop import train
from unet_hf import UNet
from unet_hf.cli import calibrate as calibrate_command
from unet_hf.data.open import open_split
from unet_hf.engine import fast
from unet_hf.engine.calibration import Observer, feature_maps
from unet_hf.engine.engine import Engine
from unet_hf.engine.int8 import (
    IMAGE_PARTS,
    Int8Convolution,
    Int8Engine,
    QuantParams,
    ValueRange,
    round_kernels,
    split_into_parts,
)
from unet_hf.engine.precision import checked_precision, largest_int8_weight
from unet_hf.errors import CalibrationError, CheckpointError, ConfigError
from unet_hf.evaluation.evaluate import evaluate
from unet_hf.evaluation.precision_loss import main_scores
from unet_hf.evaluation.verification import verify
from unet_hf.hub.find import SHIPPED, shipped_checkpoints

from ..support.networks import NETWORKS, gray, images, network
from ..support.tiny_training import tiny, write_dataset
from ..support.weight_changes import CHANGES, another_eps


def calibrated(model: UNet, image: torch.Tensor) -> Int8Engine:
    observer = Observer(model)
    observer(image)
    return Int8Engine(model, observer.values())


def values(low: list[float], high: list[float], mean: list[float]) -> ValueRange:
    return ValueRange(*(torch.tensor(numbers) for numbers in (low, high, mean)))


# ------------------------------------------------------------------------------- arithmetic


def test_parts_add_up_and_differ_by_one_at_most():
    numbers = torch.arange(-300, 255 * IMAGE_PARTS + 1)
    parts = split_into_parts(numbers[:, None])
    assert torch.equal(parts.sum(1).long(), numbers)
    assert (parts.amax(1) - parts.amin(1)).max() <= 1


def test_no_weight_moves_by_a_step_and_a_kernel_by_half_a_step():
    torch.manual_seed(0)
    kernels = 40 * torch.randn(20, 30, 3, 3)
    integers = round_kernels(kernels)
    assert torch.equal(integers, integers.round())
    assert (integers - kernels).abs().max() < 1
    assert (integers - kernels).sum((2, 3)).abs().max() <= 0.5 + 1e-3
    usual = (kernels.round() - kernels).sum((2, 3)).abs()
    assert usual.max() > 1.5  # what is gained


def test_a_code_holds_its_range_and_zero():
    code = QuantParams.from_range(values([-1.0, 0.0, 2.0], [3.0, 0.001, 8.0], [1.0, 0.0, 5.0]))
    assert torch.allclose(code.scale, torch.tensor([4.0, 0.3 * 8, 8.0]) / 255)
    assert code.zero_point.tolist() == [64, 0, 0]  # 1 / (4 / 255) = 63.75
    assert code.mean[2] == pytest.approx(5 / (8 / 255))


def test_a_convolution_by_hand():
    # q = 0.5 * x; the weights 2, -1 are 127 and -63.5 steps; 0.0 is 10 in what is written.
    reads = QuantParams(torch.tensor([0.5, 0.5]), torch.tensor([0, 0]), torch.zeros(2))
    writes = QuantParams(torch.tensor([4.0]), torch.tensor([10]), torch.zeros(1))
    weight = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1)
    layer = Int8Convolution(
        weight, torch.tensor([8.0]), padding=0, reads=reads, writes=writes, relu=False
    )
    image = torch.tensor([[100, 20], [0, 200], [255, 0]], dtype=torch.uint8).view(1, 1, 3, 2)
    out = layer(image)
    # (2 * 50 - 10 + 8) / 4 + 10 = 34.5; (-100 + 8) / 4 + 10 = -13; (255 + 8) / 4 + 10 = 75.75
    assert out.flatten().tolist()[1:] == [0, 76]
    assert int(out[0, 0, 0, 0]) in (34, 35)  # -63.5 steps are 63 or 64


# ---------------------------------------------------------------------------------- engine


@pytest.mark.parametrize("cap", ["AVX2", "AVX512_CORE"])
def test_without_vnni_the_sum_of_two_products_fits_16_bits(cap: str, monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
    assert 2 * 255 * largest_int8_weight() < 2**15


@pytest.mark.parametrize("name", NETWORKS)
def test_it_is_nearly_what_the_network_says(name: str):
    model = network(**NETWORKS[name])
    image = images(model)
    expected = Engine(model, "float32")(image)
    seen = calibrated(model, image)(image)
    assert seen.shape == expected.shape
    error = (seen - expected).square().mean().sqrt() / expected.std()
    # Without VNNI, weights have 7 bits, or sums of two products would not fit.
    coarse = 1.0 if largest_int8_weight() == 127 else 1.6
    assert error < coarse * (0.08 if name in ("deep", "narrow") else 0.05)
    assert (seen - expected).mean().abs() < 0.02 * expected.std()


@pytest.mark.parametrize("name", ["usual", "bilinear", "paper", "colour"])
def test_tiles_give_the_whole_image_to_the_bit(name: str):
    model = network(**NETWORKS[name])
    shape = (333, 420, model.config["in_channels"])
    image = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    model.calibrate([image[:100, :100]])
    options = {"axes": "YXC", "precision": "int8"}
    whole = model.segment(image, tile_size=2048, **options)
    tiled = model.segment(image, tile_size=320, **options)
    assert (whole.tiles, tiled.tiles > 1) == (1, True)
    assert np.array_equal(whole.probabilities, tiled.probabilities)
    assert np.array_equal(whole.object_maps, tiled.object_maps)


def test_values_that_were_not_seen_are_clipped_not_wrapped():
    model = network()
    image = images(model, 1)
    engine = calibrated(model, 0.1 * image)
    seen, expected = engine(image), Engine(model, "float32")(image)
    assert torch.isfinite(seen).all()
    assert (seen - expected).abs().max() < 3 * expected.abs().max()


@pytest.mark.parametrize("name", shipped_checkpoints())
def test_shipped_checkpoints_are_ready_for_it(name: str):
    model = UNet.from_pretrained(name)
    sample = SHIPPED / name / "sample" / "input.png"
    exact, seen = (model.segment(sample, precision=one) for one in ("float32", "int8"))
    assert seen.precision == "int8"
    # A drawing is none of the images that it was calibrated on.
    assert (exact.mask != seen.mask).mean() < 5e-3
    record = json.loads((SHIPPED / name / "int8.json").read_text())
    scores = record["scores"]
    for score, value in scores["float32"].items():
        assert scores["int8"][score] > value - fast.most_lost(score)


# -------------------------------------------------------------------------- never in silence


def test_it_is_only_chosen_by_name():
    assert checked_precision("auto", torch.device("cpu")) != "int8"
    with pytest.raises(ConfigError, match="int8 is for CPUs"):
        checked_precision("int8", torch.device("cuda"))


def test_without_a_calibration_it_is_refused():
    with pytest.raises(CalibrationError, match=r"model\.calibrate"):
        network().segment(gray(), precision="int8")
    with pytest.raises(CalibrationError, match="no image"):
        network().calibrate([])


@pytest.mark.parametrize("change", [change for change in CHANGES if change is not another_eps])
def test_a_calibration_of_other_weights_is_refused(change: Any):
    model = network()
    model.calibrate([gray()])
    before = model.segment(gray(), precision="int8").mask
    change(model)
    with pytest.raises(CalibrationError, match="weights have changed"):
        model.segment(gray(), precision="int8")
    model.calibrate([gray()])
    assert model.segment(gray(), precision="int8").mask.shape == before.shape


def test_it_is_saved_and_loaded_with_the_weights(tmp_path: Path):
    model = network()
    model.calibrate([gray()])
    expected = model.segment(gray(), precision="int8").probabilities
    model.save_pretrained(tmp_path / "net")
    loaded = UNet.from_pretrained(tmp_path / "net")
    seen = loaded.segment(gray(), precision="int8").probabilities
    assert np.array_equal(seen, expected)
    loaded.save_pretrained(tmp_path / "again")
    records = [(tmp_path / name / "int8.json").read_bytes() for name in ("net", "again")]
    assert records[0] == records[1]
    card = (tmp_path / "net" / "README.md").read_text()
    assert 'precision="int8"' in card
    assert "was not measured" in card


def test_a_record_of_other_weights_or_damaged_is_not_believed(tmp_path: Path):
    for name in ("a", "b"):
        model = network()
        model.calibrate([gray()])
        model.save_pretrained(tmp_path / name)
    record = json.loads((tmp_path / "a" / "int8.json").read_text())
    (tmp_path / "a" / "int8.json").write_text(json.dumps(record | {"values": {"image": 3}}))
    with pytest.raises(CalibrationError, match="does not hold"):
        UNet.from_pretrained(tmp_path / "a").segment(gray(), precision="int8")
    other = UNet(base_channels=8)
    other.save_pretrained(tmp_path / "c")
    shutil.copy(tmp_path / "b" / "int8.json", tmp_path / "c")
    with pytest.raises(CalibrationError, match=r"no int8\.json"):
        UNet.from_pretrained(tmp_path / "c").segment(gray(), precision="int8")


def test_a_new_calibration_is_saved_in_the_place_of_a_damaged_record(tmp_path: Path):
    network().save_pretrained(tmp_path / "damaged")
    (tmp_path / "damaged" / "int8.json").write_text("{")
    model = UNet.from_pretrained(tmp_path / "damaged")
    model.calibrate([gray()])
    model.save_pretrained(tmp_path / "saved")
    saved = UNet.from_pretrained(tmp_path / "saved")
    assert np.array_equal(
        model.segment(gray(50, 60), precision="int8").probabilities,
        saved.segment(gray(50, 60), precision="int8").probabilities,
    )


# What a hostile or damaged record may hold -> what is said of it.
NOT_BELIEVED = {
    "nan": (lambda v: v["image"].update(low=[float("nan")]), "it holds nan"),
    "infinity": (lambda v: v["image"].update(high=[float("inf")]), "it holds infinity"),
    "huge": (lambda v: v["image"].update(high=[1e31]), "beyond 1e.30"),
    "upside-down": (lambda v: v["image"].update(low=[9.0], high=[1.0]), "low of image is above"),
    "too-short": (lambda v: v["contracting.0.1"]["mean"].pop(), "has 7 numbers for 8 channels"),
    "too-long": (lambda v: v["image"]["low"].append(0.0), "has 2 numbers for 1 channel"),
    "nested": (lambda v: v["image"].update(low=[[0.0]]), "low of image is no list of numbers"),
    "booleans": (lambda v: v["image"].update(low=[False]), "low of image is no list of numbers"),
    "missing-part": (lambda v: v["image"].pop("mean"), "mean of image is no list of numbers"),
    "missing-map": (lambda v: v.pop("expansive.0.2"), r"missing or unknown: expansive\.0\.2"),
    "unknown-map": (lambda v: v.update(other=v["image"]), "missing or unknown: other"),
}


@pytest.mark.parametrize("name", NOT_BELIEVED)
def test_a_record_that_no_calibration_writes_is_refused_and_float32_still_predicts(
    name: str, tmp_path: Path
):
    change, words = NOT_BELIEVED[name]
    model = UNet(base_channels=8, depth=1)
    model.calibrate([gray()])
    model.save_pretrained(tmp_path)
    record = json.loads((tmp_path / "int8.json").read_text())
    change(record["values"])
    (tmp_path / "int8.json").write_text(json.dumps(record))
    model = UNet.from_pretrained(tmp_path)
    with pytest.raises((CalibrationError, CheckpointError), match=rf"int8\.json .*{words}") as seen:
        model.segment(gray(), precision="int8")
    assert "Restore it from its source" in str(seen.value)
    assert model.segment(gray(), precision="float32").mask.shape == gray().shape


@pytest.mark.parametrize("images", [0, -3, True, "16", None, 1.5])
def test_a_record_without_a_count_of_images_is_refused(images, tmp_path: Path):
    model = UNet(base_channels=8, depth=1)
    model.calibrate([gray()])
    model.save_pretrained(tmp_path)
    record = json.loads((tmp_path / "int8.json").read_text()) | {"images": images}
    (tmp_path / "int8.json").write_text(json.dumps(record))
    with pytest.raises(CalibrationError, match="its images are"):
        UNet.from_pretrained(tmp_path).segment(gray(), precision="int8")


@pytest.mark.parametrize("name", NETWORKS)
def test_the_feature_maps_of_a_record_are_those_the_engine_computes(name: str):
    model = network(**NETWORKS[name])
    observer = Observer(model)
    observer(images(model))
    seen = {name: len(values.low) for name, values in observer.values().items()}
    assert feature_maps(model) == seen


# --------------------------------------------------------------------------------- command


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("int8")
    data = write_dataset(folder / "cells", {"train": 4, "validation": 2})
    train(tiny(data, folder / "unet-cells", max_train_steps=2))
    return folder / "unet-cells", data


def test_what_it_costs_is_measured_and_goes_on_the_card(trained, tmp_path, capsys, monkeypatch):
    checkpoint, _ = trained
    folder = shutil.copytree(checkpoint, tmp_path / "unet-cells")
    monkeypatch.setattr(fast, "MOST_LOST", 1.0)  # two steps are no training
    assert calibrate_command.run(["--model", str(folder), "--calibration_images", "3"]) == 0
    record = json.loads((folder / "int8.json").read_text())
    assert record["images"] == 3
    assert [*record["scores"]] == ["float32", "int8"]
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert record["scores"]["float32"]["mean IoU"] == pytest.approx(evaluation["mean_iou"])
    card = (folder / "README.md").read_text()
    assert "was calibrated on 3 images" in card
    assert f"{100 * record['rounding']['changed']:.3f} % of" in card
    assert "int8" in capsys.readouterr().out
    assert [finding.text for finding in verify(folder) if not finding.ok] == []


def test_objects_are_a_score_where_they_are_numbered(tmp_path):
    data = write_dataset(tmp_path / "cells", {"train": 1, "validation": 1})
    pair = open_split(tiny(data, tmp_path / "none"), "validation")[0][0]
    numbered = replace(pair, instances=label(pair.label == 1)[0])
    model = network()
    for pairs, names in (([pair], ["mean IoU"]), ([numbered], ["mean IoU", fast.OBJECT_AP])):
        evaluation = evaluate(model, pairs, 0.5)
        scores = main_scores(evaluation)
        assert [*scores] == names
    assert scores[fast.OBJECT_AP] == evaluation.objects["all"]["scores"]["ap50"]


def test_what_costs_too_much_is_refused(trained, tmp_path, monkeypatch):
    checkpoint, data = trained
    folder = shutil.copytree(checkpoint, tmp_path / "unet-cells")
    monkeypatch.setattr(fast, "MOST_LOST", -1.0)
    with pytest.raises(CalibrationError, match=r"it lost .* of mean IoU .* Nothing was written"):
        calibrate_command.run(["--model", str(folder), "--dataset_name", str(data)])
    assert not (folder / "int8.json").exists()
    assert (folder / "README.md").read_bytes() == (checkpoint / "README.md").read_bytes()


def test_shipped_checkpoints_are_not_rewritten():
    with pytest.raises(ConfigError, match="not yours to change"):
        calibrate_command.run(["--model", "unet-isbi"])


def test_without_a_calibration_means_without_the_stored_one_too():
    model = UNet.from_pretrained("unet-isbi")
    assert model.calibration is not None
    model.calibration = None
    with pytest.raises(CalibrationError, match=r"model\.calibrate"):
        model.segment(np.zeros((32, 32), np.uint8), precision="int8")
