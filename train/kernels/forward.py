"""`use_fast_kernels` lets a network train by the kernels of this room, `memory_format` fits it."""

from types import ModuleType

import torch
from torch import Tensor, nn

from unet_hf.network.network import DoubleConvolution, Network

from . import blocks, channels_last
from .folding import folded, is_settled


def use_fast_kernels(model: nn.Module) -> nn.Module:
    """Returns a module with the weights of `model` that computes the same by faster kernels.

    On other devices than a CPU, and for a network that has a forward pass of its own, this is
    `model` itself.
    """
    return FastNetwork(model) if is_usual(model) else model


def memory_format(model: nn.Module, mixed_precision: str) -> torch.memory_format:
    """Returns the layout in which a network's weights need not be copied in each step.

    mixed_precision: In Accelerate's words; "no" is float32.
    """
    in_blocks = mixed_precision == "no" and is_usual(model) and blocks.can_compute(model)
    return torch.contiguous_format if in_blocks else torch.channels_last


def is_usual(model: nn.Module) -> bool:
    """Whether a network is on the CPU, and has no forward pass of its own."""
    usual = isinstance(model, Network) and type(model).forward is Network.forward
    return usual and model.device.type == "cpu"


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
        layout = blocks if blocks.fit(model, image) else channels_last
        x = layout.load(model._mirror_to_grid(image))

        skips = []
        for convolutions in model.contracting:
            skip, x = layout.pool_and_skip(double(layout, convolutions, x))
            skips.append(skip)
        x = layout.drop(model.dropout, double(layout, model.bottleneck, x))
        for up, convolutions in zip(model.up_convolutions, model.expansive, strict=True):
            x = layout.upsample(up, x)
            x = double(layout, convolutions, layout.crop(skips.pop(), x), x)

        logits = layout.classify(x, *head_weights(model, objects))
        return logits[..., :height, :width]


def double(layout: ModuleType, step: nn.Module, *images: Tensor) -> Tensor:
    """Applies a `DoubleConvolution`, or what an experiment has in its place.

    layout: `blocks` or `channels_last`, which compute the same.
    images: One, or two whose channels belong together.
    """
    if type(step) is not DoubleConvolution:
        return step(torch.cat(images, 1))
    layers = list(step)
    for convolution, norm, relu in (layers[:3], layers[3:]):
        if is_settled(norm):
            x = layout.convolve(*folded(convolution, norm), padding_of(convolution), *images)
        else:
            weights = convolution.weight, convolution.bias
            x = norm(layout.convolve(*weights, padding_of(convolution), *images))
        images = (layout.rectify(relu, norm, x),)
    return images[0]


def padding_of(convolution: nn.Conv2d) -> int:
    return 1 if convolution.padding == "same" else 0


def head_weights(model: Network, objects: bool) -> tuple[Tensor, Tensor]:
    """Returns (outputs, C) and (outputs,): the classes and, if asked for, the maps of objects."""
    layers = [model.head]
    if objects and model.object_head is not None:
        layers.append(model.object_head)
    weight = torch.cat([layer.weight for layer in layers])[:, :, 0, 0]
    return weight, torch.cat([layer.bias for layer in layers])
