"""The sides that `benchmarks.same_budget` can compare."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Side:
    """A file of this folder, the package it needs, and what it is asked."""

    module: str
    title: str
    package: str | None = None  # as it is imported; None: nothing beyond this project
    install: str = ""
    options: dict[str, Any] = field(default_factory=dict)


NNUNET = {"package": "nnunetv2", "install": "pip install nnunetv2"}
SIDES = {
    "ours": Side("ours", "this project, default command"),
    "nnunet": Side("nnunet", "nnU-Net v2, 2D, plain", options={"plans": "plain"}, **NNUNET),
    "nnunet-resenc": Side(
        "nnunet", "nnU-Net v2, 2D, ResEnc M", options={"plans": "resenc"}, **NNUNET
    ),
    "smp": Side(
        "smp_unet",
        "segmentation_models.pytorch, U-Net with ResNet-34",
        "segmentation_models_pytorch",
        "pip install segmentation-models-pytorch",
    ),
    "monai": Side("monai_unet", "MONAI, UNet", "monai", "pip install monai"),
    "window": Side("window", "pixel classifier of 2012, window of 65 px", options={"side": 65}),
    "window-95": Side("window", "pixel classifier of 2012, window of 95 px", options={"side": 95}),
}
