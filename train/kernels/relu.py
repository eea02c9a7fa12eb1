"""The ReLU of bfloat16 by whole numbers."""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

aten = torch.ops.aten


class ReLU(torch.autograd.Function):
    """ReLU in place, which sees bfloat16 as whole numbers of 16 bits.

    A bfloat16 and the whole number of the same bits have one sign, so the larger of the latter and
    0 is the ReLU. A CPU computes it several times as fast as that of bfloat16 in place. A NaN with
    the sign of a negative number, as processors make them, becomes 0; `blocks` tells why that is
    noticed where there are batch norms.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, image: Tensor) -> Tensor:
        """Overwrites a bfloat16 image of any shape, which is also what is returned."""
        image.view(torch.int16).clamp_min_(0)
        ctx.mark_dirty(image)
        ctx.save_for_backward(image)
        return image

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> Tensor:
        (image,) = ctx.saved_tensors
        return aten.threshold_backward(gradient, image, 0)
