"""Random changes of a crop's colours, so that a network also finds what is stained otherwise.

A network that has seen only purple nuclei on pink looks for purple. Other stains, and light on
dark instead of dark on light, can be had from the same images.
"""

import numpy as np
import torch
from torch import Tensor

MIXING_STD = 0.15  # how far a mixture goes: red on white stays apart from white


def mix_channels(crop: Tensor, probability: float, rng: np.random.Generator) -> Tensor:
    """Permutes three channels and mixes them, each with this probability: (3, H, W).

    Each row of the mixing matrix sums to 1, so that gray stays gray. A crop with another number of
    channels is returned as it is, and nothing is drawn from `rng`.
    """
    if probability == 0 or len(crop) != 3:
        return crop
    if rng.random() < probability:
        crop = crop[torch.from_numpy(rng.permutation(3))]
    if rng.random() < probability:
        noise = rng.normal(0, MIXING_STD, (3, 3))
        # Subtracted, since a row's sum, by which one could divide, may come close to 0.
        mixing = np.eye(3) + noise - noise.mean(axis=1, keepdims=True)
        crop = torch.tensordot(torch.from_numpy(mixing).float(), crop, dims=1)
    return crop


def invert(crop: Tensor, probability: float, rng: np.random.Generator) -> Tensor:
    """Swaps light and dark with this probability. The crop's mean is 0, so its sign does it."""
    return -crop if probability > 0 and rng.random() < probability else crop
