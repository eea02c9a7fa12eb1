"""How large a tile may be for the memory there is, and how large it is worth making it.

Above the loaded model there are, while tiles are computed:

* the engine's weights, a copy that is packed for the CPU and in the precision at hand;
* its feature maps, which it keeps from tile to tile: three at full resolution (convolved, kept
  for the expansive path, upsampled) of `base_channels` numbers a pixel each, three at half of it,
  of half as many numbers, and at each level below that one;
* a band of float32 pixels that are turned into logits at once;
* the window in float32 with what it is made of, logits, and probabilities with what they are made
  of; with test-time augmentation also sums over the views;
* whatever the image and the network: decoded tiles, libraries, what the allocator holds back.

A tile's halo is computed and thrown away: of a window of s px, with a halo of h px at each side,
(s / (s - 2 h))² times as many pixels are computed as kept. Of all shapes of so many pixels squares
waste least. The waste falls fast at first and slowly later, so tiles are made no larger than
`USEFUL` asks for, and no smaller than `BEARABLE` allows: a network that is wider still takes more
memory than the budget.
"""

from ..engine.engine import BAND, DTYPES
from ..network.network import Network
from ..network.tiling import TileGeometry

MEGABYTES = 400  # of 2**20 bytes, above the loaded model
RESERVE = 64  # of these for what does not depend on the network
USEFUL = 1.1  # pixels computed for each one that is kept: larger tiles gain nothing to speak of
BEARABLE = 4.0  # half of a window's side is halo
WASTEFUL = 2.0  # where it is worth saying that more memory would be faster
# Feature maps that the engine keeps: base_channels numbers a pixel, times this. With valid padding
# there are cropped copies besides.
VALUES_A_PIXEL = {"same": 5, "valid": 6.5}
# In int8 what a joining convolution reads lies side by side, and each feature map in memory of its
# own, of which the allocator holds some back.
MORE_IN_INT8 = 3.0  # bytes


def tile_size_for(
    model: Network, precision: str, *, tta: bool = False, megabytes: float = MEGABYTES
) -> int:
    """Side of the largest window, in pixels, that this network can be shown within so much memory
    above its own; on the pooling grid, and between what `BEARABLE` and `USEFUL` ask for.

    Args:
        precision: "float32", "bfloat16", "float16" or "int8".
        tta: With test-time augmentation.
        megabytes: Of 2**20 bytes.
    """
    geometry, grid = model.geometry, model.geometry.multiple
    free = (megabytes - RESERVE) * 2**20 - fixed_bytes(model, precision)
    pixels = max(0.0, free) / bytes_per_pixel(model, precision, tta)
    within = int(pixels**0.5) // grid * grid
    return min(max(within, side_for(geometry, BEARABLE)), side_for(geometry, USEFUL))


def megabytes_for(model: Network, precision: str, tile_size: int, *, tta: bool = False) -> float:
    """Of 2**20 bytes, above the loaded model: what windows of this side need."""
    used = fixed_bytes(model, precision) + tile_size**2 * bytes_per_pixel(model, precision, tta)
    return used / 2**20 + RESERVE


def fixed_bytes(model: Network, precision: str) -> int:
    """The engine's, however small the window is."""
    weights = sum(weight.numel() for weight in model.parameters())
    return weights * DTYPES[precision].itemsize + BAND * model.config["base_channels"] * 4


def bytes_per_pixel(model: Network, precision: str, tta: bool = False) -> float:
    """Of a window, while it is computed."""
    config = model.config
    bytes_a_channel = VALUES_A_PIXEL[config["padding"]] * DTYPES[precision].itemsize
    if precision == "int8":
        bytes_a_channel += MORE_IN_INT8
    around = 3 * config["in_channels"] + (9 if tta else 4) * config["num_classes"]
    return bytes_a_channel * config["base_channels"] + 4 * around


def side_for(geometry: TileGeometry, ratio: float) -> int:
    """Side of the smallest window that computes at most `ratio` pixels for one that it keeps."""
    side = 2 * geometry.halo / (1 - ratio**-0.5)
    grid = geometry.multiple
    return -int(-side // grid) * grid


def waste(geometry: TileGeometry, side: int) -> float:
    """Pixels that a window of this side computes for each one that it keeps."""
    return (side / (side - 2 * geometry.halo)) ** 2
