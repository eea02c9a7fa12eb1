"""The comparison of recipes: its verdicts, its memory of finished runs, and its variants."""

import argparse
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from benchmarks import drawn_sets, few_images, recipe, screening
from benchmarks.recipe import Run
from benchmarks.variants import (
    boundary,
    cldice,
    deep_supervision,
    instance_norm,
    planned,
    residual,
    tables,
)
from benchmarks.variants.registry import BASE, VARIANTS, chosen
from benchmarks.variants.run import run
from benchmarks.variants.skeleton_recall import skeleton_recall_losses
from benchmarks.verdict import compare
from train.config import TrainingConfig
from unet_hf.data.detect_encoding import IGNORE

from ..conftest import ROOT
from ..support.tiny_training import write_dataset

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


def report(scores: dict, score: str = "mean_iou") -> str:
    results = {key: {"scores": {"mean_iou": v}, "cpu_seconds": 60} for key, v in scores.items()}
    return tables.report(results, [BASE, "v"], score)


def row_of(text: str, table: int) -> str:
    return [line for line in text.splitlines() if line.startswith("| v ")][table]


def test_a_variant_is_compared_with_the_base_of_its_own_set_and_seed():
    scores = {("v", "a", 1): 0.7, (BASE, "a", 0): 0.5, ("v", "a", 0): 0.6, (BASE, "a", 1): 0.6}
    scores |= {("v", "a", 2): 0.9}  # whose base is not there yet
    row = row_of(report(scores), 0)
    assert "| 3 | 0.7333 | 0.6000 .. 0.9000 | 60 | +0.1000 ± 0.0000 |" in row
    assert report(scores, "v_rand") == "No run has the score v_rand."


def test_over_several_sets_a_difference_counts_in_the_spread_of_its_set():
    """One set is ten times as loud; a fall there may not hide what two calm sets agree on."""
    spreads = {"calm": 0.01, "still": 0.01, "loud": 0.1}
    gains = {"calm": 2.0, "still": 2.0, "loud": -0.5}  # in spreads
    scores = {}
    for name, spread in spreads.items():
        for seed, offset in enumerate((-1, 0, 1)):
            scores[BASE, name, seed] = 0.5 + spread * offset
            scores["v", name, seed] = 0.5 + spread * (offset + gains[name])
    text = report(scores)
    assert "-0.0500 ± 0.0000" in row_of(text, 2)  # a set alone, in plain units
    assert row_of(text, 3).startswith("| v | 9 | +1.17 ± 0.42 |")
    assert "Standard deviations over seeds: calm 0.0100, still 0.0100, loud 0.1000." in text
    first = {key: value for key, value in scores.items() if key[2] == 0}
    assert "no table over all sets: how much seeds differ on calm, still, loud" in report(first)


PLANNED = TrainingConfig("x", output_dir="y").usual().to_dict()


def run_of(options: dict, seed: int = 0) -> Run:
    return Run("v w", seed, "x/set", 1, None, False, options)


def test_a_finished_run_is_not_made_again_and_keeps_its_options(tmp_path, monkeypatch):
    asked = []

    def process(module, **request):
        asked.append(request["options"]["seed"])
        if asked[-1] == 2:
            raise SystemExit("no memory")
        return {"scores": {}, "cpu_seconds": 1.0}

    monkeypatch.setattr(recipe, "in_own_process", process)
    options = PLANNED | {"max_train_steps": 20}
    made = [recipe.make(run_of(options, seed), tmp_path) for seed in (0, 1, 0, 2)]
    assert asked == [0, 1, 2]
    assert made[0] == made[2] and made[3] is None  # a failure is no result
    stored = json.loads((tmp_path / "set/v-w-0.json").read_text())["run"]
    assert stored["options"] == options
    other = options | {"max_train_steps": 30, "elastic_std": 5.0}
    words = "elastic_std 10.0, not 5.0; max_train_steps 20, not 30"
    with pytest.raises(SystemExit) as refused:
        recipe.make(run_of(other), tmp_path)
    assert all(word in str(refused.value) for word in words.split("; "))
    del stored["options"]
    (tmp_path / "set/v-w-1.json").write_text(json.dumps({"run": stored}))
    with pytest.raises(SystemExit, match="an earlier version, which did not store its options"):
        recipe.make(run_of(options, 1), tmp_path)


def test_a_set_is_planned_once_and_variants_compute_as_many_pixels(tmp_path, monkeypatch):
    asked = []
    small = PLANNED | {"resolution": 128, "train_batch_size": 8, "elastic_std": 5.0}

    def process(module, **request):
        asked.append(request["dataset"])
        return small

    monkeypatch.setattr(recipe, "in_own_process", process)
    names = ["batch of 8", "crops of 512", "width 24", "elastic deformation x2", "instance norm"]
    given = argparse.Namespace(
        sets=["x/set"], output_dir=tmp_path, seeds=2, steps=800, minutes=None, threads=1
    )
    runs = {(run.variant, run.seed): run for run in recipe.runs_of(given, chosen(names))}
    assert runs == {(r.variant, r.seed): r for r in recipe.runs_of(given, chosen(names))}
    assert asked == ["x/set"]
    assert ("batch of 8", 0) not in runs  # that is the plan
    assert ("instance norm", 1) in runs  # of other code
    options = {name: run.options for (name, seed), run in runs.items() if seed == 0}
    assert options[BASE] == small | {"max_train_steps": 800}
    assert options["crops of 512"]["max_train_steps"] == 400  # 512^2 px instead of 8 x 128^2
    assert options["width 24"]["max_train_steps"] == round(800 / 2.24)
    assert options["elastic deformation x2"] == options[BASE] | {"elastic_std": 10.0}
    given.steps, given.minutes = None, 1.5
    timed = recipe.runs_of(given, chosen(["crops of 512"]))[1].options
    assert (timed["time_budget"], timed["max_train_steps"]) == ("90s", None)


def test_a_screening_tells_the_effects_of_seven_factors_from_eight_trainings():
    design = screening.design()
    assert len(set(design)) == 8
    for one in range(7):
        assert sum(levels[one] for levels in design) == 4
        for other in range(one):  # any two factors meet evenly
            assert sum(levels[one] and levels[other] for levels in design) == 2
    true = [0.5, -0.25, 0.0, 0.125, 0.0, 0.0, 0.0625]
    scores = {levels: 1 + np.dot(levels, true) for levels in design}
    assert screening.effects(scores) == pytest.approx(true)
    # The median is 0.02. Below 2.5 x 1.5 x 0.02 are all but 0.4; their median is 0.015.
    assert screening.pseudo_error([0.01, -0.01, 0.02, 0.03, 0.05, -0.4, 0.01]) == (
        pytest.approx(0.0225)
    )
    given = argparse.Namespace(output_dir=None, steps=600, threads=1, seed=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(screening, "base_options", lambda *anything: dict(PLANNED))
        before, after = (screening.run_of(each, "d", given).options for each in design[::7])
    assert (before["train_batch_size"], before["max_train_steps"]) == (4, 600)
    assert (after["train_batch_size"], after["max_train_steps"]) == (2, 1200)
    assert screening.BEFORE.items() <= before.items()
    found = screening.report(
        {"set": {levels: {"score": scores[levels]} for levels in design}}, "score"
    )
    assert "| two crops a step | +0.5000 |" in found


def test_every_variant_has_options_that_a_training_takes():
    for variant in VARIANTS.values():
        TrainingConfig(**variant.options_on(PLANNED, 100))
    assert list(chosen(["no noise"])) == [BASE, "no noise"]
    with pytest.raises(SystemExit, match="no variant nois"):
        chosen(["nois"])


def test_a_variant_with_code_of_its_own_is_trained_and_scored(tmp_path, monkeypatch):
    small = {"base_channels": 4, "depth": 2, "resolution": 48, "train_batch_size": 2}
    monkeypatch.setattr("train.malloc.keep_memory", lambda: None)
    data = write_dataset(tmp_path / "data", {"train": 1, "validation": 1}, labels=LABELS)
    options = planned.run(str(data)) | small | {"max_train_steps": 2, "dataset_name": str(data)}
    folder, threads = tmp_path / "out", torch.get_num_threads()
    found = run(options, str(folder), threads, "deep_supervision", True)
    assert found["steps"] == 2
    assert 0 < found["scores"]["mean_iou"] < 1 and "v_rand" in found["scores"]
    assert not folder.exists()


def test_a_set_of_few_images_is_a_part_of_one_of_more_with_the_same_validation(tmp_path):
    source = write_dataset(tmp_path / "data", {"train": 5, "validation": 2}, labels=LABELS)
    names = []
    for images in (2, 4):
        folder = few_images.draw(source, images, 0, tmp_path)
        assert folder.name == f"data-{images}"
        names.append({path.name for path in (folder / "train" / "masks").iterdir()})
        assert len(list((folder / "validation" / "images").iterdir())) == 2
        assert json.loads((folder / "id2label.json").read_text()) == LABELS
        assert planned.run(str(folder))["resolution"] <= 96
    assert len(names[0]) == 2 and len(names[1]) == 4 and names[0] < names[1]
    with pytest.raises(SystemExit, match="is there already"):
        few_images.draw(source, 4, 1, tmp_path)
    with pytest.raises(SystemExit, match="5 training images, not 6"):
        few_images.draw(source, 6, 0, tmp_path)


PARENT = """
import sys
from benchmarks.sessions import session
grandchild = "import time; time.sleep(20); print('left behind')"
child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"
with session([sys.executable, "-c", child]) as process:
    print(process.pid, flush=True)
    process.wait()
"""


def test_a_runner_that_is_killed_leaves_no_training_behind():
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.kill()
        # The pipe ends when the child and its own child, which hold it, are gone.
        assert parent.stdout.read() == ""


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
    drawn = drawn_sets.DrawnSet(drawn_sets.draw_classes, 120, {"train": 2}, ("a", "b", "c"))
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        drawn_sets.write_set(drawn, tmp_path / name, seed)
    files = [
        [path.read_bytes() for path in sorted((tmp_path / name).rglob("*.png"))]
        for name in ("one", "two", "other")
    ]
    assert len(files[0]) == 4 and files[0] == files[1] != files[2]
    image, label = drawn_sets.draw_classes(120, np.random.default_rng(0))
    assert np.unique(label).tolist() == [0, 1, 2]
    assert image[label == 2].mean() < image[label == 1].mean() < image[label == 0].mean()


def test_large_objects_are_as_gray_as_the_ground():
    image, label = drawn_sets.draw_large(1000, np.random.default_rng(0))
    y, x = np.nonzero(label)
    assert 650 < np.ptp(x) < 950 and 650 < np.ptp(y) < 950
    inside = label[499, 499] == 1
    assert inside
    middle, corner = image[400:600, 400:600], np.concatenate([image[:80, :80], image[-80:, -80:]])
    assert abs(float(middle.mean()) - float(corner.mean())) < image.std()
