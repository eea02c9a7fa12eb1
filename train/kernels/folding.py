"""A batch norm whose averages are settled is a part of the convolution before it."""

import torch
from torch import Tensor, nn


def is_settled(norm: nn.Module) -> bool:
    """Whether a layer is a batch norm that keeps its averages, as in a teaching."""
    return type(norm) is nn.BatchNorm2d and not norm.training


def folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Returns weight and bias of one convolution in place of both layers.

    Autograd carries its gradients on to the weights of both layers, so that these learn as ever,
    but no pass over the images is needed for the norm.
    """
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)  # (out,)
    bias = norm.bias - norm.running_mean * scale
    if convolution.bias is not None:
        bias = bias + convolution.bias * scale
    return convolution.weight * scale[:, None, None, None], bias
