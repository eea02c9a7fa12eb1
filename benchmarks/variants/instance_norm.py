"""Instance norm (Ulyanov et al. 2016), as nnU-Net uses it, instead of batch norm."""

from typing import Any

from torch import nn

from train.model import build_model
from train.recipe import Recipe
from unet_hf import UNet


def build(*arguments: Any) -> UNet:
    """Builds the usual network with the norm exchanged."""
    model = build_model(*arguments)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.InstanceNorm2d(child.num_features, affine=True))
    return model


RECIPE = Recipe(build_model=build)
