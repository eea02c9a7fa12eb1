"""Measures how long steps take, by trial steps with crops of the usual loader."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from accelerate.utils import broadcast_object_list
from torch import Tensor
from torch.utils.data import IterableDataset

from unet_hf.data.open import LabelledData
from unet_hf.data.pairs import Pairs

from ..checks.inspection import Inspection
from ..crops.crops import (
    PREFETCHED,
    PREPARED_BYTES,
    CropMaker,
    CropSampler,
    Prepared,
    RandomCrops,
    StreamedCrops,
    crop_loader,
)
from ..crops.workers import cores
from ..learner import Learner
from .fit import Pace

TRIED_IMAGES = 8  # whose preparation is measured
CALM_STEPS = 10  # that are measured, after the crops that were waiting
MOST_STEPS = 10_000
# Shares of the budget: the trial steps end after the first one if they have seen enough, and after
# the second one at the latest.
ENOUGH, LONGEST = 0.01, 0.05

clock = time.perf_counter


class TimedCrops(RandomCrops):
    """Crops of a few images in turn; each item also has the seconds that its making took.

    They are two numbers after the tensors of the crop, float32: to prepare its image, 0 if it was
    prepared already, and to cut it.
    """

    def __init__(
        self, pairs: Pairs, areas: np.ndarray, maker: CropMaker, kinds: np.ndarray | None = None
    ) -> None:
        super().__init__(pairs, areas, maker, kinds)
        few = min(TRIED_IMAGES, int((self.share > 0).sum()))
        drawn = np.random.default_rng(maker.config.seed)
        self.tried = drawn.choice(len(pairs), few, replace=False, p=self.share)
        self.preparing = 0.0

    def prepare(self, position: int) -> Prepared:
        begin = clock()
        prepared = super().prepare(position)
        self.preparing = clock() - begin
        return prepared

    def __getitem__(self, number: int) -> tuple[Tensor, ...]:
        self.preparing, begin = 0.0, clock()
        prepared = self.prepared(int(self.tried[number % len(self.tried)]))
        crop = self.maker.cut_alone(prepared, self.maker.generator(number))
        return *crop, torch.tensor([self.preparing, clock() - begin - self.preparing])


class TimedStream(IterableDataset):
    """Crops of a stream; two numbers after each as those of `TimedCrops`, the first one 0."""

    def __init__(self, crops: StreamedCrops) -> None:
        self.crops = crops

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        begin = clock()
        for crop in self.crops:
            yield *crop, torch.tensor([0.0, clock() - begin])
            begin = clock()


@dataclass
class TrialStep:
    """Seconds that a trial step took."""

    ended: float  # by the clock
    seconds: float
    waited: float  # for crops
    prepared: np.ndarray  # (crops,) to prepare the image of a crop, 0 if it was there
    cut: np.ndarray  # (crops,)


def take_steps(learner: Learner, batches: Iterator[list[Tensor]], budget: float) -> list[TrialStep]:
    """Takes trial steps until enough of them had only crops of prepared images, at least two.

    budget: Seconds of the whole training; the trial ends early if it takes too large a part.
    """
    accelerator = learner.accelerator
    steps: list[TrialStep] = []
    began, calm = clock(), 0
    while True:
        begin = clock()
        learner.begin(len(steps) + 1)
        micro_batches = learner.fetch(batches)
        waited = clock() - begin
        accelerator.reduce(torch.stack(learner.gradients(micro_batches)), "sum").tolist()
        learner.update()
        if accelerator.device.type == "cuda":
            torch.cuda.synchronize(accelerator.device)
        end = clock()
        timed = torch.cat([batch[-1] for batch in micro_batches]).cpu().numpy()  # (crops, 2)
        steps.append(TrialStep(end, end - begin, waited, *timed.T.astype(np.float64)))
        calm = 0 if timed[:, 0].any() else calm + 1
        seen = calm >= PREFETCHED + CALM_STEPS and end - began >= ENOUGH * budget
        over = seen or end - began >= LONGEST * budget or len(steps) == MOST_STEPS
        if broadcast_object_list([over and len(steps) > 1])[0]:
            return steps


def measure_pace(
    learner: Learner, budget: float, data: LabelledData, inspection: Inspection, maker: CropMaker
) -> Pace:
    """Takes trial steps with crops of the usual loader; all processes take equally many.

    The pace is that of steps whose images are prepared; how long it takes to prepare an image is
    measured on a few. budget: Seconds of the whole training.
    """
    accelerator, config = learner.accelerator, learner.config
    numbers = CropSampler(config, 0, accelerator.process_index, accelerator.num_processes)
    areas = inspection.areas(data.train) if isinstance(data.train, Pairs) else None
    crops: TimedCrops | TimedStream
    if areas is None:
        crops = TimedStream(StreamedCrops(data.train, numbers, maker, (0, 0)))
    else:
        crops = TimedCrops(data.train, areas, maker, data.kinds)
    began = clock()
    loader = crop_loader(crops, numbers, config, accelerator.device)
    steps = take_steps(learner, iter(loader), budget)
    pace = pace_of(steps, began, config.crops_per_process, loader.num_workers)
    prepared = np.concatenate([step.prepared for step in steps])
    if areas is None or not prepared.any():
        return pace
    busy = accelerator.device.type == "cpu"
    busy &= torch.get_num_threads() + loader.num_workers > cores()
    return replace(
        pace,
        # An image of twice the area takes twice as long.
        image=float(prepared[prepared > 0].mean() * areas.mean() / areas[crops.tried].mean()),
        images=len(areas),
        kept=min(1.0, PREPARED_BYTES / (maker.pixel_bytes * float(areas.sum()))),
        lost=1 / cores() if busy else 0.0,
    )


def pace_of(steps: list[TrialStep], began: float, crops: int, workers: int) -> Pace:
    """Computes the pace of steps whose images are prepared; began: when the loader was made."""
    last = max((number for number, step in enumerate(steps) if step.prepared.any()), default=0)
    calm = steps[last + 1 :] or steps[1:]
    computing = float(np.mean([step.seconds - step.waited for step in calm]))
    cut = float(np.mean(np.concatenate([step.cut for step in calm])))
    # The first of them find crops that were made while a slower step went on.
    usual = [step.seconds for step in calm[PREFETCHED:]] or [computing]
    cutting = cut * crops / max(workers, 1)
    return Pace(
        step=max(float(np.mean(usual)), computing, cutting),
        start=max(0.0, steps[0].ended - began - computing - float(steps[0].prepared.sum())),
        crop=cut,
        crops=crops,
        workers=workers,
    )
