"""Networks of every kind, with weights that do something, and images for them."""

from typing import Any

import numpy as np
import torch

from unet_hf import UNet
from unet_hf.engine.precision import cpu_precisions
from unet_hf.hub.find import SHIPPED

NETWORKS: dict[str, dict[str, Any]] = {
    "usual": {},
    "colour": {"in_channels": 3, "num_classes": 5, "base_channels": 8, "depth": 3}
    | {"object_outputs": {"version": 1, "channels": ["distance", "border"]}},
    "narrow": {"base_channels": 1, "depth": 1},
    "odd": {"base_channels": 3, "depth": 2},
    "deep": {"base_channels": 2, "depth": 6, "max_channels": 8},
    "bilinear": {"base_channels": 8, "max_channels": 16, "upsampling": "bilinear", "depth": 2},
    "no norm": {"base_channels": 8, "norm": "none", "depth": 3},
    "valid": {"base_channels": 8, "padding": "valid", "depth": 3},
    "paper": {"base_channels": 8, "padding": "valid", "norm": "none", "dropout": 0.5}
    | {"object_outputs": {"version": 1, "channels": ["distance"]}},
}
HERE = [name for name in cpu_precisions() if name != "int8"]
SAMPLE = SHIPPED / "unet-isbi" / "sample" / "input.png"


def network(**options: Any) -> UNet:
    """With batch norms and biases that do something."""
    torch.manual_seed(0)
    model = UNet(**({"base_channels": 8} | options)).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
        if getattr(module, "bias", None) is not None:
            torch.nn.init.normal_(module.bias, std=0.1)
    return model


def images(model: UNet, count: int = 2, height: int = 70, width: int = 100) -> torch.Tensor:
    sides = (model.geometry.input_size(side) for side in (height, width))
    return torch.randn(count, model.config["in_channels"], *sides)


def gray(height: int = 120, width: int = 150) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
