"""`Recipe`: the parts of a training that are code, so that an experiment can replace one."""

from collections.abc import Callable
from dataclasses import dataclass

from unet_hf import UNet

from .config import TrainingConfig
from .losses import Loss, build_loss
from .model import build_model
from .publish import write_finished


def loss_of_options(config: TrainingConfig, model: UNet) -> Loss:
    """Builds the loss that the options name."""
    return build_loss(
        config.loss, label_smoothing=config.label_smoothing, focal_gamma=config.focal_gamma
    )


@dataclass(frozen=True)
class Recipe:
    """Functions that a training calls; the defaults are what `python -m train` does.

    build_model: Called as `train.model.build_model`.
    build_loss: Called with the options and the network that it is the loss of.
    finish: Called as `train.publish.write_finished`, after the last evaluation.
    """

    build_model: Callable[..., UNet] = build_model
    build_loss: Callable[[TrainingConfig, UNet], Loss] = loss_of_options
    finish: Callable[..., None] = write_finished


USUAL_RECIPE = Recipe()
