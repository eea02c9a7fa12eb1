"""The layers of a training step in channels last, the layout of the network's own layers."""

import torch
from torch import Tensor, nn

from unet_hf.engine.precision import has_matrix_unit
from unet_hf.network.network import center_crop

from .convolution import Convolution, SkipConvolution
from .pooling import PoolAndSkip
from .relu import ReLU
from .up_convolution import UpConvolution


def load(image: Tensor) -> Tensor:
    return image


def convolve(weight: Tensor, bias: Tensor | None, padding: int, *images: Tensor) -> Tensor:
    """Convolves an image, or the concatenation of two."""
    images = [image.contiguous(memory_format=torch.channels_last) for image in images]
    operation = Convolution if len(images) == 1 else SkipConvolution
    return operation.apply(*in_one_dtype(*images, weight, bias), padding)


def pool_and_skip(image: Tensor) -> tuple[Tensor, Tensor]:
    return PoolAndSkip.apply(image)


def rectify(relu: nn.ReLU, norm: nn.Module, image: Tensor) -> Tensor:
    """Applies a ReLU after a norm, to the norm's result."""
    kinds = type(norm), type(relu), image.dtype
    fast = kinds == (nn.BatchNorm2d, nn.ReLU, torch.bfloat16)
    return ReLU.apply(image) if fast else relu(image)


def drop(dropout: nn.Dropout, image: Tensor) -> Tensor:
    return dropout(image)


def upsample(up: nn.Module, image: Tensor) -> Tensor:
    """Applies an up-convolution, transposed or bilinear."""
    if not isinstance(up, nn.ConvTranspose2d):
        return up(image)
    return UpConvolution.apply(*in_one_dtype(image, up.weight, up.bias))


def crop(skip: Tensor, image: Tensor) -> Tensor:
    return center_crop(skip, image.shape[-2:])


def classify(image: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, outputs, H, W), by weights (outputs, C)."""
    if image.dtype is torch.bfloat16 and has_matrix_unit():  # otherwise a product is as fast
        return nn.functional.conv2d(image, weight[:, :, None, None], bias)
    pixels = image.permute(0, 2, 3, 1)
    return nn.functional.linear(pixels, weight, bias).permute(0, 3, 1, 2)


def in_one_dtype(*tensors: Tensor | None) -> list[Tensor | None]:
    """Converts to autocast's dtype where it is on: it does not reach into own functions."""
    if not torch.is_autocast_enabled("cpu"):
        return list(tensors)
    dtype = torch.get_autocast_dtype("cpu")
    return [None if tensor is None else tensor.to(dtype) for tensor in tensors]
