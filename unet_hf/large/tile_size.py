"""The tile size for large images: as large as memory allows, and no larger than it is useful.

While tiles are computed, memory holds beside the loaded model:

* the engine's weights, a copy that is packed for the CPU and has the chosen precision;
* its feature maps, which it keeps from tile to tile: three at full resolution (convolved, kept
  for the expansive path, upsampled) of `base_channels` numbers a pixel each, three at half the
  resolution, with half as many numbers in total, and one at each level below;
* a band of float32 pixels whose logits are computed at once;
* the window in float32, logits, probabilities, and their temporaries; with test-time augmentation
  also sums over the views;
* what does not depend on image or network: decoded tiles, libraries, reserves of the allocator.

The halo of a tile is computed and discarded. A window of s px with a halo of h px at each side
computes (s / (s - 2 h))² pixels for each one that it keeps. Squares have the least overhead of all
shapes with the same area. The overhead falls fast at first and slowly later, so tiles are no
larger than `TARGET_OVERHEAD` asks for, and no smaller than `MAX_OVERHEAD` allows. With very
wide networks, even these need more memory than the budget.
"""

from ..engine.engine import BAND
from ..engine.merged import is_worth_merging
from ..engine.precision import DTYPES
from ..network.network import Network
from ..network.tiling import TileGeometry

MEGABYTES = 400  # memory beside the loaded model, in 2**20 bytes
RESERVED_MEGABYTES = 64  # the part of it for what does not depend on the network
# Overheads: pixels computed for each one that is kept.
TARGET_OVERHEAD = 1.1  # larger tiles would hardly be faster
MAX_OVERHEAD = 4.0  # half of a window's side is halo
NOTED_OVERHEAD = 2.0  # above it, a note says that more memory would be faster
# Numbers that the engine keeps for each pixel, in multiples of base_channels. With valid padding
# there are also cropped copies.
VALUES_A_PIXEL = {"same": 5, "valid": 6.5}
# Additional bytes for each of these channels in int8, where the inputs of a skip convolution are
# copied side by side and each feature map is new memory, of which the allocator keeps some.
INT8_EXTRA_BYTES = 3.0


def tile_size_for(
    model: Network, precision: str, *, tta: bool = False, megabytes: float = MEGABYTES
) -> int:
    """Returns the side of the largest window, in pixels, that fits into this much memory.

    It is on the pooling grid, and has an overhead between `TARGET_OVERHEAD` and `MAX_OVERHEAD`.

    Args:
        precision: "float32", "bfloat16", "float16" or "int8".
        tta: With test-time augmentation.
        megabytes: Memory beside the loaded model, in 2**20 bytes.
    """
    geometry, grid = model.geometry, model.geometry.multiple
    free = (megabytes - RESERVED_MEGABYTES) * 2**20 - fixed_bytes(model, precision)
    pixels = max(0.0, free) / bytes_per_pixel(model, precision, tta)
    side = int(pixels**0.5) // grid * grid
    return min(max(side, side_for(geometry, MAX_OVERHEAD)), side_for(geometry, TARGET_OVERHEAD))


def megabytes_for(model: Network, precision: str, tile_size: int, *, tta: bool = False) -> float:
    """Returns the memory that windows of this side need beside the model, in 2**20 bytes."""
    used = fixed_bytes(model, precision) + tile_size**2 * bytes_per_pixel(model, precision, tta)
    return used / 2**20 + RESERVED_MEGABYTES


def fixed_bytes(model: Network, precision: str) -> int:
    """Returns the bytes that the engine needs for a window of any size."""
    dtype, padding = DTYPES[precision], int(model.config["padding"] == "same")
    weights = sum(weight.numel() for weight in model.parameters())
    for up in model.up_convolutions:
        if is_worth_merging(up, dtype, padding):  # 16 a pair of channels instead of 4 and 9
            weights += up.out_channels * (12 * up.in_channels - 9 * up.out_channels)
    return weights * dtype.itemsize + BAND * model.config["base_channels"] * 4


def bytes_per_pixel(model: Network, precision: str, tta: bool = False) -> float:
    """Returns the bytes that each pixel of a window needs while it is computed."""
    config = model.config
    bytes_per_channel = VALUES_A_PIXEL[config["padding"]] * DTYPES[precision].itemsize
    if precision == "int8":
        bytes_per_channel += INT8_EXTRA_BYTES
    other_values = 3 * config["in_channels"] + (9 if tta else 4) * config["num_classes"]
    return bytes_per_channel * config["base_channels"] + 4 * other_values


def side_for(geometry: TileGeometry, ratio: float) -> int:
    """Returns the side, in pixels, of the smallest window with at most this overhead."""
    side = 2 * geometry.halo / (1 - ratio**-0.5)
    grid = geometry.multiple
    return -int(-side // grid) * grid


def overlap_overhead(geometry: TileGeometry, side: int) -> float:
    """Returns the pixels that a window of this side computes for each one that it keeps."""
    return (side / (side - 2 * geometry.halo)) ** 2
