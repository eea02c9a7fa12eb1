"""Computes the losses of a teaching: what is painted, and what the old network says elsewhere."""

import torch
from torch import Tensor
from torch.nn import functional

from unet_hf.data.detect_encoding import IGNORE


def painted_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Computes the cross-entropy of painted pixels; each class that is there weighs the same.

    Who paints a broad stroke of background and a thin one of a crack means both alike.

    Args:
        logits: (B, classes, h, w) float32.
        label: (B, h, w) int64, IGNORE where nothing is painted.

    Returns:
        A scalar; 0, with a gradient of 0, if nothing is painted.
    """
    entropies = functional.cross_entropy(logits, label, ignore_index=IGNORE, reduction="none")
    known = label != IGNORE
    counts = torch.bincount(label[known], minlength=logits.shape[1])  # (classes,)
    shown = (counts > 0).sum().clamp(min=1)
    weights = 1 / (counts.clamp(min=1) * shown)
    return (entropies * weights[torch.where(known, label, 0)] * known).sum()


def share_right(logits: Tensor, label: Tensor) -> float:
    """The share of the painted pixels whose class is the most probable one; each class alike.

    As `painted_loss`; 1 if nothing is painted.
    """
    known = label != IGNORE
    truth, right = label[known], logits.argmax(1)[known] == label[known]
    shares = [right[truth == class_id].float().mean() for class_id in truth.unique()]
    return float(sum(shares) / len(shares)) if shares else 1.0


def anchor_loss(logits: Tensor, label: Tensor, old: Tensor) -> Tensor:
    """Computes how far the network has gone from the old one where nothing is painted.

    It is the mean Kullback-Leibler divergence from the old probabilities over these pixels.

    Args:
        logits: (B, classes, h, w) float32.
        label: (B, h, w) int64, IGNORE where nothing is painted.
        old: (B, classes, h, w) float32, the old probabilities; about 1 in sum.
    """
    free = label == IGNORE
    divergence = functional.kl_div(logits.log_softmax(1), old, reduction="none").sum(1)
    return (divergence * free).sum() / free.sum().clamp(min=1)


def maps_anchor_loss(maps: Tensor, old: Tensor) -> Tensor:
    """Computes the mean absolute difference from the old maps of objects, (B, n, h, w) float32."""
    return (maps - old).abs().mean()
