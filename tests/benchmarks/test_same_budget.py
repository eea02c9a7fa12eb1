"""All sides of a comparison are scored alike, and stop when their CPU seconds are spent."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.rivals import scores, task
from benchmarks.rivals.budget import run_measured
from benchmarks.rivals.sides import SIDES
from benchmarks.rivals.training import train_network
from benchmarks.rivals.window import build_network, dense
from benchmarks.same_budget import can_run, identity, tables
from unet_hf.evaluation.metrics import (
    Contingency,
    confusion_matrix,
    membrane_slice,
    overlap_scores,
)
from unet_hf.evaluation.object_scores import score_objects


def blobs(seed: int) -> np.ndarray:
    """Smooth random values, (96, 80) float from 0 to 1."""
    from scipy.ndimage import gaussian_filter

    values = gaussian_filter(np.random.default_rng(seed).normal(size=(96, 80)), 3)
    return (values - values.min()) / np.ptp(values)


def test_the_scores_of_the_sides_are_those_of_our_evaluation() -> None:
    truth, found = blobs(0) > 0.4, blobs(0) * 0.7 + blobs(1) * 0.3
    label = (blobs(2) * 2.99).astype(np.uint8)
    label[:5] = scores.IGNORE
    mask = (blobs(3) * 2.99).astype(int)

    ours = membrane_slice(truth, found, [0.4])[0.4]
    assert scores.membrane_scores(truth, found > 0.4) == pytest.approx((ours.v_rand, ours.v_info))
    overlap = overlap_scores(confusion_matrix(label, mask, 3))
    assert scores.pooled_iou([(label, mask)], 3) == pytest.approx(overlap.iou)
    ids, proposed = scores.components(truth), scores.components(found > 0.4)
    assert scores.ap50(ids, proposed) == pytest.approx(score_objects(ids, proposed).ap50)


@pytest.mark.parametrize("cell", [True, False])
def test_a_slice_of_one_region_is_scored_as_by_our_evaluation(cell: bool) -> None:
    truth, found = np.ones((20, 30), bool), np.full((20, 30), float(cell))

    ours = membrane_slice(truth, found, [0.5])[0.5]

    assert scores.membrane_scores(truth, found > 0.5) == (ours.v_rand, ours.v_info)


def test_cells_that_a_side_has_parted_by_itself_are_scored_as_they_are(tmp_path: Path) -> None:
    truth = blobs(0) > 0.4
    cells = scores.components(blobs(1) > 0.5)
    facts = {"classes": ["membrane", "cell"], "membrane": True, "validation": {"a": "a.png"}}
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    np.save(tmp_path / "a.label.npy", truth.astype(np.uint8))
    np.save(tmp_path / "a.npy", np.stack([1 - blobs(0), blobs(0)]))
    np.save(tmp_path / "a.objects.npy", cells)

    found = scores.score_predictions(tmp_path, tmp_path, 0.4)

    ours = Contingency.from_labels(scores.components(truth), cells)
    assert found["own objects"] == pytest.approx({"v_rand": ours.rand, "v_info": ours.information})
    assert found["own"]["v_rand"] == 1  # the mask at 0.4 is the truth


def test_steps_end_with_the_budget(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = iter([10.0, *(10.0 + 3 * step for step in range(1, 100))])  # 3 CPU seconds a step
    monkeypatch.setattr(task, "cpu_seconds", lambda: next(clock))

    spent = list(task.Task(tmp_path, tmp_path, 20.0, 1, 0, {}).steps())

    # After 13 and 16 seconds another step fits in; the next one ends at 19, and 22 is too late.
    assert spent == pytest.approx([10 / 20, 13 / 20, 16 / 20])


def test_a_side_is_stopped_with_its_children_where_it_ignores_its_budget(tmp_path: Path) -> None:
    busy = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"

    usage = run_measured(
        [sys.executable, "-c", busy], {}, tmp_path / "log", tmp_path / "trained", 0.3, grace=0
    )

    assert usage.stopped
    assert 0.3 < usage.cpu_seconds < 3
    assert usage.peak_megabytes > 1


def test_a_missing_package_is_named_with_its_installation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(SIDES, "nnunet", replace(SIDES["nnunet"], package="no_such_package"))

    assert can_run("ours", sys.executable)
    assert not can_run("nnunet", sys.executable)

    assert "`pip install nnunetv2`" in capsys.readouterr().err


def test_a_network_is_trained_with_the_rate_of_each_share_and_its_weights_are_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(task.Task, "steps", lambda self: iter([0.0, 0.5]))
    asked = task.Task(tmp_path, tmp_path, 9.0, 1, 0, {})
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(network.weight)
    optimizer = torch.optim.SGD(network.parameters(), lr=9.0)

    train_network(
        asked, network, optimizer, lambda: (torch.ones(1, 1), torch.zeros(1)),
        lambda output, truth: (output.flatten() - truth).sum(), lambda spent: 0.4 - 0.2 * spent,
        batch=1,
    )  # fmt: skip

    # The gradient is 1 at both steps: 1 - 0.4 - 0.3.
    assert torch.load(tmp_path / "weights.pt")["weight"].item() == pytest.approx(0.3)
    record = json.loads((tmp_path / "trained.json").read_text())
    assert (record["steps"], record["batch"], network.training) == (2, 1, False)


@pytest.mark.parametrize("side", [65, 95])
def test_all_windows_at_once_give_what_each_window_gives(side: int) -> None:
    torch.manual_seed(0)
    network = build_network(side, 1, 2)
    image = torch.randn(1, 1, side + 3, side + 2)

    with torch.inference_mode():
        answers = dense(network, image)
        each = [network(image[..., r : r + side, c : c + side]) for r in range(4) for c in range(3)]

    assert answers.shape == (1, 2, 4, 3)
    torch.testing.assert_close(answers.flatten(2), torch.cat(each, -1).flatten(2))


def test_tables_have_a_row_a_side_and_the_spread_of_its_seeds() -> None:
    def row(rival: str, seed: int, iou: float) -> dict:
        decided = {"mean_iou": iou, "iou": {"ground": iou, "cell": iou}}
        return {
            "dataset": "drawn", "rival": rival, "minutes": 15, "threads": 1, "seed": seed,
            "steps": 100, "train_cpu_seconds": 1790, "predict_cpu_seconds": 3,
            "peak_megabytes": 900, "weights_megabytes": 7.8,
            "scores": {"plain": decided, "best": decided | {"threshold": 0.4}},
        }  # fmt: skip

    rows = [row("ours", 0, 0.8), row("ours", 1, 0.9), row("nnunet", 0, 0.7)]
    text = tables([json.loads(json.dumps(row)) for row in rows])

    assert text.startswith("drawn, 1,800 CPU seconds\n\n| Side | mean IoU at 0.5 |")
    ours, nnunet = text.splitlines()[-2:]
    assert ours.startswith("| this project, default command | 0.8500 [0.8000 .. 0.9000] |")
    assert nnunet.startswith("| nnU-Net v2, 2D, plain | 0.7000 | 0.7000 | - | 0.700, 0.700 | 1 |")
    assert identity(rows[0]) != identity(rows[1])
