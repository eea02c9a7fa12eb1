"""Deep supervision (Lee et al. 2015), as nnU-Net uses it: coarser levels are also told the truth.

The expansive path gives logits at a half and a quarter of the resolution, too. Their losses count
a half and a quarter as much. The additional heads are not used in predictions.
"""

from typing import Any

from torch import Tensor, nn

from train.config import TrainingConfig
from train.losses import Loss
from train.model import build_model
from train.recipe import Recipe, loss_of_options
from unet_hf import UNet

LEVELS = 2  # below full resolution


class Supervised(nn.Module):
    """A step of the expansive path that keeps logits of its own for the loss."""

    def __init__(self, step: nn.Module, channels: int, classes: int) -> None:
        super().__init__()
        self.step, self.head = step, nn.Conv2d(channels, classes, 1)
        nn.init.normal_(self.head.weight, std=(2 / channels) ** 0.5)  # as the usual head
        nn.init.zeros_(self.head.bias)
        self.logits: Tensor | None = None  # of the latest forward pass of the training

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) -> (B, channels, h, w)."""
        x = self.step(x)
        self.logits = self.head(x) if self.training else None
        return x


def supervised_steps(model: UNet) -> dict[int, int]:
    """The levels below full resolution (1 is half of it) by their index in the expansive path."""
    last = len(model.expansive) - 1
    return {last - level: level for level in range(1, LEVELS + 1) if level <= last}


def build(*arguments: Any) -> UNet:
    """Builds the usual network with heads at coarser levels; needs same padding."""
    model = build_model(*arguments)
    classes, width = model.config["num_classes"], model.config["base_channels"]
    for index, level in supervised_steps(model).items():
        model.expansive[index] = Supervised(model.expansive[index], width * 2**level, classes)
    return model


class DeepLoss:
    """The usual loss, plus those of the coarser logits that the network has kept."""

    def __init__(self, usual: Loss, model: UNet) -> None:
        self.usual, self.model = usual, model

    def __call__(
        self, logits: Tensor, label: Tensor, weights: Tensor, *, pixels: Tensor, crops: int
    ) -> Tensor:
        """Computes the loss, see `Loss`; the sum of the weights of all levels is 1."""
        total, shares = self.usual(logits, label, weights, pixels=pixels, crops=crops), 1.0
        for index, level in supervised_steps(self.model).items():
            every, share = 2**level, 0.5**level
            coarse = self.usual(
                self.model.expansive[index].logits,
                label[:, ::every, ::every],
                weights[:, ::every, ::every],
                pixels=pixels / every**2,
                crops=crops,
            )
            total, shares = total + share * coarse, shares + share
        return total / shares


def build_loss(config: TrainingConfig, model: UNet) -> DeepLoss:
    return DeepLoss(loss_of_options(config, model), model)


RECIPE = Recipe(build_model=build, build_loss=build_loss)
