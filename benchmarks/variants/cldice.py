"""Centreline Dice (Shit et al. 2021, arXiv 2003.07311): thin parts that are cut cost more.

Precision is how much of the predicted skeleton lies in the true class, recall how much of the true
skeleton lies in the predicted class. The skeletons are soft: what erosions leave of what openings
remove.
"""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from .terms import mean_over, one_hot, with_term

EROSIONS = 10  # px; half of the largest width that is thinned to its middle
WEIGHT = 0.5
SMOOTH = 1.0  # px; keeps empty skeletons from dividing by 0


def eroded(x: Tensor) -> Tensor:
    """Minimum over the plus-shaped neighbourhood of each pixel: (B, C, h, w)."""
    rows = -max_pool2d(-x, (3, 1), 1, (1, 0))
    columns = -max_pool2d(-x, (1, 3), 1, (0, 1))
    return torch.minimum(rows, columns)


def soft_skeleton(x: Tensor, erosions: int = EROSIONS) -> Tensor:
    """Skeleton of maps of 0 to 1: (B, C, h, w), where 1 is on a middle line."""
    skeleton = torch.zeros_like(x)
    for _ in range(erosions + 1):
        smaller = eroded(x)
        opened = max_pool2d(smaller, 3, 1, 1)
        ridge = (x - opened).relu()
        skeleton = skeleton + ridge * (1 - skeleton)
        x = smaller
    return skeleton


def cldice_losses(logits: Tensor, label: Tensor) -> Tensor:
    """Computes 1 - clDice of each crop, 0 to 1: (B,), the mean over the classes it shows."""
    truth = one_hot(label, logits.shape[1]).float()
    counted = truth.sum(1, keepdim=True)
    probability = logits.softmax(1) * counted
    ours, theirs = soft_skeleton(probability), soft_skeleton(truth)
    precision = _share(ours, truth)
    recall = _share(theirs, probability)
    dice = 2 * precision * recall / (precision + recall)
    return mean_over(1 - dice, truth.sum((2, 3)) > 0)


def _share(skeleton: Tensor, region: Tensor) -> Tensor:
    inside = (skeleton * region).sum((2, 3))
    return (inside + SMOOTH) / (skeleton.sum((2, 3)) + SMOOTH)


RECIPE = with_term(cldice_losses, WEIGHT)
