"""Residual blocks (He et al. 2016): each pair of convolutions adds to its input."""

from typing import Any

from torch import Tensor, nn

from train.model import build_model
from train.recipe import Recipe
from unet_hf import UNet
from unet_hf.network.network import DoubleConvolution


class Residual(nn.Module):
    """The two convolutions of a step, and a 1x1 convolution around them."""

    def __init__(self, step: DoubleConvolution) -> None:
        super().__init__()
        *convolutions, self.relu = step  # the last ReLU comes after the sum
        self.convolutions = nn.Sequential(*convolutions)
        first, norm = step[0], step[1]
        around = nn.Conv2d(first.in_channels, first.out_channels, 1, bias=first.bias is not None)
        nn.init.normal_(around.weight, std=(1 / first.in_channels) ** 0.5)
        new_norm = nn.BatchNorm2d(first.out_channels)
        self.around = nn.Sequential(
            around, new_norm if isinstance(norm, nn.BatchNorm2d) else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) -> (B, out, h, w)."""
        return self.relu(self.convolutions(x) + self.around(x))


def build(*arguments: Any) -> UNet:
    """Builds the usual network with residual steps; needs same padding."""
    model = build_model(*arguments)
    for steps in (model.contracting, model.expansive):
        for index, step in enumerate(steps):
            steps[index] = Residual(step)
    model.bottleneck = Residual(model.bottleneck)
    return model


RECIPE = Recipe(build_model=build)
