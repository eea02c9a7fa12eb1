"""Skeleton recall (Kirchhoff et al. 2024, arXiv 2404.03010): the true skeleton must be found.

Only the truth has a skeleton here, computed once and without a gradient, so it costs less than
clDice. It is widened by a pixel, as in the paper.
"""

import numpy as np
import torch
from torch import Tensor

from .terms import mean_over, one_hot, with_term

WEIGHT = 1.0


def skeletons(truth: Tensor) -> Tensor:
    """Middle lines of (B, classes, h, w) bool regions, three px wide, inside the regions."""
    from scipy.ndimage import binary_dilation
    from skimage.morphology import skeletonize

    square = np.ones((3, 3), bool)
    lines = np.zeros(truth.shape, bool)
    for place in np.ndindex(*truth.shape[:2]):
        region = truth[place].cpu().numpy()
        lines[place] = binary_dilation(skeletonize(region), square) & region
    return torch.from_numpy(lines).to(truth.device)


def skeleton_recall_losses(logits: Tensor, label: Tensor) -> Tensor:
    """Computes 1 - soft recall of the true skeletons, 0 to 1: (B,), the mean over classes."""
    lines = skeletons(one_hot(label, logits.shape[1]))
    length = lines.sum((2, 3))
    found = (logits.softmax(1) * lines).sum((2, 3))
    return mean_over(1 - found / length.clamp(min=1), length > 0)


RECIPE = with_term(skeleton_recall_losses, WEIGHT)
