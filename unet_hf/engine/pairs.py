"""`PairConvolution`: a 3x3 convolution of few channels that takes two pixels at a time.

A matrix unit multiplies 32 numbers in half precision at once, so with 16 channels half of it is
idle. In channels last, two neighbouring pixels of C channels lie in memory as one of 2 C channels:
seeing them so costs nothing. Around two pixels, a 3x3 kernel sees four in a row, which are two
pairs only if they begin one pixel further left:

    pixels        0 1 | 2 3 | 4 5          a map as it is
    padded      . 0 | 1 2 | 3 4 | 5 .      with a column of zeros at either side

So the first of two convolutions reads a map as it is and writes a padded one, and the second one
reads that and writes a map as it is. In both a 3x3 kernel becomes one of 3 rows and 2 pairs, a
quarter of which is zero. Sums are those of the plain convolution, in another order.
"""

import torch
from torch import Tensor

from .layers import Convolution
from .precision import has_matrix_unit

# Half of what the matrix unit multiplies at once. With 32 a pixel fills it by itself; networks with
# fewer were not measured.
PAIRED_CHANNELS = 16


def is_worth_pairing(channels: int, dtype: torch.dtype, padding: int) -> bool:
    """Whether two padded convolutions that give so many channels are faster in pairs of pixels.

    Without a matrix unit, 16 channels fill a vector. Others than bfloat16 were not measured.
    """
    fills_half = channels == PAIRED_CHANNELS and dtype == torch.bfloat16
    return fills_half and padding == 1 and has_matrix_unit()


class PairConvolution:
    """The first or the second of two padded 3x3 convolutions, each with its bias and a ReLU."""

    def __init__(self, weight: Tensor, bias: Tensor, *, dtype: torch.dtype, first: bool) -> None:
        """weight: (out, in, 3, 3) float32. bias: (out,) float32."""
        self.out_channels, self.dtype = len(weight), dtype
        self.first = first
        padding = (1, 1) if first else (1, 0)
        kernels = pair_kernels(weight)
        self.pairs = Convolution(kernels, bias.repeat(2), dtype=dtype, padding=padding)

    def output_shape(self, image: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of the result for an image (B, h, w, C)."""
        batch, height, width, _ = image
        return batch, height, width + (2 if self.first else -2), self.out_channels

    def write(self, out: Tensor, image: Tensor) -> Tensor:
        """Convolves an image and overwrites `out`, of which one has a column more at either side.

        The first convolution reads (B, h, w, C) and writes (B, h, w + 2, C'), the second one the
        other way round. w is even.
        """
        return self.add(out.zero_(), image)

    def add(self, out: Tensor, image: Tensor) -> Tensor:
        """As `Convolution.add`."""
        self.pairs.add(in_pairs(out), in_pairs(image))
        if self.first:
            out[:, :, :: out.shape[2] - 1] = 0  # what the next convolution sees outside the image
        return out


def in_pairs(image: Tensor) -> Tensor:
    """Sees (B, h, w, C) as (B, h, w / 2, 2 C)."""
    batch, height, width, channels = image.shape
    return image.view(batch, height, width // 2, 2 * channels)


def pair_kernels(weight: Tensor) -> Tensor:
    """Turns (out, in, 3, 3) into the kernels of pairs, (2 out, 2 in, 3, 2)."""
    outputs, inputs = weight.shape[:2]
    kernels = weight.new_zeros(2, outputs, 2, inputs, 3, 2)
    for writes in range(2):  # which pixel of its pair
        for reads in range(2):
            for pair in range(2):
                column = 2 * pair + reads - writes
                if 0 <= column < 3:
                    kernels[writes, :, reads, :, :, pair] = weight[..., column]
    return kernels.view(2 * outputs, 2 * inputs, 3, 2)
