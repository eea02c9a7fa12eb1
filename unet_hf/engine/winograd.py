"""`WinogradConvolution`: a wide 3x3 convolution with a quarter of the products, for whole images.

Winograd's F(4 x 4, 3 x 3) (Lavin and Gray 2016, section 4.3) computes blocks of 4 x 4 pixels, each
from the 6 x 6 pixels below and around it. A usual convolution multiplies 9 times for each of the 16
pixels and for each pair of channels. Here, patches and kernels are transformed into 36 numbers
each, and these are multiplied one by one and summed over the channels:

    block = T(OUTPUT, sum over channels of T(IMAGE, patch) * T(WEIGHT, kernel))

where T(matrix, x) is matrix . x . transposed matrix. All blocks share the kernels, so the sums over
the channels are one product of matrices for each of the 36 places.

Numbers are added in another order than usual, so the result differs in its rounding, by some 1e-5
of its size. And each pixel is computed from all 36 of its patch, even where it depends on 9 of
them: beside the cut edge of a window, the last bits change further inside than the values do. Only
an image in a single window is therefore computed in this way. Tiles equal each other to the bit.
"""

import torch
from torch import Tensor

from .memory import MEMORY
from .precision import cpu_has

# With fewer channels the transforms take longer than they save, and with fewer blocks the reading
# of the weights does, which are four times as many. Measured where AVX2 is all there is.
WIDE_CHANNELS = 128
MANY_BLOCKS = 40  # of an image
LARGEST_KERNELS = 2**18  # pairs of channels; so many transformed kernels are 38 MB
BLOCKS_AT_ONCE = 256  # about as many as the caches hold

BLOCK, PATCH = 4, 6  # sides, px
IMAGE = torch.tensor(
    [
        [4.0, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
WEIGHT = torch.tensor(
    [[6.0, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]
).div(24)
OUTPUT = torch.tensor(
    [[1.0, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
)
ONES = 1 * PATCH + 1  # the place that adds to all pixels of a block alike


def is_worth_transforming(weight: Tensor, dtype: torch.dtype, padding: int) -> bool:
    """Whether a convolution of this weight, (out, in, 3, 3), gets faster on this CPU.

    Half precision multiplies faster than this by itself. CPUs without AVX2 were not measured.
    """
    wide = min(weight.shape[:2]) >= WIDE_CHANNELS
    small = weight.shape[0] * weight.shape[1] <= LARGEST_KERNELS
    usable = dtype == torch.float32 and padding == 1 and torch.backends.mkl.is_available()
    return wide and small and usable and cpu_has("avx2")


class WinogradConvolution:
    """A zero-padded 3x3 convolution with bias and ReLU, of one image or of several side by side."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """Copies both. weight: (out, in, 3, 3) float32. bias: (out,) float32."""
        self._weight: Tensor | None = weight.clone()  # until it is transformed, at the first use
        self._kernels = torch.empty(0)
        self.bias = bias.clone()

    @staticmethod
    def pays_for(out: Tensor) -> bool:
        """Whether it is faster than the usual convolution for a result of this size."""
        _, height, width, _ = out.shape
        return blocks_along(height) * blocks_along(width) >= MANY_BLOCKS

    def write(self, out: Tensor, *images: Tensor) -> Tensor:
        """Convolves (B, h, w, C) images, concatenated in channels, and overwrites (B, h, w, out).

        The memory of this process must be held.
        """
        for number, result in enumerate(out):
            rows = BLOCK * max(1, BLOCKS_AT_ONCE // blocks_along(result.shape[1]))
            for top, band in zip(range(0, len(result), rows), result.split(rows), strict=True):
                self._write_band(band, [image[number] for image in images], top)
        return out

    def _write_band(self, out: Tensor, images: list[Tensor], top: int) -> None:
        """Computes rows of blocks. out: (h, w, out), the rows of the result from `top` on."""
        rows, columns = (blocks_along(side) for side in out.shape[:2])
        blocks, channels = rows * columns, out.shape[-1]
        patches = patches_of(images, top, rows, columns)
        half = take("half", PATCH, PATCH, *patches.shape[2:])
        torch.mm(IMAGE, patches.view(PATCH, -1), out=half.view(PATCH, -1))
        both = patches.view(PATCH, PATCH, -1)
        torch.bmm(IMAGE.expand(PATCH, -1, -1), half.view(both.shape), out=both)

        sums = take("sums", PATCH**2, blocks, channels)
        torch.bmm(both.view(PATCH**2, blocks, -1), self._transformed(), out=sums)
        sums[ONES] += self.bias

        half = take("half", BLOCK, PATCH, blocks * channels)
        torch.mm(OUTPUT, sums.view(PATCH, -1), out=half.view(BLOCK, -1))
        both = take("patches", BLOCK, BLOCK, blocks * channels)
        torch.bmm(OUTPUT.expand(BLOCK, -1, -1), half, out=both)
        write_blocks(out, both.view(BLOCK, BLOCK, rows, columns, channels))

    def _transformed(self) -> Tensor:
        """Returns the kernels in the transformed space: (36, in, out)."""
        if self._weight is not None:
            out_channels, in_channels = self._weight.shape[:2]
            pixels = self._weight.permute(2, 3, 1, 0).reshape(9, -1)
            kernels = torch.mm(torch.kron(WEIGHT, WEIGHT), pixels)
            self._kernels = kernels.view(PATCH**2, in_channels, out_channels)
            self._weight = None
        return self._kernels


def patches_of(images: list[Tensor], top: int, rows: int, columns: int) -> Tensor:
    """Returns what blocks are computed from: (6, 6, rows, columns, channels) of all images.

    images: (h, w, C) each. top: The first row of the first blocks. What is outside is 0.
    """
    height, width, _ = images[0].shape
    widths = [image.shape[-1] for image in images]
    framed = take("frame", BLOCK * rows + 2, BLOCK * columns + 2, sum(widths)).zero_()
    first, stop = max(top - 1, 0), min(top - 1 + len(framed), height)
    inside = framed[first - (top - 1) : stop - (top - 1), 1 : width + 1]
    for part, image in zip(inside.split(widths, dim=-1), images, strict=True):
        part.copy_(image[first:stop])
    patches = framed.unfold(0, PATCH, BLOCK).unfold(1, PATCH, BLOCK).permute(3, 4, 0, 1, 2)
    return take("patches", *patches.shape).copy_(patches)


def write_blocks(out: Tensor, blocks: Tensor) -> None:
    """Overwrites (h, w, C) by blocks, (4, 4, rows, columns, C), without what is negative."""
    _, _, rows, columns, channels = blocks.shape
    whole = (BLOCK * rows, BLOCK * columns, channels)
    target = out if out.shape == whole else take("frame", *whole)
    places = target.view(rows, BLOCK, columns, BLOCK, channels).permute(1, 3, 0, 2, 4)
    torch.clamp_min(blocks, 0, out=places)
    if target is not out:
        out.copy_(target[: len(out), : out.shape[1]])


def take(name: str, *shape: int) -> Tensor:
    return MEMORY.take((f"winograd {name}", 0), shape, torch.float32)


def blocks_along(side: int) -> int:
    """Returns how many blocks cover a side of so many pixels."""
    return -(-side // BLOCK)
