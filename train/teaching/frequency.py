"""How frequent the classes are, though strokes show each of them alike.

Whoever paints five strokes of every class says nothing of how rare they are. A network that learns
from them, each class with the same weight, takes a rare one for more frequent than it is, and sees
it wherever it is in doubt. Its probabilities are therefore multiplied by a power of how frequent it
takes the classes to be, as a classifier's are that has learned from other frequencies than it meets
(Saerens et al. 2002, Neural Computation 14). A power of 1 would be right if it had learned from
strokes alone; less is right beside forests that know something of it, see `guess_frequencies`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from unet_hf import UNet

IN_BETWEEN = 0.5  # the power, each time that the network has a say in what it is held to
AT_LAST = 0.25  # and in what is kept of it


def mean_frequencies(told: Sequence[Tensor]) -> Tensor:
    """The mean of probabilities over all pixels: (classes,). told: (classes, h, w) of each part."""
    total = sum(likely.sum((1, 2)) for likely in told)
    return total / total.sum()


def with_frequencies(likely: Tensor, frequent: Tensor, power: float) -> Tensor:
    """Probabilities, (classes, h, w), times a power of how frequent each class is, (classes,)."""
    likely = likely * (frequent**power)[:, None, None]
    return likely / likely.sum(0)


@torch.no_grad()
def shift_head(network: UNet, frequent: Tensor, power: float) -> None:
    """Changes the network so that it gives what `with_frequencies` makes of its probabilities."""
    network.head.bias += power * frequent.to(network.device).clamp(min=1e-6).log()
