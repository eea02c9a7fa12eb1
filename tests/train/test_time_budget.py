"""The steps that fit into `--time_budget`, from what trial steps have measured."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from demo.synthetic import fluorescence_nuclei
from train.budget import evaluation as trial_evaluation
from train.budget import pace as trial_steps
from train.budget import trial
from train.budget.deadline import Deadline
from train.budget.fit import Costs, Fit, Pace, fit_steps
from train.checks.inspection import Inspection, PairSummary
from train.cli.arguments import parse_arguments
from train.config import TrainingConfig
from train.duration import read_duration
from train.loop import train
from train.model import build_model
from unet_hf.data.pairs import Pair
from unet_hf.errors import ConfigError
from unet_hf.evaluation.evaluate import evaluate

from ..support.tiny_training import tiny, write_dataset


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("1h30m", 5400), ("900", 900), ("1.5h", 5400), (" 2M 0s", 0)],
)
def test_a_time_is_read_as_people_write_it(text, seconds):
    if seconds:
        assert read_duration(text) == seconds
    else:
        with pytest.raises(ConfigError, match="Write 90s, 15m, 1h30m, or seconds"):
            read_duration(text)


@pytest.mark.parametrize("text", ["", "soon", "0", "0m", "-5m", "1h30", "m", "nan", "inf"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ConfigError, match=r"--time_budget .* is not a time. Write 90s"):
        TrainingConfig(dataset_name="d", time_budget=text)


def test_a_time_budget_and_steps_exclude_each_other():
    base = ["--dataset_name", "d", "--output_dir", "o", "--time_budget", "15m"]
    for other in ("max_train_steps", "num_train_epochs"):
        with pytest.raises(ConfigError, match=f"decides the steps. Leave out --{other}, or it"):
            parse_arguments([*base, f"--{other}", "7"])
    assert parse_arguments(base).time_budget == "15m"


def simulated(pace: Pace, steps: int) -> float:
    """Seconds of a training whose one worker makes crops up to four batches ahead."""
    rng, there = np.random.default_rng(0), set()
    made, done = [], [pace.start]
    for step in range(steps):
        cutting = pace.crops * pace.crop
        drawn = set(rng.integers(pace.images, size=pace.crops).tolist())
        cutting += len(drawn - there) * pace.image
        there |= drawn
        free = done[max(0, step - trial_steps.PREFETCHED)]  # when there was room for this batch
        made.append(max(made[-1] if made else pace.start, free) + cutting)
        done.append(max(done[-1], made[-1]) + pace.step)
    return done[-1]


@pytest.mark.parametrize("images", [1, 10, 600])
@pytest.mark.parametrize("image", [0.02, 0.5])
def test_the_time_of_the_steps_is_foreseen_whether_images_are_few_or_many(images, image):
    """Of six hundred images, each prepared once in half a second, a worker has five minutes."""
    pace = Pace(step=0.2, start=1.0, crop=0.01, crops=4, image=image, images=images)
    for steps in (300, 3000):
        assert pace.seconds(steps) == pytest.approx(simulated(pace, steps), rel=0.05)


def test_images_that_memory_cannot_hold_are_prepared_again_and_again():
    pace = Pace(step=0.1, crop=0.01, crops=4, image=0.5, images=100, kept=0.5)
    assert pace.seconds(2000) - pace.seconds(1000) == pytest.approx(
        1000 * 4 * (0.01 + 0.5 * 0.5), rel=0.01
    )


COSTS = Costs(Pace(step=0.4), used=20, evaluation=12, checkpoint=0.1, finish=10)


def test_evaluations_take_at_most_a_tenth_of_the_time_and_there_is_always_one():
    fit = fit_steps("15m", COSTS, None, None)
    assert -(-fit.steps // fit.validation_steps) == 7  # 84 s of 900
    assert fit.steps == (0.98 * 900 - 20 - 10 - 7 * 12 - 10 * 0.1) // 0.4
    assert fit.words == f"{fit.steps:,}: 0.4 s a step, 7 evaluations of 12 s fit into 15 minutes"
    dear = fit_steps("2m", COSTS, None, None)
    assert dear.validation_steps == dear.steps
    assert "1 evaluation of 12 s" in dear.words


def test_half_of_what_the_first_evaluation_takes_more_is_kept_for_it():
    usual, dear = (
        fit_steps("15m", replace(COSTS, unlearned=seconds), None, None) for seconds in (0, 40)
    )
    assert usual.steps - dear.steps == 20 / 0.4
    assert usual.words.partition(":")[2] == dear.words.partition(":")[2]


def test_an_evaluation_is_foreseen_with_the_true_objects_and_not_with_crumbs(monkeypatch):
    config = TrainingConfig(dataset_name="d", base_channels=2, resolution=32).usual()
    drawn = fluorescence_nuclei(96, 12, seed=0)
    label = np.minimum(drawn.instances, 1).astype(np.uint8)
    pair = Pair("a", drawn.image, label, drawn.instances, {})
    model = build_model(config, {"0": "background", "1": "nucleus"}, 1, True)
    learned = trial_evaluation.learned_answer(model.segment(pair.image), pair)
    found = evaluate(trial_evaluation.Answer(model, learned), [pair], choose_objects=True)
    assert found.mean_iou > 0.95 and found.objects["all"]["scores"]["ap50"] > 0.95

    seconds = iter([6.0, 1.0] * 3)  # to score crumbs, and to score true objects
    monkeypatch.setattr(trial_evaluation, "seconds_to_score", lambda *_: next(seconds))
    monkeypatch.setattr(trial_evaluation, "ValidationPairs", lambda *_: [pair] * 3)
    monkeypatch.setattr(trial_evaluation, "clock", lambda: 0.0)
    ten = Inspection([], [PairSummary("a", 0, height=96, width=96)] * 10, 0, 10)
    cost = trial_evaluation.measure_evaluation(model, 900, None, ten, config)
    assert (cost.usual, cost.unlearned, cost.pixel) == pytest.approx((11, 49, 0))


def run_on_a_clock(budget: float, slower) -> tuple[float, list[int]]:
    """Seconds of a training whose steps take `slower(step)` times as long, and its totals."""
    fit = fit_steps(f"{budget}s", COSTS, None, None)
    now, total, totals = float(COSTS.used), fit.steps, [fit.steps]
    deadline = Deadline(budget, COSTS, fit, 0.0, now)
    step = 0
    while step < total:
        fits = deadline.steps_that_fit(now, step, total)
        if fits != total:
            total = fits
            totals.append(total)
        step += 1
        now += COSTS.pace.step * slower(step)
        now += COSTS.evaluation * slower(step) * (step % fit.validation_steps == 0 or step == total)
        now += COSTS.checkpoint * (step % fit.checkpointing_steps == 0 or step == total)
    return now + COSTS.finish * slower(step), totals


@pytest.mark.parametrize(
    ("late", "times"), [(0.0, 1.3), (0.0, 3.0), (0.5, 1.3), (0.5, 3.0), (0.8, 1.3), (0.8, 2.0)]
)
def test_a_machine_under_load_ends_in_time_with_fewer_steps(late, times):
    planned = fit_steps("900s", COSTS, None, None).steps
    seconds, totals = run_on_a_clock(900, lambda step: times if step > late * planned else 1.0)
    assert seconds <= 1.1 * 900
    assert totals == sorted(totals, reverse=True) and totals[-1] > late * planned


@pytest.mark.parametrize("times", [0.95, 1.0, 1.05])
def test_a_pace_nearly_as_foreseen_keeps_the_schedule(times):
    seconds, totals = run_on_a_clock(900, lambda step: times)
    assert len(totals) == 1 and seconds <= 1.1 * 900


@pytest.mark.parametrize("times", [0.2, 0.5, 0.8])
def test_a_machine_that_was_busy_in_the_trial_alone_uses_all_of_the_time(times):
    seconds, totals = run_on_a_clock(900, lambda step: times)
    assert 0.9 * 900 <= seconds <= 900
    assert totals == sorted(totals) and totals[-1] > 0.9 * totals[0] / times


def test_a_start_that_was_foreseen_dear_changes_nothing(monkeypatch):
    dear = replace(COSTS, pace=replace(COSTS.pace, start=30.0))
    monkeypatch.setitem(globals(), "COSTS", dear)
    assert len(run_on_a_clock(900, lambda step: 1.0)[1]) == 1


@pytest.mark.parametrize("share", [0.05, 0.15])
def test_a_load_that_ends_gives_its_steps_back(share):
    planned = fit_steps("900s", COSTS, None, None).steps
    seconds, totals = run_on_a_clock(900, lambda step: 3.0 if step < share * planned else 1.0)
    assert 0.85 * 900 <= seconds <= 1.02 * 900
    assert totals[-1] > min(totals)


def test_a_training_that_is_fitted_anew_ends_there_and_says_so(tmp_path, monkeypatch, capsys):
    def steps_that_fit(self, now, step, total):
        return {3: 8, 6: 12}.get(step, total)

    data = write_dataset(tmp_path / "cells", {"train": 3}, labels={"0": "wall", "1": "cell"})
    monkeypatch.setattr(Deadline, "steps_that_fit", steps_that_fit)
    options = {"base_channels": 2, "resolution": 32, "time_budget": "90s"}
    train(tiny(data, tmp_path / "out", **options))
    written = json.loads((tmp_path / "out/training.json").read_text())
    assert (written["max_train_steps"], written["fitted_to"]) == (12, "90s")
    (first, planned), then = written["made_with"]["extended"]
    assert (first, then) == (4, [7, 8]) and planned > 8
    last = (tmp_path / "out/metrics.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["step"] == 12
    said = "".join(capsys.readouterr())
    assert f"step 4: slower than foreseen, so 8 steps instead of {planned:,} fit into 90s" in said
    assert "step 7: faster than foreseen, so 12 steps instead of 8 fit into 90s" in said


@pytest.mark.parametrize("workers", [0, 1])
def test_a_training_that_has_more_time_gets_crops_for_it(workers, tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "fit_steps", lambda *_: Fit(6, 3, 3, "six"))
    monkeypatch.setattr(Deadline, "steps_that_fit", lambda self, now, step, total: 10)
    data = write_dataset(tmp_path / "cells", {"train": 3}, labels={"0": "wall", "1": "cell"})
    options = {"base_channels": 2, "resolution": 32, "time_budget": "90s"}
    train(tiny(data, tmp_path / "out", **options, dataloader_num_workers=workers))
    assert json.loads((tmp_path / "out/training.json").read_text())["max_train_steps"] == 10
    last = (tmp_path / "out/metrics.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["step"] == 10


def test_given_intervals_stay_and_are_paid_for():
    fit = fit_steps("15m", COSTS, 100, 50)
    assert (fit.validation_steps, fit.checkpointing_steps) == (100, 50)
    spent = 0.4 * fit.steps + 12 * -(-fit.steps // 100) + 0.1 * -(-fit.steps // 50) + 30
    assert spent <= 0.98 * 900 < spent + 12.6


def test_too_short_a_budget_names_the_numbers_and_the_least_that_would_do():
    with pytest.raises(ConfigError) as refused:
        fit_steps("45s", COSTS, None, None)
    text = str(refused.value)
    assert "45s is too short: 4 steps would fit. 20 s are over, a step takes 0.4 s" in text
    assert "The least that makes sense here is 60s" in text
    assert fit_steps("60s", COSTS, None, None).steps >= 20


def test_slow_first_steps_and_images_prepared_meanwhile_are_not_the_pace(monkeypatch):
    """Two steps wait for images, the first one allocates; then a step takes 0.3 s."""
    time = [0.0]
    monkeypatch.setattr(trial_steps, "clock", lambda: time[0])
    monkeypatch.setattr(trial_steps, "broadcast_object_list", lambda items: items)

    class Learner:
        accelerator = SimpleNamespace(reduce=lambda sums, how: sums, device=torch.device("cpu"))
        step = 0

        def begin(self, step):
            self.step = step

        def fetch(self, batches):
            time[0] += 2.0 if self.step <= 2 else 0.0
            preparing = 0.9 if self.step <= 2 else 0.0
            return [[torch.zeros(2, 1), torch.tensor([[preparing, 0.05], [preparing, 0.05]])]]

        def gradients(self, micro_batches):
            time[0] += 5.0 if self.step == 1 else 0.3
            return torch.zeros(()), torch.zeros(())

        def update(self):
            pass

    steps = trial_steps.take_steps(Learner(), iter([]), budget=100)
    pace = trial_steps.pace_of(steps, began=0.0, crops=2, workers=1)
    assert pace.step == pytest.approx(0.3)
    assert pace.crop == pytest.approx(0.05)
    assert pace.start == pytest.approx(7 - 0.3 - 1.8)
    assert time[0] <= 5 + 100 * trial_steps.LONGEST + 2 + 0.3  # it ended when that share was over
