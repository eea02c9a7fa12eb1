"""Computes the loss of what a network tells of objects beside their classes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from unet_hf.network.network import center_crop


@dataclass(frozen=True)
class ObjectLoss:
    """The sum over a network's object channels; pixels weigh as in the loss of the classes.

    channels: Those of the network, see `Network.object_channels`.
    distance_weight: Of the mean absolute error of "distance" and of "centre".
    border_weight: Of the cross-entropy of "border".
    """

    channels: Sequence[str]
    distance_weight: float = 1.0
    border_weight: float = 1.0

    def __call__(
        self, maps: Tensor, targets: Tensor, weights: Tensor, *, pixels: int | Tensor
    ) -> Tensor:
        """Computes the loss of a batch, or this batch's share in the loss of a larger step.

        Args:
            maps: (B, n, h, w), any float dtype; what the network gave. Computed in float32.
            targets: (B, n, H, W) float32, see `object_targets`; H >= h, W >= w.
            weights: (B, H, W) float32: w(x) of the paper's equation 2, 0 where nothing is known.
            pixels: Counted pixels of the whole step, see `counted_pixels`.
        """
        size = maps.shape[-2:]
        maps, targets = maps.float(), center_crop(targets, size)
        weights = center_crop(weights, size)
        total = maps.new_zeros(())
        for name, values, truth in zip(
            self.channels, maps.unbind(1), targets.unbind(1), strict=True
        ):
            if name == "border":
                terms = functional.binary_cross_entropy_with_logits(values, truth, reduction="none")
                factor = self.border_weight
            else:
                terms, factor = (values - truth).abs(), self.distance_weight
            total = total + factor * (terms * weights).sum()
        return total / torch.as_tensor(pixels).clamp(min=1)
