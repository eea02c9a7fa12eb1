"""`Steps`: what each step of a training does, tells, evaluates and writes."""

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import broadcast_object_list, gather_object
from tqdm.auto import tqdm

from unet_hf import UNet
from unet_hf.data.open import LabelledData, ValidationPairs
from unet_hf.evaluation.evaluate import evaluate_and_tally
from unet_hf.evaluation.expected import keep_best
from unet_hf.evaluation.summary import Evaluation, describe_evaluation
from unet_hf.files import write_text

from . import checkpoints
from .budget.deadline import Deadline
from .budget.trial import clock
from .checkpoints import METRICS, TrainingState
from .checks.problems import Seen
from .cross_validation.out_of_fold import OutOfFold
from .interruptions import StoppedError, StopRequest, diverged, how_to_resume
from .learner import Learner, MicroBatches
from .report import PICTURED, DataWait, scalars, time_left, write_samples

FIRST_ESTIMATE = 20  # steps after which the remaining time is estimated
LOGGED_STEPS = 100  # steps between lines of the log, where no terminal shows a bar

logger = logging.getLogger(__name__)


class Steps:
    """The steps from `progress.step` to the last one; each process makes its part of them."""

    def __init__(
        self,
        learner: Learner,
        data: LabelledData,
        progress: TrainingState,
        seen: Seen,
        deadline: Deadline | None,
        out_of_fold: OutOfFold | None,
    ) -> None:
        """seen: What the data set held when it was inspected, kept with each checkpoint.

        deadline: Fits the steps anew where they turn out slower or faster. out_of_fold: See
        `train.loop.train`.
        """
        self.learner, self.data, self.progress, self.seen = learner, data, progress, seen
        self.deadline, self.out_of_fold = deadline, out_of_fold
        self.accelerator = learner.accelerator
        self.main = self.accelerator.is_main_process
        self.output = Path(learner.config.output_dir)
        self.first = progress.step + 1
        self.last = out_of_fold.step if out_of_fold else learner.config.max_train_steps
        self.crops_a_step = learner.config.crops_per_process * self.accelerator.num_processes
        self.patience = learner.config.early_stopping_patience or np.inf
        self.started = clock() - progress.seconds

    def make(self, batches: Iterator[list[torch.Tensor]], stop: StopRequest) -> None:
        """Makes all steps, or as many as early stopping lets it.

        Raises:
            DivergedError: The loss or a gradient is no number any more.
            StoppedError: `stop` was asked for; a checkpoint is written.
        """
        if self._is_stale:
            return
        disable = None if self.main else True  # None: where no terminal is
        total, done = self.last, self.progress.step
        self.bar = tqdm(total=total, initial=done, unit="step", disable=disable)
        self.waiting = DataWait()
        step = self.first
        while step <= self.last:
            self.progress.step = step
            rate = self.learner.begin(step)
            with self.waiting:
                micro_batches = self.learner.fetch(batches)
            loss, asked, fits = self._learn(step, micro_batches, stop.asked)
            self._tell(step, loss, rate)
            if fits and fits != self.last:
                self._fit_anew(step, int(fits))
            at_end = step == self.last
            if self.out_of_fold:
                if self.main and at_end:
                    self.out_of_fold.keep(self.progress, self.learner.evaluated, self.output)
            elif step % self.learner.config.validation_steps == 0 or at_end:
                if self.main:
                    self._evaluate(step, loss, rate)
                    at_end = at_end or self._is_stale
                at_end = broadcast_object_list([at_end])[0]
            if step % self.learner.config.checkpointing_steps == 0 or at_end or asked:
                self._save(micro_batches)
            if at_end:
                break
            if asked:
                self.accelerator.wait_for_everyone()  # until the message's checkpoint is written
                raise StoppedError(f"Stopped after step {step}. {how_to_resume(self.output)}")
            step += 1
        self.bar.close()

    @property
    def _is_stale(self) -> bool:
        """Whether early stopping has seen enough evaluations that were no better."""
        return self.progress.stale_evaluations >= self.patience

    def _learn(
        self, step: int, micro_batches: MicroBatches, asked: bool
    ) -> tuple[float, float, float]:
        """Updates the weights.

        Returns the loss, whether any process was asked to stop, and how many steps fit into the
        time budget (0 without one); these are the same in all processes.
        """
        loss, norm = self.learner.gradients(micro_batches)
        # The first process says how many steps fit; the others add nothing to it.
        deadline = self.deadline
        fits = deadline.steps_that_fit(clock(), step - 1, self.last) if deadline else 0
        sums = torch.stack([loss, norm, *loss.new_tensor([float(asked), fits])])
        loss, norm, asked, fits = self.accelerator.reduce(sums, "sum").tolist()
        for what, value in (("loss", loss), ("gradient", norm)):
            if not np.isfinite(value):
                raise diverged(what, value, self.learner.config, step)
        self.learner.update()
        return loss, asked, fits

    def _tell(self, step: int, loss: float, rate: float) -> None:
        """Shows the step in the bar or, where there is none, now and then in the log."""
        self.progress.seconds = round(clock() - self.started, 1)
        bar = self.bar
        bar.update()
        if step == self.first:
            self.waiting.begin()  # the first step is slower: it allocates and starts workers
        pace = (step - self.first) / self.waiting.elapsed  # steps a second
        samples = f"{self.crops_a_step * pace:.1f}/s"
        bar.set_postfix(loss=f"{loss:.3f}", lr=f"{rate:.1e}", samples=samples)
        if self.main and step - self.first == FIRST_ESTIMATE:
            bar.write(time_left(pace, self.last - step))
        if self.main and bar.disable and step % LOGGED_STEPS == 0:
            logger.info("step %d: loss %.3f, lr %.1e, %s samples", step, loss, rate, samples)

    def _fit_anew(self, step: int, last: int) -> None:
        """Ends the training, and its schedule of the learning rate, earlier or later."""
        self.progress.extended.append([step, self.last])
        pace = "slower" if last < self.last else "faster"
        before, self.last = self.last, last
        config = replace(self.learner.config, max_train_steps=self.last)
        self.learner.config, self.bar.total = config, self.last
        if self.main:
            write_text(self.output / "training.json", config.to_json())
            self.bar.write(
                f"step {step}: {pace} than foreseen, so {self.last:,} steps instead of "
                f"{before:,} fit into {config.fitted_to}"
            )

    def _evaluate(self, step: int, loss: float, rate: float) -> None:
        """Evaluates the averaged weights, keeps them if they are the best, and draws samples."""
        config, evaluated, progress = self.learner.config, self.learner.evaluated, self.progress
        row = {"step": step, "seconds": progress.seconds, "loss": round(loss, 5)}
        row |= {"learning_rate": rate, "waiting": self.waiting.share()}
        evaluation, tally = evaluate_and_tally(
            [(evaluated, ValidationPairs(self.data, config))], choose_objects=True
        )
        progress.tallies = keep_best({**progress.tallies, step: tally})
        note_evaluation(progress, row, evaluation, evaluated, self.output)
        self.accelerator.log(scalars(progress.rows[-1]), step)
        shown = ValidationPairs(self.data, config, PICTURED)
        write_samples(self.output / "samples" / f"step-{step:06d}.png", evaluated, shown)
        self.bar.write(f"step {step}: {describe_evaluation(evaluation)}")
        self.waiting.restart()

    def _save(self, micro_batches: MicroBatches) -> None:
        """Writes all that `--resume_from_checkpoint` needs."""
        progress, learner = self.progress, self.learner
        progress.place = gather_object([place_of_next(micro_batches)])[-1]
        progress.config = learner.config.to_dict()
        progress.processes, progress.seen = self.accelerator.num_processes, self.seen
        if self.main:
            checkpoints.save_training_state(
                self.output,
                progress,
                learner.model,
                learner.evaluated,
                learner.optimizer,
                learner.config.checkpoints_total_limit,
            )
            self.waiting.restart()


def note_evaluation(
    progress: TrainingState, row: dict, evaluation: Evaluation, evaluated: UNet, output: Path
) -> None:
    """Adds an evaluation to the progress; the weights of the best one are kept in `output/best`."""
    details = asdict(evaluation)
    row |= {
        key: value
        for key, value in details.items()
        if key not in ("images", "intervals", "objects")
    }
    evaluated.config["threshold"] = evaluation.threshold
    if evaluation.objects:
        row["objects"] = evaluation.objects["all"]["scores"]
        evaluated.config["objects"] = evaluation.objects["recipe"]
    if progress.best is None or evaluation.score >= progress.best["score"]:
        progress.best, progress.best_step, progress.stale_evaluations = details, row["step"], 0
        checkpoints.save_best(output, evaluated)
    else:
        progress.stale_evaluations += 1
    progress.rows.append(row)
    write_metrics(output, progress)


def write_metrics(output: Path, progress: TrainingState) -> None:
    """Writes metrics.jsonl, one line for each evaluation."""
    write_text(output / METRICS, "".join(json.dumps(row) + "\n" for row in progress.rows))


def place_of_next(micro_batches: list[list[torch.Tensor]]) -> list[int]:
    """Epoch and row after this process' last crop of a stream; [0, 0] if it is no stream."""
    if len(micro_batches[-1]) < 5:
        return [0, 0]
    epoch, row = micro_batches[-1][4][-1].tolist()
    return [epoch, row + 1]
