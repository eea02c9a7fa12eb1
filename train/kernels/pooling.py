"""2x2 max-pooling whose input is also the skip connection."""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

aten = torch.ops.aten
WINDOW = ([2, 2], [2, 2], [0, 0], [1, 1], False)  # size, stride, padding, dilation, ceil


class PoolAndSkip(torch.autograd.Function):
    """Returns an image and its 2x2 maxima; the gradient is the sum of both."""

    @staticmethod
    def forward(ctx: FunctionCtx, image: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) -> the same, and (B, C, H / 2, W / 2)."""
        pooled, indices = aten.max_pool2d_with_indices(image, *WINDOW)
        ctx.save_for_backward(image, indices)
        return image.view_as(image), pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, skip_gradient: Tensor, pooled_gradient: Tensor) -> Tensor:
        image, indices = ctx.saved_tensors
        gradient = aten.max_pool2d_with_indices_backward(pooled_gradient, image, *WINDOW, indices)
        return gradient + skip_gradient  # in place, bfloat16 takes longer
