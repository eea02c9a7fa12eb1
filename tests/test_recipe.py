"""The comparison of recipes: its verdicts, its memory of finished runs, and its variants."""

import json
import math

import numpy as np
import pytest
import torch

from benchmarks import object_sizes, recipe
from benchmarks.recipe import Run
from benchmarks.variants import boundary, cldice, deep_supervision, instance_norm, residual
from benchmarks.variants.registry import BASE, VARIANTS, Variant, chosen
from benchmarks.variants.run import budget, run
from benchmarks.variants.skeleton_recall import skeleton_recall_losses
from benchmarks.verdict import compare
from train.config import TrainingConfig
from unet_hf.data.detect_encoding import IGNORE

from .test_train import write_dataset

LABELS = {"0": "membrane", "1": "cell"}


def test_the_interval_of_pairs_decides():
    found = compare([1.0, 2.0, 3.0])  # t(2) is 4.302653, the standard error 1 / sqrt(3)
    assert found.mean == 2
    assert found.error == pytest.approx(1 / math.sqrt(3))
    assert found.interval == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-5)
    assert found.verdict == "not told apart"
    assert compare([2.0, 2.5, 3.0]).verdict == "better"  # half of that interval is 1.242
    assert compare([-2.0, -2.5, -3.0]).verdict == "worse"
    assert compare([5.0]).verdict == "not told apart"
    assert compare([0.0, 0.0]).verdict == "not told apart"


def test_over_several_sets_the_ranks_must_agree():
    pairs = [1.0, 1.1, 1.2, 1.3, 1.4]  # all positive by chance: 2 / 2**5 = 0.0625
    assert compare(pairs).verdict == "better"
    assert compare(pairs, several_sets=True).verdict == "not told apart"
    assert compare([*pairs, 1.5], several_sets=True).verdict == "better"  # 2 / 2**6


def test_a_variant_is_compared_with_the_base_of_its_own_set_and_seed():
    scores = {("v", "a", 1): 0.7, (BASE, "a", 0): 0.5, ("v", "a", 0): 0.6, (BASE, "a", 1): 0.6}
    scores |= {("v", "a", 2): 0.9}  # whose base is not there yet
    results = {key: {"scores": {"mean_iou": v}, "cpu_seconds": 60} for key, v in scores.items()}
    text = recipe.report(results, [BASE, "v"], "mean_iou")
    (row,) = [line for line in text.splitlines() if line.startswith("| v ")]
    assert "| 3 | 0.7333 | 0.6000 .. 0.9000 | 60 | +0.1000 ± 0.0000 |" in row
    assert recipe.report(results, [BASE, "v"], "v_rand") == "No run has the score v_rand."


def test_a_finished_run_is_not_made_again_and_keeps_its_budget(tmp_path, monkeypatch):
    asked = []

    def process(module, **request):
        asked.append(request["seed"])
        if request["seed"] == 2:
            raise SystemExit("no memory")
        return {"scores": {}, "cpu_seconds": 1.0}

    monkeypatch.setattr(recipe, "in_own_process", process)
    made = [recipe.make(Run("v w", "x/set", seed, 1, None, 20), tmp_path) for seed in (0, 1, 0, 2)]
    assert asked == [0, 1, 2]
    assert made[0] == made[2] and made[3] is None  # a failure is no result
    assert json.loads((tmp_path / "set/v-w-0.json").read_text())["run"]["steps"] == 20
    with pytest.raises(SystemExit, match="steps 20, not 30"):
        recipe.make(Run("v w", "x/set", 0, 1, None, 30), tmp_path)


def test_every_variant_has_options_that_a_training_takes_and_steps_of_equal_cost():
    for variant in VARIANTS.values():
        TrainingConfig(dataset_name="x", output_dir="y", **variant.options)
    assert budget(None, 100, 2.0)["max_train_steps"] == 50
    assert budget(1.5, None, 2.0)["time_budget"] == "90s"
    assert list(chosen(["no noise"])) == [BASE, "no noise"]
    with pytest.raises(SystemExit, match="no variant nois"):
        chosen(["nois"])


def test_a_variant_with_code_of_its_own_is_trained_and_scored(tmp_path, monkeypatch):
    small = {"base_channels": 4, "depth": 2, "resolution": 48, "train_batch_size": 2}
    monkeypatch.setitem(VARIANTS, "tiny", Variant(small, 1.0, "deep_supervision", plain=True))
    monkeypatch.setattr("train.malloc.keep_memory", lambda: None)
    data = write_dataset(tmp_path / "data", {"train": 1, "validation": 1}, labels=LABELS)
    folder, threads = tmp_path / "out", torch.get_num_threads()
    found = run("tiny", str(data), 0, str(folder), threads, None, 2)
    assert found["steps"] == 2
    assert 0 < found["scores"]["mean_iou"] < 1 and "v_rand" in found["scores"]
    assert not folder.exists()


def build(code, **options):
    config = TrainingConfig("x", output_dir="y", base_channels=4, depth=3, **options)
    return config, code.RECIPE.build_model(config, LABELS, 1, False)


def test_deep_supervision_means_the_losses_of_all_levels():
    config, model = build(deep_supervision, loss="cross_entropy")
    model.train()
    for head in (model.head, *(m.head for m in model.expansive if hasattr(m, "logits"))):
        torch.nn.init.zeros_(head.weight)
    label, weights = torch.zeros(1, 16, 16, dtype=torch.int64), torch.ones(1, 16, 16)
    loss_of = deep_supervision.RECIPE.build_loss(config, model)
    logits = model(torch.randn(1, 1, 16, 16))
    loss = loss_of(logits, label, weights, pixels=torch.tensor(256), crops=1)
    assert loss.item() == pytest.approx(math.log(2), rel=1e-5)  # two classes, told nothing
    model.expansive[1].head.bias.data = torch.tensor([50.0, 0.0])  # half resolution is right
    logits = model(torch.randn(1, 1, 16, 16))
    loss = loss_of(logits, label, weights, pixels=torch.tensor(256), crops=1)
    assert loss.item() == pytest.approx(math.log(2) * 1.25 / 1.75, rel=1e-5)


def test_instance_norm_replaces_every_norm():
    _, model = build(instance_norm, norm="batch")
    kinds = [type(module).__name__ for module in model.modules() if "Norm" in repr(type(module))]
    assert kinds == ["InstanceNorm2d"] * 14


def test_a_residual_step_adds_to_what_goes_around_it():
    _, model = build(residual, norm="none")
    step, x = model.contracting[0], torch.randn(1, 1, 8, 8)
    for convolution in (step.convolutions[0], step.convolutions[3]):
        torch.nn.init.zeros_(convolution.weight)
    assert torch.equal(step(x), step.around(x).relu())


def certain(label):
    """Logits of this (h, w) label."""
    truth = torch.as_tensor(label)[None]
    return torch.stack([40.0 * (truth == 0), 40.0 * (truth == 1)], 1)


def bar(length=9, gap=()):
    label = np.zeros((9, length + 4), np.int64)
    label[3:6, 2:-2] = 1
    label[:, list(gap)] = 0
    return label


def test_the_soft_skeleton_of_a_bar_is_its_middle_line():
    found = cldice.soft_skeleton(torch.from_numpy(bar())[None, None].float(), 3)[0, 0].numpy()
    expected = np.zeros((9, 13), np.float32)
    expected[4, 3:10] = 1  # an erosion of 3 px leaves a line, shorter by one at both ends
    np.testing.assert_array_equal(found, expected)


def test_a_gap_costs_more_than_a_thinner_bar():
    truth = torch.from_numpy(bar())[None]
    thinner = bar()
    thinner[3] = 0  # nine pixels are missing, in the gap only three
    for losses in (cldice.cldice_losses, skeleton_recall_losses):
        assert losses(certain(bar()), truth).item() == pytest.approx(0, abs=1e-5)
    cut, thin = (
        cldice.cldice_losses(certain(label), truth).item() for label in (bar(gap=[6]), thinner)
    )
    assert cut > thin
    assert skeleton_recall_losses(torch.zeros(1, 2, 9, 13), truth).item() == pytest.approx(0.5)
    ignored = torch.full_like(truth, IGNORE)
    assert skeleton_recall_losses(certain(bar()), ignored).item() == 0
    assert cldice.cldice_losses(certain(bar()), ignored).item() == 0


def test_the_boundary_term_grows_with_the_distance_to_the_true_boundary():
    truth = np.zeros((4, 8), bool)
    truth[:, :4] = True
    expected = np.array([-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5], np.float32) / 20
    np.testing.assert_allclose(boundary.signed_distances(truth)[0], expected)
    label = torch.from_numpy(truth.astype(np.int64))[None]
    # All pixels are right: the mean of minus their distances.
    assert boundary.boundary_losses(certain(label[0]), label).item() == pytest.approx(-2 / 20)


def test_drawn_sets_are_the_same_from_the_same_seed_and_show_what_they_say(tmp_path):
    drawn = object_sizes.DrawnSet(object_sizes.draw_classes, 120, {"train": 2}, ("a", "b", "c"))
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        object_sizes.write_set(drawn, tmp_path / name, seed)
    files = [
        [path.read_bytes() for path in sorted((tmp_path / name).rglob("*.png"))]
        for name in ("one", "two", "other")
    ]
    assert len(files[0]) == 4 and files[0] == files[1] != files[2]
    image, label = object_sizes.draw_classes(120, np.random.default_rng(0))
    assert np.unique(label).tolist() == [0, 1, 2]
    assert image[label == 2].mean() < image[label == 1].mean() < image[label == 0].mean()


def test_large_objects_are_as_gray_as_the_ground():
    image, label = object_sizes.draw_large(1000, np.random.default_rng(0))
    y, x = np.nonzero(label)
    assert 650 < np.ptp(x) < 950 and 650 < np.ptp(y) < 950
    inside = label[499, 499] == 1
    assert inside
    middle, corner = image[400:600, 400:600], np.concatenate([image[:80, :80], image[-80:, -80:]])
    assert abs(float(middle.mean()) - float(corner.mean())) < image.std()
