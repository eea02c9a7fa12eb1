"""Fits the number of steps, evaluations and checkpoints to the time that a training may take."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

from unet_hf.words import number_of

from ..duration import read_duration, say_duration
from ..errors import TooShortError

MARGIN = 0.02  # of the budget, for what no measurement foresees
FOR_EVALUATIONS = 0.1  # highest share of the budget, unless a single one takes more
MOST_EVALUATIONS = 10
FOR_CHECKPOINTS = 0.02
SECONDS_BETWEEN_CHECKPOINTS = 300.0  # of a long training; a short one has MOST_EVALUATIONS
FEWEST_STEPS = 20  # fewer teach a network nothing
PARTS = 64  # of a training, in each of which the pace counts as even


@dataclass(frozen=True)
class Pace:
    """How long the steps of one process take, from what a trial has measured.

    An image is prepared (read, normalized, its weight map computed) for the first crop that is cut
    from it, and then kept. So the first steps of a training on many images are slower.
    """

    step: float  # seconds of a step whose images are all prepared
    start: float = 0.0  # seconds until the first crops come, and of memory for the first step
    crop: float = 0.0  # seconds to cut a crop
    crops: int = 1  # of a step
    image: float = 0.0  # seconds to prepare an image
    images: float = 1.0
    kept: float = 1.0  # share of the images that fit into memory
    workers: int = 1  # processes that prepare crops; 0: the training does
    lost: float = 0.0  # seconds that the network loses to a second of a worker, 0 to 1

    def prepared(self, crops: float) -> float:
        """Expected number of images that are prepared for the first `crops` crops."""
        workers = max(self.workers, 1)  # each prepares an image anew
        missed = (1 - 1 / max(self.images, 1)) ** (crops / workers)
        first = self.images * (1 - missed) * workers
        return self.kept * first + (1 - self.kept) * crops

    def seconds(self, steps: int) -> float:
        """Expected seconds of the first `steps` steps, without evaluations and checkpoints."""
        if steps < 1:
            return 0.0
        ends = [steps ** (part / PARTS) - 1 for part in range(PARTS)] + [float(steps)]
        total = self.start
        for begin, end in itertools.pairwise(ends):
            images = self.prepared(end * self.crops) - self.prepared(begin * self.crops)
            preparing = images * self.image
            if self.workers == 0:
                total += (end - begin) * self.step + preparing
                continue
            work = ((end - begin) * self.crops * self.crop + preparing) / self.workers
            total += max((end - begin) * self.step + self.lost * preparing, work)
        return total


@dataclass(frozen=True)
class Costs:
    """Seconds that the parts of a training take on this machine."""

    pace: Pace
    used: float  # until now, since the command was given
    evaluation: float
    checkpoint: float
    finish: float  # the finished checkpoint with its evidence
    unlearned: float = 0.0  # what an evaluation takes more if the network has learned nothing


@dataclass(frozen=True)
class Fit:
    """What fits into a time budget."""

    steps: int
    validation_steps: int
    checkpointing_steps: int
    words: str  # a line of the plan


def fit_steps(
    budget: str, costs: Costs, validation_steps: int | None, checkpointing_steps: int | None
) -> Fit:
    """Fits the number of steps to a budget; the last two arguments are None if not given.

    Raises:
        TooShortError: Fewer than `FEWEST_STEPS` fit; it says what would.
    """
    seconds = read_duration(budget)
    evaluations = _clipped(FOR_EVALUATIONS * seconds / costs.evaluation, MOST_EVALUATIONS)
    often = max(MOST_EVALUATIONS, int(seconds / SECONDS_BETWEEN_CHECKPOINTS))
    saved = _clipped(FOR_CHECKPOINTS * seconds / costs.checkpoint, often)

    def needed(steps: int) -> float:
        shown = -(-steps // validation_steps) if validation_steps else min(evaluations, steps)
        kept = -(-steps // checkpointing_steps) if checkpointing_steps else min(saved, steps)
        # At the first evaluation the network has learned a part of what it will.
        others = shown * costs.evaluation + costs.unlearned / 2 + kept * costs.checkpoint
        return costs.used + costs.pace.seconds(steps) + others + costs.finish

    steps = most_steps(lambda steps: needed(steps) <= (1 - MARGIN) * seconds)
    step = say_duration(costs.pace.step)
    if steps < FEWEST_STEPS:
        enough = math.ceil(needed(FEWEST_STEPS) / (1 - MARGIN) / 10) * 10
        raise TooShortError(
            f"--time_budget {budget} is too short: {number_of(steps, 'step')} would fit. "
            f"{say_duration(costs.used)} are over, a step takes {step}, an evaluation "
            f"{say_duration(costs.evaluation)}, writing the checkpoint with its evidence "
            f"{say_duration(costs.finish)}. The least that makes sense here is {enough}s; "
            "a smaller --base_channels, --resolution, --train_batch_size or "
            "--max_validation_images needs less.",
            enough,
        )
    every = validation_steps or -(-steps // evaluations)
    shown = -(-steps // every)
    return Fit(
        steps,
        every,
        checkpointing_steps or -(-steps // saved),
        f"{steps:,}: {step} a step, {number_of(shown, 'evaluation')} of "
        f"{say_duration(costs.evaluation)} fit into {say_duration(seconds)}",
    )


def _clipped(number: float, most: int) -> int:
    return max(1, min(int(number), most))


def most_steps(fits: Callable[[int], bool]) -> int:
    """Finds the largest number of steps that fits; 0 if not even one does."""
    low, high = 0, 1
    while fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
