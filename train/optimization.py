"""Builds the optimizer, and computes learning rates and averaged weights."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from .config import TrainingConfig


def build_optimizer(
    parameters: Iterable[nn.Parameter], config: TrainingConfig
) -> torch.optim.Optimizer:
    """Builds AdamW, or the paper's SGD with a high momentum; both fused, one kernel a step."""
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=config.learning_rate,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            fused=True,
        )
    return torch.optim.AdamW(
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )


def learning_rate(step: int, config: TrainingConfig) -> float:
    """The learning rate of a step, counted from 1.

    Linear warm-up, then constant, cosine, or polynomial (power 0.9) decay to 0. It depends only
    on the step and the options, so a resumed training has no state of it to restore.
    """
    warmup, total = warmup_steps(config), config.max_train_steps
    if step <= warmup:
        return config.learning_rate * step / warmup
    done = (step - warmup) / max(1, total - warmup + 1)  # the last step is not 0
    if config.lr_scheduler == "cosine":
        return config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
    if config.lr_scheduler == "polynomial":
        return config.learning_rate * (1 - done) ** 0.9
    return config.learning_rate


def warmup_steps(config: TrainingConfig) -> int:
    """Number of warm-up steps: as given, or a tenth of all steps."""
    if config.lr_warmup_steps is not None:
        return config.lr_warmup_steps
    return config.max_train_steps // 10


def norms_are_settled(step: int, config: TrainingConfig) -> bool:
    """Whether batch norms keep their averages in a step, counted from 1.

    Until then a crop is normalized by the few it is trained with, but an image is predicted by the
    averages over many crops: where images are of several kinds, that is another network. In the
    last part, the weights learn what is right for these averages.

    Like `learning_rate`, it depends only on the step and the options. A training at a constant rate
    may be made longer at any time, so it has no last part.
    """
    ends = config.lr_scheduler != "constant"
    return ends and step > config.norms_settle_after * config.max_train_steps


def moving_average(decay: float) -> Callable[..., None]:
    """Makes an exponential moving average that forgets faster at first.

    After 300 steps with decay 0.998, half of a plain average would still be the random weights of
    the start.
    """

    def update(averaged: list[Tensor], current: list[Tensor], steps: Tensor) -> None:
        now = min(decay, (1 + int(steps)) / (10 + int(steps)))
        get_ema_multi_avg_fn(now)(averaged, current, steps)

    return update


def seed_step(seed: int, step: int, process: int) -> None:
    """Seeds PyTorch for one step, for its dropout.

    The seed does not depend on earlier steps, so a resumed training needs no generator's state.
    """
    import numpy as np

    (value,) = np.random.SeedSequence([seed, step, process]).generate_state(1, np.uint64)
    torch.manual_seed(int(value) >> 1)
