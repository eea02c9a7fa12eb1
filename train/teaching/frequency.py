"""`shift_by_frequency`: a rare class stays rare, though strokes show each class alike.

Whoever paints five strokes of every class says nothing of how rare they are. A network that learns
from them, each class with the same weight, takes a rare one for more frequent than it is, and sees
it wherever it is in doubt. Its probabilities are therefore multiplied by a power of how frequent it
takes the classes to be, as a classifier's are that meets other frequencies than it has learned from
(Saerens et al. 2002, Neural Computation 14). A power of 1 would be right if it had learned from
strokes alone; less is right beside forests that know something of it, see `guess_frequencies`.
"""

from collections.abc import Sequence

import torch

from unet_hf import Segmentation, UNet

POWER = 0.75
MOST_APART = 16  # times that one class may count as rarer than another: no thin crack vanishes


@torch.no_grad()
def shift_by_frequency(network: UNet, results: Sequence[Segmentation]) -> None:
    """Changes the biases of the last layer: what is added to the logits multiplies probabilities.

    results: What the network says of images now.
    """
    total = sum(torch.from_numpy(result.probabilities).sum((1, 2)) for result in results)
    frequent = total / total.sum()
    frequent = frequent.clamp(min=frequent.max() / MOST_APART)
    network.head.bias += POWER * frequent.log().to(network.device)
