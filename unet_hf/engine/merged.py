"""`MergedConvolution`: a transposed convolution and the 3x3 convolution after it, in one.

Both are sums of products, with nothing between them, so together they are one sum of products of
the small map. A pixel of the upsampled map and its neighbours come from 2 x 2 pixels of the small
map: for each of the four pixels that a small one becomes, both are one 2x2 convolution. With
C channels (2 C in the small map), a pixel then needs 8 C² products instead of 2 C² + 9 C², and the
upsampled map is never written. What is convolved of the skip connection is added as ever:

    convolve3x3(skip, upsample(small)) = convolve3x3(skip) + pixels(convolve2x2(small))

Sums are rounded once instead of twice, so the result differs in its rounding.
"""

from itertools import product

import torch
from torch import Tensor, nn

from .layers import Convolution
from .pairs import PairConvolution
from .precision import cpu_has, has_matrix_unit

# With more pairs of channels than this, reading the weights takes longer than all that is saved:
# there are nearly twice as many as in both layers. Measured with AMX, and with AVX-512 and bf16.
LARGEST_KERNELS = 2**19

# Along one axis, a 3x3 kernel around a pixel of the upsampled map reads blocks of two pixels, each
# from one small pixel. TAPS says for each of its three places from which of two neighbouring small
# pixels (0, 1), and which of its two (0, 1): around the second pixel of the former small pixel, and
# around the first pixel of the latter.
TAPS = (((0, 0), (0, 1), (1, 0)), ((0, 1), (1, 0), (1, 1)))


def is_worth_merging(up: nn.Module, dtype: torch.dtype, padding: int) -> bool:
    """Whether this upsampling and the padded convolution after it are faster as one.

    Only in bfloat16 with a matrix unit, and with padding: otherwise, some of oneDNN's 2x2
    convolutions round differently in images of another size, and tiles would not equal the whole.
    """
    return has_matrix_unit() and is_worth_merging_whole(up, dtype, padding)


def is_worth_merging_whole(up: nn.Module, dtype: torch.dtype, padding: int) -> bool:
    """Whether they are faster as one for an image in a single window, whatever they round.

    In float32 nothing is gained that rounds of a measurement do not hide.
    """
    transposed = isinstance(up, nn.ConvTranspose2d)  # interpolation reads more pixels
    fast = dtype == torch.bfloat16 and (has_matrix_unit() or cpu_has("avx512_bf16"))
    if not (transposed and fast and padding == 1):
        return False
    return 4 * up.out_channels * up.in_channels <= LARGEST_KERNELS


class MergedConvolution:
    """The padded 3x3 convolution of the skip connection and of a small map, upsampled first."""

    def __init__(
        self,
        up: nn.ConvTranspose2d,
        weight: Tensor,
        bias: Tensor,
        *,
        dtype: torch.dtype,
        in_pairs: bool = False,
    ) -> None:
        """weight, bias: As for `SkipConvolution`.

        in_pairs: It is the first one of two `PairConvolution`.
        """
        self.out_channels, self.dtype = len(weight), dtype
        skip, after = weight.tensor_split(2, dim=1)
        kernels = merge_kernels(up.weight.detach(), after)
        self.blocks = Convolution(kernels, None, dtype=dtype, padding=1, relu=False)
        # What the bias of the upsampled map adds at the corners, at the edges and inside: there is
        # none outside the map.
        added = up.bias.detach()[None, :, None, None].expand(1, -1, 3, 3)
        added = nn.functional.conv2d(added, after, padding=1)[0].permute(1, 2, 0)
        bias = bias + added[1, 1]
        self.skip: Convolution | PairConvolution
        if in_pairs:
            self.skip = PairConvolution(skip, bias, dtype=dtype, first=True)
        else:
            self.skip = Convolution(skip, bias, dtype=dtype, padding=1)
        self.output_shape = self.skip.output_shape
        self.border = (added - added[1, 1]).repeat(1, 1, 4).to(dtype)  # (3, 3, 4 C)

    def write(self, out: Tensor, skip: Tensor, small: Tensor, blocks: Tensor) -> Tensor:
        """Convolves (B, h, w, C) and (B, h/2, w/2, C'), and overwrites `out`.

        out: (B, h, w, C), in pairs (B, h, w + 2, C).
        blocks: Memory for (B, h/2 + 1, w/2 + 1, 4 C). The image begins and ends in the middle of a
            block, as the pixels around a corner of small pixels are those that see the same four.
        """
        _, height, width, _ = small.shape
        beside = (out.shape[2] - skip.shape[2]) // 2  # columns, of zeros
        image = out[:, :, beside : beside + skip.shape[2]]
        blocks.zero_()
        blocks[:, ::height] = self.border[::2, 1:2]
        blocks[:, :, ::width] = self.border[1:2, ::2]
        blocks[:, ::height, ::width] = self.border[::2, ::2]
        self._copy_pixels(image, self.blocks.add(blocks, small))
        return self.skip.add(out, skip)

    def _copy_pixels(self, out: Tensor, blocks: Tensor) -> None:
        """Copies blocks to their places in `out`.

        Row 2 y of the image is the lower half of row y of blocks, and row 2 y + 1 is the upper half
        of the next one. Each begins with the right half of a block and ends with a left half.
        """
        channels = self.out_channels
        batch, height, width, _ = out.shape
        image, row, column, _ = blocks.stride()
        halves = blocks.as_strided(
            (batch, height // 2, 2, width // 2 + 1, 2 * channels),
            (image, row, row - 2 * channels, column, 1),
            blocks.storage_offset() + 2 * channels,
        )
        rows = out.unflatten(1, (height // 2, 2))
        rows[..., 0, :] = halves[..., 0, channels:]
        rows[..., -1, :] = halves[..., -1, :channels]
        rows[..., 1:-1, :].view(*halves.shape[:3], -1, 2 * channels).copy_(halves[..., 1:-1, :])


def merge_kernels(up: Tensor, after: Tensor) -> Tensor:
    """Merges a transposed convolution, (in, C, 2, 2), and a 3x3 convolution, (out, C, 3, 3).

    Returns the 2x2 convolution of the small map that gives blocks of pixels: (4 out, in, 2, 2).
    """
    merged = up.new_zeros(2, 2, len(after), len(up), 2, 2)
    for (bottom, rows), (right, columns) in product(enumerate(TAPS), repeat=2):
        places = product(enumerate(rows), enumerate(columns))
        for (i, (row, below)), (j, (column, beside)) in places:
            kernels = after[:, :, i, j] @ up[:, :, below, beside].t()
            merged[bottom, right, :, :, row, column] += kernels
    return merged.view(-1, len(up), 2, 2)
