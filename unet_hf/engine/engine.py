"""A trained U-Net as a plan of fused convolutions: the same numbers, several times as fast.

What the network computes is `UNet.forward`'s business; this is how a CPU likes to compute it:

* Batch norm is folded into the convolution before it, whose weights and bias it only scales.
* Each convolution adds its bias and applies its ReLU before its result leaves the cache.
* Channels last, and weights packed as oneDNN wants them for the size at hand.
* The expansive path does not concatenate: convolving (skip, up) is convolving each of them with
  its half of the weights, and adding.
* Every feature map lies in memory that the engine keeps from call to call. Fresh memory costs
  a page fault every 4 KiB, which can take longer than the arithmetic.
* Half precision, but only where the CPU multiplies it faster than float32.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..errors import PrecisionError
from ..network.network import Network
from .layers import Convolution, Joining, UpConvolution, folded, pool
from .memory import MEMORY
from .precision import DTYPES

BAND = 2**15  # pixels that get their logits at once


class Engine:
    """A U-Net in evaluation mode, ready to run on a CPU.

    It has weights of its own: what happens to the network afterwards does not reach it. One window
    at a time, of whichever engine: the cores are busy with it.
    """

    LAST = "expansive.0.2"  # the feature map that the logits are computed from

    def __init__(self, model: Network, precision: str) -> None:
        """precision: A name of `DTYPES`; "int8" only as an `Int8Engine`."""
        self.precision, self.dtype = precision, DTYPES[precision]
        self.padding = 1 if model.config["padding"] == "same" else 0
        self.contracting: list[tuple[Convolution, Convolution]] = []
        self.expansive: list[tuple[UpConvolution, Joining, Convolution]] = []
        self._plan(model)
        self.head = model.head.weight.detach().to(torch.float32, copy=True)
        self.head_bias = model.head.bias.detach().to(torch.float32, copy=True)

    def _plan(self, model: Network) -> None:
        """The layers, each told the names of the feature maps that it reads and writes."""
        reads = "image"
        for level, step in enumerate([*model.contracting, model.bottleneck]):
            first, second = (f"contracting.{level}.{part}" for part in (1, 2))
            self.contracting.append(
                (
                    self._convolution(*folded(step[0], step[1]), reads, first),
                    self._convolution(*folded(step[3], step[4]), first, second),
                )
            )
            reads = second
        for up, step in zip(model.up_convolutions, model.expansive, strict=True):
            level -= 1
            large, first, second = (f"expansive.{level}.{part}" for part in range(3))
            skip = f"contracting.{level}.2"
            self.expansive.append(
                (
                    self._up_convolution(up, reads, large),
                    self._joining(*folded(step[0], step[1]), skip, large, first),
                    self._convolution(*folded(step[3], step[4]), first, second),
                )
            )
            reads = second

    def _convolution(self, weight: Tensor, bias: Tensor, reads: str, writes: str) -> Convolution:
        return Convolution(weight, bias, dtype=self.dtype, padding=self.padding)

    def _up_convolution(self, module: nn.Module, reads: str, writes: str) -> UpConvolution:
        return UpConvolution(module, self.dtype)

    def _joining(
        self, weight: Tensor, bias: Tensor, skip: str, reads: str, writes: str
    ) -> "Joining":
        return Joining(weight, bias, dtype=self.dtype, padding=self.padding)

    @torch.inference_mode()
    def __call__(self, image: Tensor, pause: Callable[[], None] | None = None) -> Tensor:
        """Logits, (B, classes, h', w') float32, of normalised images (B, channels, h, w) float32.

        "same": h and w are multiples of the pooling grid. "valid": as `UNet.forward`.

        pause: Called between layers; what it raises ends the run. It must not run an engine
            itself: `NestedPredictionError`.
        """
        with MEMORY.held():
            self._pause = pause or _nothing
            return checked_logits(self._run(image), self.precision)

    def _run(self, image: Tensor) -> Tensor:
        x = self._entering(image)
        skips = []
        *levels, bottom = self.contracting
        for level, (first, second) in enumerate(levels):
            x = self._convolve(first, x, "work", level)
            x = self._convolve(second, x, "skip", level)
            skips.append(x)
            batch, height, width, channels = x.shape
            small = self._take("work", level, (batch, height // 2, width // 2, channels))
            x = pool(small, x, self._take("up", level, x.shape))

        x = self._convolve(bottom[0], x, "work", len(levels))
        x = self._convolve(bottom[1], x, "skip", len(levels))

        for level, (up, joining, second) in zip(
            reversed(range(len(levels))), self.expansive, strict=True
        ):
            x = self._joined(up, joining, skips.pop(), x, level)
            x = self._convolve(second, x, "up", level)
        return self._leaving(x)

    def _joined(
        self, up: UpConvolution, joining: Joining, skip: Tensor, x: Tensor, level: int
    ) -> Tensor:
        batch, height, width, channels = x.shape
        shape = (batch, 2 * height, 2 * width, channels // 2)
        x = up.write(self._take("up", level, shape), x, self._take("work", level, shape))
        skip = self._cropped(skip, x.shape, level)
        return joining.write(self._out(joining, x, "work", level), skip, x)

    def _convolve(self, convolution: Convolution, x: Tensor, name: str, level: int) -> Tensor:
        return convolution.write(self._out(convolution, x, name, level), x)

    def _out(self, layer: Convolution | Joining, x: Tensor, name: str, level: int) -> Tensor:
        """Where the layer writes what it makes of x. (It is asked once before each: the moment to
        pause.)"""
        self._pause()
        batch, height, width, _ = x.shape
        lost = 2 - 2 * self.padding
        shape = (batch, height - lost, width - lost, layer.out_channels)
        return self._take(name, level, shape, layer.dtype)

    def _cropped(self, skip: Tensor, shape: torch.Size, level: int) -> Tensor:
        """The middle of what the contracting path has seen, where it has seen more."""
        if skip.shape == shape:
            return skip
        top, left = (skip.shape[1] - shape[1]) // 2, (skip.shape[2] - shape[2]) // 2
        middle = skip[:, top : top + shape[1], left : left + shape[2]]
        return self._take("crop", level, shape).copy_(middle)

    def _entering(self, image: Tensor) -> Tensor:
        batch, channels, height, width = image.shape
        x = self._take("image", 0, (batch, height, width, channels))
        return x.copy_(image.permute(0, 2, 3, 1))

    def _leaving(self, x: Tensor) -> Tensor:
        """The 1x1 convolution to classes: in float32, so that logits are not rounded.

        Always of as many pixels, some of them idle: of fewer, oneDNN would round otherwise.
        """
        batch, height, width, channels = x.shape
        classes = len(self.head)
        logits = torch.empty(batch, classes, height, width)
        band = self._take("band", 0, (1, 1, BAND, channels), torch.float32)
        for image, planes in zip(x, logits, strict=True):
            pixels = image.view(-1, channels).split(BAND)
            for some, out in zip(pixels, planes.flatten(1).split(BAND, dim=1), strict=True):
                band[0, 0, : len(some)] = some
                seen = nn.functional.conv2d(band.permute(0, 3, 1, 2), self.head, self.head_bias)
                out.copy_(seen[0, :, 0, : len(some)])
        return logits

    def _take(
        self, name: str, level: int, shape: tuple[int, ...], dtype: torch.dtype | None = None
    ) -> Tensor:
        """What is in "skip" is needed until the expansive path comes by. In "work" and "up" it is
        when two levels on: even levels share a piece, and odd ones."""
        piece = level if name == "skip" else level % 2
        return MEMORY.take((name, piece), shape, dtype or self.dtype)


def _nothing() -> None:
    """No pause."""


def checked_logits(logits: Tensor, precision: str) -> Tensor:
    """Raises `PrecisionError` if a value was too large for float16."""
    if precision == "float16" and not torch.isfinite(logits).all():
        raise PrecisionError(
            "Values inside the network exceed 65,504, the largest that float16 holds. Choose "
            "precision='bfloat16' or 'float32'."
        )
    return logits
