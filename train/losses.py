"""Pixel-wise softmax cross-entropy, weighted by a map (paper, equation 1)."""

import torch
from torch import Tensor
from torch.nn import functional


def weighted_cross_entropy(
    logits: Tensor, label: Tensor, weights: Tensor, ignore_index: int = 255
) -> Tensor:
    """Mean over the pixels that count of weight times cross-entropy.

    Args:
        logits: (B, classes, h, w), any float dtype; computed in float32.
        label: (B, H, W) int64 with H >= h: a valid network's output is the middle of its input.
        weights: (B, H, W) float32.

    Returns:
        A float32 scalar; 0 if every pixel is ignored.
    """
    top = (label.shape[-2] - logits.shape[-2]) // 2
    left = (label.shape[-1] - logits.shape[-1]) // 2
    middle = (..., slice(top, top + logits.shape[-2]), slice(left, left + logits.shape[-1]))
    label, weights = label[middle], weights[middle]
    losses = functional.cross_entropy(
        logits.float(), label, ignore_index=ignore_index, reduction="none"
    )
    counted = (label != ignore_index).sum().clamp(min=1)
    return torch.sum(losses * weights) / counted
