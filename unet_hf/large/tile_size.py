"""How large a tile may be for the memory there is, and how large it is worth making it.

What one tile needs, a pixel of its window:

* the engine's feature maps: three at full resolution (convolved, kept for the expansive path,
  upsampled) of `base_channels` numbers each, and at each level below half of what is above it:
  6 * base_channels numbers in all, with valid padding up to 8, for cropped copies;
* float32 pixels of the window, and what they are made of;
* float32 logits, and probabilities with what they are made of.

A tile's halo is computed and thrown away: of a window of s px, with a halo of h px at each side,
(s / (s - 2 h))² times as many pixels are computed as kept. That falls fast at first and slowly
later, so tiles are made no larger than `USEFUL` asks for, and no smaller than `BEARABLE` allows:
a wide network takes more memory than the budget rather than more than twice the time.
"""

from typing import TYPE_CHECKING

import torch

from ..engine import DTYPES
from ..tiling import TileGeometry

if TYPE_CHECKING:
    from ..unet import UNet

MEGABYTES = 300
USEFUL = 1.1  # pixels computed for each one that is kept: larger tiles gain nothing to speak of
BEARABLE = 2.25
FIXED = 60  # MB: decoded tiles that are kept, libraries, what the allocator holds back


def tile_size_for(model: "UNet", precision: str, megabytes: float = MEGABYTES) -> int:
    """Side of the largest window, in pixels, that this network can be shown within so much memory
    above its own; on the pooling grid.

    (megabytes - FIXED - the engine's weights) / `bytes_per_pixel` is the window's number of
    pixels, between what `BEARABLE` and `USEFUL` ask for.

    Args:
        precision: "float32", "bfloat16" or "float16".
        megabytes: Of 2**20 bytes.
    """
    geometry, grid = model.geometry, model.geometry.multiple
    weights = sum(weight.numel() for weight in model.parameters())
    free = (megabytes - FIXED) * 2**20 - weights * bytes_of(precision)
    pixels = max(0.0, free) / bytes_per_pixel(model, precision)
    within = int(pixels**0.5) // grid * grid
    smallest = side_for(geometry, BEARABLE)
    largest = side_for(geometry, USEFUL)
    return min(max(within, smallest), largest)


def bytes_per_pixel(model: "UNet", precision: str) -> float:
    """Of a window, while it is computed."""
    config = model.config
    features = (6 if config["padding"] == "same" else 8) * config["base_channels"]
    return bytes_of(precision) * features + 4 * (
        3 * config["in_channels"] + 4 * config["num_classes"]
    )


def bytes_of(precision: str) -> int:
    return torch.empty(0, dtype=DTYPES[precision]).element_size()


def side_for(geometry: TileGeometry, ratio: float) -> int:
    """Side of the smallest window that computes at most `ratio` pixels for one that it keeps."""
    side = 2 * geometry.halo / (1 - ratio**-0.5)
    grid = geometry.multiple
    return -int(-side // grid) * grid
