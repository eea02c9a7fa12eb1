"""3x3 convolutions whose gradients are computed in the layout in which that is fastest."""

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

aten = torch.ops.aten

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]  # of image, weight and bias

# Input times output channels from which the copy into the other layout pays, see `gradients`.
WORTH_A_COPY = 512


class Convolution(torch.autograd.Function):
    """A convolution of stride 1; see `gradients` for what is its own."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, image: Tensor, weight: Tensor, bias: Tensor | None, padding: int
    ) -> Tensor:
        """image: (B, C, H, W). weight: (out, C, k, k). bias: (out,). All have one dtype."""
        ctx.save_for_backward(image, weight)
        ctx.padding = padding
        return convolve(image, weight, bias, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        wanted = ctx.needs_input_grad[:3]
        return *gradients(gradient, *ctx.saved_tensors, ctx.padding, wanted), None


class SkipConvolution(torch.autograd.Function):
    """Convolves the concatenation of the skip connection and the upsampled map.

    The concatenation is not kept, and the gradient of each half is computed where it is needed,
    instead of being cut out of the gradient of both.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        skip: Tensor,
        up: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        padding: int,
    ) -> Tensor:
        """skip: (B, C, H, W). up: (B, D, H, W). weight: (out, C + D, k, k). bias: (out,)."""
        ctx.save_for_backward(skip, up, weight)
        ctx.padding = padding
        return convolve(torch.cat([skip, up], 1), weight, bias, padding)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        skip, up, weight = ctx.saved_tensors
        skip_wanted, up_wanted, weight_wanted, bias_wanted, _ = ctx.needs_input_grad
        left, right = (
            half.contiguous(memory_format=torch.channels_last)
            for half in weight.tensor_split([skip.shape[1]], dim=1)
        )
        wanted = (skip_wanted, weight_wanted, bias_wanted)
        of_skip, of_left, of_bias = gradients(gradient, skip, left, ctx.padding, wanted)
        wanted = (up_wanted, weight_wanted, False)
        of_up, of_right, _ = gradients(gradient, up, right, ctx.padding, wanted)
        of_weight = torch.cat([of_left, of_right], 1) if weight_wanted else None
        return of_skip, of_up, of_weight, of_bias, None


def convolve(image: Tensor, weight: Tensor, bias: Tensor | None, padding: int) -> Tensor:
    return aten.convolution(
        image, weight, bias, [1, 1], [padding] * 2, [1, 1], False, [0, 0], 1
    )  # fmt: skip


def gradients(
    gradient: Tensor, image: Tensor, weight: Tensor, padding: int, wanted: tuple[bool, bool, bool]
) -> Gradients:
    """Computes the gradients of a convolution's image, weight and bias, as far as wanted.

    With AVX2 alone, oneDNN's gradient of the weights takes up to half as long again in channels
    last as in the other layout, even if the image must first be copied.
    """
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    of_image, weight_wanted, bias_wanted = wanted
    if not (weight_wanted and pays_to_copy(weight)):
        return _gradients(gradient, image, weight, padding, wanted)
    others = (of_image, False, bias_wanted)
    first, _, last = _gradients(gradient, image, weight, padding, others)
    image, weight = image.contiguous(), weight.contiguous()
    _, middle, _ = _gradients(gradient, image, weight, padding, (False, True, False))
    return first, middle, last


def pays_to_copy(weight: Tensor) -> bool:
    narrow = weight.shape[0] * weight.shape[1] < WORTH_A_COPY
    vectors = torch.backends.cpu.get_cpu_capability()
    return weight.dtype is torch.float32 and vectors == "AVX2" and not narrow


def _gradients(
    gradient: Tensor, image: Tensor, weight: Tensor, padding: int, wanted: tuple[bool, bool, bool]
) -> Gradients:
    if not any(wanted):
        return None, None, None
    return aten.convolution_backward(
        gradient, image, weight, [len(weight)], [1, 1], [padding] * 2, [1, 1], False, [0, 0], 1,
        list(wanted),
    )  # fmt: skip
