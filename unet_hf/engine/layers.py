"""The engine's layers: fused convolutions and pooling that write into given memory."""

import torch
from torch import Tensor, nn

from .packing import PackedWeights


class Convolution:
    """A convolution, usually 3x3, fused with what follows it: bias, batch norm and ReLU."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        *,
        dtype: torch.dtype,
        padding: int | tuple[int, int],
        relu: bool = True,
    ) -> None:
        """weight: (out, in, rows, columns) float32. bias: (out,) float32, or None.

        padding: Pixels of zeros at either side, or those of rows and those of columns.
        """
        self.out_channels, self.dtype = len(weight), dtype
        self.kernel = weight.shape[2:]
        self.bias = None if bias is None else bias.to(dtype, copy=True)
        self.padding = [padding] * 2 if isinstance(padding, int) else [*padding]
        self.relu = relu
        weight = weight.to(dtype, copy=True, memory_format=torch.channels_last)
        self.weights = PackedWeights(weight, self._pack)

    def output_shape(self, image: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of the result for an image (B, h, w, in)."""
        batch, *sides, _ = image
        height, width = (
            side + 2 * zeros - size + 1
            for side, zeros, size in zip(sides, self.padding, self.kernel, strict=True)
        )
        return batch, height, width, self.out_channels

    def write(self, out: Tensor, image: Tensor) -> Tensor:
        """Convolves (B, h, w, in) and overwrites `out`, (B, h', w', out)."""
        return self.add(out.zero_(), image)

    def add(self, out: Tensor, image: Tensor) -> Tensor:
        """Convolves and adds the result to `out`; the ReLU is applied to the sum.

        This is the only convolution of oneDNN that writes into given memory.
        """
        image = image.permute(0, 3, 1, 2)
        torch.ops.mkldnn._convolution_pointwise_.binary(
            out.permute(0, 3, 1, 2), image, self.weights.packed_for(image.shape), self.bias,
            self.padding, [1, 1], [1, 1], 1,
            "add", 1, "relu" if self.relu else None, [], None,
        )  # fmt: skip
        return out

    def _pack(self, weight: Tensor, shape: torch.Size | None) -> Tensor:
        return torch.ops.mkldnn._reorder_convolution_weight(
            weight, self.padding, [1, 1], [1, 1], 1, shape
        )


class SkipConvolution:
    """The 3x3 convolution of the skip connection and the upsampled map, not concatenated."""

    def __init__(self, weight: Tensor, bias: Tensor, *, dtype: torch.dtype, padding: int) -> None:
        """weight: As for `Convolution`; the skip's input channels are the first half."""
        skip, up = weight.tensor_split(2, dim=1)
        self.up = Convolution(up, None, dtype=dtype, padding=padding, relu=False)
        self.skip = Convolution(skip, bias, dtype=dtype, padding=padding)
        self.out_channels, self.dtype = len(weight), dtype
        self.output_shape = self.skip.output_shape

    def write(self, out: Tensor, skip: Tensor, up: Tensor) -> Tensor:
        """Convolves two (B, h, w, C) and overwrites `out`, (B, h', w', C)."""
        return self.skip.add(self.up.write(out, up), skip)


class UpConvolution:
    """Doubles height and width and usually halves the channels, transposed or bilinear."""

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        self.bilinear = isinstance(module, nn.Sequential)
        if self.bilinear:  # a 1x1 convolution, then interpolation
            convolution = module[0]
            matrix, bias = convolution.weight.detach()[:, :, 0, 0].t(), convolution.bias.detach()
        else:  # each pixel becomes 2x2 pixels, each by its own matrix
            matrix = module.weight.detach().permute(0, 2, 3, 1).flatten(1)
            bias = module.bias.detach().repeat(4)
        self.matrix = matrix.to(dtype, copy=True, memory_format=torch.contiguous_format)
        self.bias = bias.to(dtype, copy=True)

    def multiply(self, image: Tensor, scratch: Tensor) -> Tensor:
        """Multiplies (B, h, w, C') by the matrix; returns (B, h, w, 4 C or C), in `scratch`."""
        batch, height, width, _ = image.shape
        channels = self.matrix.shape[1]
        product = scratch.flatten()[: batch * height * width * channels].view(-1, channels)
        torch.addmm(self.bias, image.flatten(0, 2), self.matrix, out=product)
        return product.view(batch, height, width, channels)

    def write(self, out: Tensor, image: Tensor, scratch: Tensor) -> Tensor:
        """Upsamples (B, h, w, C') and overwrites `out`, (B, 2 h, 2 w, C).

        scratch: As large as `out`.
        """
        batch, height, width, _ = image.shape
        product = self.multiply(image, scratch)
        if self.bilinear:
            small = product.permute(0, 3, 1, 2)
            large = nn.functional.interpolate(small, scale_factor=2, mode="bilinear")
            return out.copy_(large.permute(0, 2, 3, 1))
        blocks = product.view(batch, height, width, 2, 2, -1).permute(0, 1, 3, 2, 4, 5)
        out.view(batch, height, 2, width, 2, -1).copy_(blocks)
        return out


def pool(out: Tensor, image: Tensor, scratch: Tensor) -> Tensor:
    """Max-pools (B, h, w, C) by 2x2 and overwrites `out`, (B, h/2, w/2, C).

    `max_pool2d` would also write 8 bytes of index for each value.

    Args:
        image: No value is negative, as after a ReLU.
        scratch: Half as large as `image`.
    """
    batch, height, width, channels = image.shape
    if image.dtype is torch.bfloat16:  # whole numbers of the same bits have the same order
        bits = (tensor.view(torch.int16) for tensor in (out, image, scratch))
        return pool(*bits).view(torch.bfloat16)
    rows = image.view(batch, height // 2, 2, width * channels)
    higher = scratch.flatten()[: image.numel() // 2].view(batch, height // 2, width * channels)
    torch.maximum(rows[:, :, 0], rows[:, :, 1], out=higher)
    pairs = higher.view(batch, height // 2, width // 2, 2, channels)
    return torch.maximum(pairs[..., 0, :], pairs[..., 1, :], out=out)


def fold_batch_norm(convolution: nn.Conv2d, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Returns weights and bias of one convolution that equals a convolution and its batch norm."""
    weight = convolution.weight.detach()
    bias = weight.new_zeros(len(weight))
    if convolution.bias is not None:
        bias = convolution.bias.detach()
    if isinstance(norm, nn.BatchNorm2d):
        scale = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
        weight = weight * scale[:, None, None, None]
        bias = norm.bias.detach() + (bias - norm.running_mean) * scale
    return weight, bias
