"""The layers of a training step in oneDNN's own layout, blocks of channels, in float32.

With AVX2, the gradient of a convolution's weights is fast in blocks of eight channels alone. In
channels last the image and its gradient have to be copied for it, which takes a third as long as
the gradient itself, and batch norm and ReLU are slower, too. With AVX-512 and blocks of sixteen,
there is less to gain. Tensors in blocks cannot be sliced, concatenated or interpolated: `fit` tells
which networks need none of that.

A ReLU makes 0 of NaN in blocks. Where numbers grow beyond all bounds, the loss may not tell so;
with batch norm the gradients do, in the same step, so that a training has to look at both. Without
a norm they may not, and such networks stay in channels last.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from unet_hf.engine.precision import cpu_has
from unet_hf.network.network import DoubleConvolution, Network

LAYERS = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU)


def fit(model: Network, image: Tensor) -> bool:
    """Whether this image is of float32, and `can_compute` the network."""
    single = image.dtype is torch.float32 and not torch.is_autocast_enabled("cpu")
    return single and can_compute(model)


def can_compute(model: Network) -> bool:
    """Whether this CPU is faster in blocks, and all layers of the network can be computed so."""
    steps = [*model.contracting, model.bottleneck, *model.expansive]
    return (
        cpu_has("avx2")  # on others it was not measured
        and torch.backends.mkldnn.is_available()
        and model.config["padding"] == "same"  # else skip connections are cropped
        and all(type(up) is nn.ConvTranspose2d for up in model.up_convolutions)
        and all(type(step) is DoubleConvolution for step in steps)
        and all(type(layer) in LAYERS for step in steps for layer in step)
    )


def load(image: Tensor) -> Tensor:
    """(B, C, H, W) in any layout; the first convolution makes blocks of it."""
    return image.contiguous().to_mkldnn()


def convolve(weight: Tensor, bias: Tensor | None, padding: int, *images: Tensor) -> Tensor:
    """Convolves an image, or the concatenation of two, each by its own part of the weights."""
    first, *second = images
    if not second:
        return functional.conv2d(first, weight.contiguous(), bias, padding=padding)
    left, right = weight.tensor_split([first.shape[1]], dim=1)
    x = functional.conv2d(first, left.contiguous(), bias, padding=padding)
    return x.add_(functional.conv2d(second[0], right.contiguous(), padding=padding))


def pool_and_skip(image: Tensor) -> tuple[Tensor, Tensor]:
    return image, functional.max_pool2d(image, 2, stride=2)  # its gradient wants the stride told


def rectify(relu: nn.ReLU, norm: nn.Module, image: Tensor) -> Tensor:
    return relu(image)


def drop(dropout: nn.Dropout, image: Tensor) -> Tensor:
    if not (dropout.training and dropout.p):
        return image
    return dropout(image.to_dense()).to_mkldnn()  # oneDNN multiplies blocks slowly


def upsample(up: nn.ConvTranspose2d, image: Tensor) -> Tensor:
    return functional.conv_transpose2d(image, up.weight.contiguous(), up.bias, stride=2)


def crop(skip: Tensor, image: Tensor) -> Tensor:
    return skip  # both are equally large, see `fit`


def classify(image: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, outputs, H, W), by weights (outputs, C)."""
    pixels = image.to_dense().flatten(2)  # (B, C, H W)
    # One product for each image: `@` would make one of all, for which it copies the pixels.
    weights = weight.expand(len(image), -1, -1)
    return torch.baddbmm(bias[:, None], weights, pixels).unflatten(2, image.shape[2:])
