"""`use_fast_kernels`: lets a network train by the kernels of this room."""

from types import MethodType

import torch
from torch import Tensor, nn

from unet_hf.network.network import Network, center_crop

from .convolution import Convolution, SkipConvolution
from .pooling import PoolAndSkip
from .up_convolution import UpConvolution


def use_fast_kernels(model: Network) -> Network:
    """Replaces the forward pass of this object by `fast_forward`; other devices keep their own.

    The modules and their weights stay as they are, and so does every copy made before.
    """
    if model.device.type == "cpu":
        model.forward = MethodType(fast_forward, model)
    return model


def fast_forward(model: Network, image: Tensor, *, objects: bool = False) -> Tensor:
    """Computes what `Network.forward` does, which explains it, with the same gradients."""
    model._check_shape(image)
    height, width = image.shape[-2:]
    x = model._mirror_to_grid(image)

    skips = []
    for convolutions in model.contracting:
        skip, x = PoolAndSkip.apply(double(convolutions, x))
        skips.append(skip)
    x = model.dropout(double(model.bottleneck, x))
    for up, convolutions in zip(model.up_convolutions, model.expansive, strict=True):
        x = upsampled(up, x)
        x = double(convolutions, center_crop(skips.pop(), x.shape[-2:]), x)

    logits = heads(model, x, objects)
    return logits[..., :height, :width]


def upsampled(up: nn.Module, image: Tensor) -> Tensor:
    """Applies an up-convolution, transposed or bilinear."""
    if not isinstance(up, nn.ConvTranspose2d):
        return up(image)
    return UpConvolution.apply(*in_one_dtype(image, up.weight, up.bias))


def double(convolutions: nn.Sequential, *images: Tensor) -> Tensor:
    """Applies a `DoubleConvolution` to an image, or to two that belong together."""
    x = images
    for layer in convolutions:
        x = convolved(layer, *x) if isinstance(layer, nn.Conv2d) else layer(*x)
        x = (x,)
    return x[0]


def convolved(layer: nn.Conv2d, *images: Tensor) -> Tensor:
    padding = 1 if layer.padding == "same" else 0
    images = [image.contiguous(memory_format=torch.channels_last) for image in images]
    operation = Convolution if len(images) == 1 else SkipConvolution
    return operation.apply(*in_one_dtype(*images, layer.weight, layer.bias), padding)


def heads(model: Network, features: Tensor, objects: bool) -> Tensor:
    """Computes the class logits and, if asked for, the maps of objects: one matrix product."""
    layers = [model.head]
    if objects and model.object_head is not None:
        layers.append(model.object_head)
    weight = torch.cat([layer.weight for layer in layers])[:, :, 0, 0]  # (outputs, C)
    bias = torch.cat([layer.bias for layer in layers])
    pixels = features.permute(0, 2, 3, 1)
    return nn.functional.linear(pixels, weight, bias).permute(0, 3, 1, 2)


def in_one_dtype(*tensors: Tensor | None) -> list[Tensor | None]:
    """Converts to autocast's dtype where it is on: it does not reach into own functions."""
    if not torch.is_autocast_enabled("cpu"):
        return list(tensors)
    dtype = torch.get_autocast_dtype("cpu")
    return [None if tensor is None else tensor.to(dtype) for tensor in tensors]
