"""`use_fast_kernels`: lets a network train by the kernels of this room."""

import torch
from torch import Tensor, nn

from unet_hf.network.network import DoubleConvolution, Network, center_crop

from .convolution import Convolution, SkipConvolution
from .pooling import PoolAndSkip
from .up_convolution import UpConvolution


def use_fast_kernels(model: nn.Module) -> nn.Module:
    """Returns a module with the weights of `model` that computes the same by faster kernels.

    On other devices than a CPU, and for a network that has a forward pass of its own, this is
    `model` itself.
    """
    usual = isinstance(model, Network) and type(model).forward is Network.forward
    return FastNetwork(model) if usual and model.device.type == "cpu" else model


class FastNetwork(nn.Module):
    """Trains a network that is left as it is, so that it is copied, kept and evaluated as ever."""

    def __init__(self, model: Network) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, *, objects: bool = False) -> Tensor:
        """Computes what `Network.forward` does, which explains it, with the same gradients."""
        model = self.model
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


def double(step: nn.Module, *images: Tensor) -> Tensor:
    """Applies a `DoubleConvolution`, or what an experiment has in its place.

    images: One, or two whose channels belong together.
    """
    if type(step) is not DoubleConvolution:
        return step(torch.cat(images, 1))
    for layer in step:
        images = [convolved(layer, *images) if isinstance(layer, nn.Conv2d) else layer(*images)]
    return images[0]


def convolved(layer: nn.Conv2d, *images: Tensor) -> Tensor:
    """Applies a convolution to an image, or to the concatenation of two."""
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
