"""The 2x2 transposed convolution of stride 2, with the gradient of its weights as one product."""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

aten = torch.ops.aten


class UpConvolution(torch.autograd.Function):
    """Doubles height and width: each pixel becomes 2 x 2 pixels, each by its own matrix.

    The gradient of these weights is a product of two matrices. In bfloat16, oneDNN's own kernel for
    it takes several times as long; with AVX2 in float32, up to twice as long.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, image: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """image: (B, C, H, W). weight: (C, D, 2, 2). bias: (D,). Returns (B, D, 2 H, 2 W)."""
        ctx.save_for_backward(image, weight)
        return aten.convolution(image, weight, bias, [2, 2], [0, 0], [1, 1], True, [0, 0], 1)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        image, weight = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        image_gradient = None
        if ctx.needs_input_grad[0]:
            image_gradient, _, _ = aten.convolution_backward(
                gradient, image, weight, None, [2, 2], [0, 0], [1, 1], True, [0, 0], 1,
                [True, False, False],
            )  # fmt: skip
        if not ctx.needs_input_grad[1]:
            return image_gradient, None, None
        blocks = in_blocks(gradient)  # (pixels, 4 D)
        pixels = image.permute(0, 2, 3, 1).reshape(len(blocks), -1)  # (pixels, C)
        product = pixels.t() @ blocks  # (C, 4 D)
        weight_gradient = product.view(pixels.shape[1], 2, 2, -1).permute(0, 3, 1, 2)
        bias_gradient = blocks.sum(0).view(4, -1).sum(0)
        return image_gradient, weight_gradient, bias_gradient


def in_blocks(image: Tensor) -> Tensor:
    """(B, D, 2 H, 2 W) in channels last -> (B H W, 4 D): the 2 x 2 pixels of a block in a row."""
    batch, channels, height, width = image.shape
    rows = image.permute(0, 2, 3, 1).reshape(batch * height // 2, 2, width // 2, 2 * channels)
    return rows.transpose(1, 2).reshape(-1, 4 * channels)
