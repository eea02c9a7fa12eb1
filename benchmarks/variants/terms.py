"""What the added terms of a loss share."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from train.config import TrainingConfig
from train.losses import Loss
from train.recipe import Recipe, loss_of_options
from unet_hf import UNet
from unet_hf.data.detect_encoding import IGNORE


def with_term(term: Callable[[Tensor, Tensor], Tensor], weight: float) -> Recipe:
    """A recipe whose loss has one more term of each crop: (logits, label) -> (B,), times weight."""

    def build_loss(config: TrainingConfig, model: UNet) -> Loss:
        usual = loss_of_options(config, model)

        def both(logits: Tensor, label: Tensor) -> Tensor:
            added = weight * term(logits, label)
            return added + usual.crop_term(logits, label) if usual.crop_term else added

        return replace(usual, crop_term=both)

    return Recipe(build_loss=build_loss)


def one_hot(label: Tensor, classes: int) -> Tensor:
    """(B, h, w) class ids -> (B, classes, h, w) bool; no class where the label is IGNORE."""
    ids = torch.arange(classes, device=label.device)[:, None, None]
    return (label[:, None] == ids) & (label != IGNORE)[:, None]


def mean_over(values: Tensor, shown: Tensor) -> Tensor:
    """The mean of (B, classes) over the classes that a crop shows: (B,); 0 if it shows none."""
    return (values * shown).sum(1) / shown.sum(1).clamp(min=1)
