"""The engine in integers of 8 bits: feature maps are uint8, weights int8.

A CPU with VNNI or AMX multiplies them twice as fast as half precision, and moves half the bytes.
What number an integer stands for is settled beforehand for each channel of each feature map, from
the values that it took on a few images (see `calibration`); what lies outside is clipped.

* Scales need no arithmetic of their own: those of what a layer reads and writes go into its
  weights and bias (Jacob et al. 2018, arXiv 1712.05877; a scale for each channel as in Nagel et
  al. 2019, arXiv 1906.04721).
* Sums of integers are exact: tiles equal the whole image, whichever instructions add them up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..network.network import Network
from .engine import BAND, Convolution, Engine, Joining, UpConvolution

PARTS = 8  # integers that a pixel of the image is the sum of
MARGIN = 0.25  # of the image's range, at both ends: others may be darker and brighter
LEAST = 0.3  # of a feature map's widest range: that of a channel where less was seen


@dataclass(frozen=True, eq=False)
class Values:
    """What a feature map's channels held: the lowest, the highest and the mean value, (C,)."""

    low: Tensor
    high: Tensor
    mean: Tensor


@dataclass(frozen=True, eq=False)
class Code:
    """In channel c, the integer q, 0 to 255, stands for step[c] * (q - zero[c])."""

    step: Tensor  # float32
    zero: Tensor  # int64
    mean: Tensor  # float32: q - zero, on average

    @classmethod
    def of(cls, seen: Values) -> "Code":
        """The finest that holds these values, and 0.0 exactly: images are padded with it."""
        low, high = seen.low.clamp(max=0), seen.high.clamp(min=0)
        step = ((high - low).clamp(min=LEAST * float((high - low).max())) / 255).clamp(min=1e-12)
        return cls(step, (-low / step).round().long(), seen.mean / step)

    @classmethod
    def of_image(cls, seen: Values) -> "Code":
        """Of the parts of the pixels of each channel; one for all channels."""
        least, most = seen.low.min(), seen.high.max()
        margin = MARGIN * (most - least)
        ends = [end.expand(len(seen.mean)) for end in (least - margin, most + margin)]
        parts = (values.repeat_interleave(PARTS) / PARTS for values in (*ends, seen.mean))
        return cls.of(Values(*parts))

    def __add__(self, other: "Code") -> "Code":
        """Of the channels of both."""
        pairs = ((self.step, other.step), (self.zero, other.zero), (self.mean, other.mean))
        return Code(*(torch.cat(pair) for pair in pairs))

    def __mul__(self, times: int) -> "Code":
        """Of all channels, so many times."""
        return Code(*(values.repeat(times) for values in (self.step, self.zero, self.mean)))


def split_in_parts(number: Tensor) -> Tensor:
    """(..., 1) -> (..., PARTS), integers that differ by at most one and add up to it.

    floor(n / P) + floor((n + 1) / P) + ... + floor((n + P - 1) / P) = n (Hermite).
    """
    return (number / PARTS + torch.arange(PARTS) / PARTS).floor_()  # exact: P is a power of two


def rounded(kernels: Tensor) -> Tensor:
    """(out, in, h, w) -> integers, each kernel's sum nearly kept.

    Neighbouring pixels are much alike: what matters is less how each weight is rounded than
    whether a kernel's errors cancel out. As many as needed are rounded the other way, those first
    that are nearest to the middle (Guo et al. 2022, SQuant, arXiv 2202.07471).
    """
    exact = kernels.flatten(2)
    near = exact.round()
    error = near - exact
    excess = error.sum(2, keepdim=True)
    lowered = excess.sign()
    order = (error * lowered).argsort(dim=2, descending=True).argsort(dim=2)
    return (near - lowered * (order < excess.abs().round())).view_as(kernels)


class Int8Convolution(Convolution):
    """As `Convolution`, 3x3 or 1x1, from uint8 to uint8, each time into memory of its own.

    (oneDNN's way into given memory is slower here: PyTorch copies what it wrote.)
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        *,
        padding: int,
        reads: Code,
        writes: Code,
        relu: bool = True,
    ) -> None:
        """reads, writes: What the integers stand for."""
        self.padding, self.relu = padding, relu
        # For 3x3 one way of packing is as good as another; for 1x1 only the right one is.
        self.narrow = weight.shape[2] == 1
        weight = weight * reads.step[:, None, None] / writes.step[:, None, None, None]
        bias = bias / writes.step + writes.zero
        steps = weight.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12) / 127
        integers = self._integers(weight / steps)
        # What rounding the weights adds on average, taken off again. And what 0.0 adds, unless it
        # is the same integer in all channels: then oneDNN takes it off, and can pad with it.
        error = (steps * integers - weight).sum((2, 3)) @ reads.mean
        self.zero = int(reads.zero[0]) if padding else 0
        shift = (steps * integers).sum((2, 3)) @ (reads.zero - self.zero).float()
        self.bias = bias - error - shift
        self.steps, self.zeros = steps.flatten(), torch.zeros(len(weight), dtype=torch.int64)
        weight = integers.to(torch.int8)
        self.weight = weight if self.narrow else self._pack(weight, None)
        self.packed: dict[torch.Size, Tensor] = {}

    def _integers(self, weight: Tensor) -> Tensor:
        return rounded(weight).clamp_(-127, 127)

    def __call__(self, image: Tensor) -> Tensor:
        """(B, h, w, in) -> (B, h', w', out)."""
        image = image.permute(0, 3, 1, 2)
        out = torch.ops.onednn.qconv2d_pointwise(
            image, 1.0, self.zero, self._packed_for(image.shape), self.steps, self.zeros,
            self.bias, [1, 1], [self.padding] * 2, [1, 1], 1,
            1.0, 0, torch.uint8, "relu" if self.relu else "none", [], "",
        )  # fmt: skip
        return out.permute(0, 2, 3, 1)

    def _pack(self, weight: Tensor, shape: torch.Size | None) -> Tensor:
        return torch.ops.onednn.qconv_prepack(
            weight, self.steps, 1.0, self.zero, [1, 1], [self.padding] * 2, [1, 1], 1, shape
        )


class FirstInt8Convolution(Int8Convolution):
    """Of an image whose pixels are split in parts; so are its weights, which are finer for it."""

    def __init__(self, weight: Tensor, bias: Tensor, **options: Any) -> None:
        super().__init__(weight.repeat_interleave(PARTS, dim=1), bias, **options)

    def _integers(self, weight: Tensor) -> Tensor:
        whole = (PARTS * weight[:, ::PARTS]).round()
        return split_in_parts(whole[..., None]).movedim(-1, 2).flatten(1, 2)


class Int8UpConvolution(UpConvolution):
    """As `UpConvolution`, from uint8 to uint8."""

    def __init__(self, module: nn.Module, reads: Code, writes: Code) -> None:
        super().__init__(module, torch.float32)
        weight = self.matrix.t()[:, :, None, None]
        pixels = len(weight) // len(writes.step)  # that each becomes
        self.convolution = Int8Convolution(
            weight, self.bias, padding=0, reads=reads, writes=writes * pixels, relu=False
        )

    def multiply(self, image: Tensor, scratch: Tensor) -> Tensor:
        return self.convolution(image)


class Int8Joining(Joining):
    """As `Joining`, of both beside each other in uint8: what is added to would be rounded twice.

    If it pads, they come in a frame one pixel wide, since 0.0 is another integer in each channel.
    """

    def __init__(self, weight: Tensor, bias: Tensor, *, skip: Code, up: Code, writes: Code) -> None:
        both = skip + up
        self.convolution = Int8Convolution(weight, bias, padding=0, reads=both, writes=writes)
        self.frame = both.zero.to(torch.uint8)


class Int8Engine(Engine):
    """A U-Net in integers."""

    def __init__(self, model: Network, values: Mapping[str, Values]) -> None:
        """values: Of every feature map by its name in `Engine._plan`, and of the "image"."""
        self.codes = {name: Code.of(seen) for name, seen in values.items()}
        self.codes["image"] = Code.of_image(values["image"])
        super().__init__(model, "int8")
        # Logits are float32: what the last integers stand for is in the weights, as everywhere.
        self.head = self.head * self.codes[self.LAST].step[:, None, None]

    def _convolution(self, weight: Tensor, bias: Tensor, reads: str, writes: str) -> Convolution:
        kind = FirstInt8Convolution if reads == "image" else Int8Convolution
        codes = {"reads": self.codes[reads], "writes": self.codes[writes]}
        return kind(weight, bias, padding=self.padding, **codes)

    def _up_convolution(self, module: nn.Module, reads: str, writes: str) -> UpConvolution:
        return Int8UpConvolution(module, self.codes[reads], self.codes[writes])

    def _joining(self, weight: Tensor, bias: Tensor, skip: str, reads: str, writes: str) -> Joining:
        codes = {"skip": self.codes[skip], "up": self.codes[reads], "writes": self.codes[writes]}
        return Int8Joining(weight, bias, **codes)

    def _convolve(self, convolution: Int8Convolution, x: Tensor, name: str, level: int) -> Tensor:
        self._pause()
        return convolution(x)

    def _joined(
        self, up: UpConvolution, joining: Int8Joining, skip: Tensor, x: Tensor, level: int
    ) -> Tensor:
        batch, height, width, channels = x.shape
        height, width, channels, edge = 2 * height, 2 * width, channels // 2, self.padding
        framed = (batch, height + 2 * edge, width + 2 * edge, 2 * channels)
        both = self._take("up", level, framed)
        if edge:
            for side in (both[:, 0], both[:, -1], both[:, :, 0], both[:, :, -1]):
                side.copy_(joining.frame)
        inside = both[:, edge : edge + height, edge : edge + width]
        up.write(inside[..., channels:], x, x)
        inside[..., :channels] = self._cropped(skip, (batch, height, width, channels), level)
        self._pause()
        return joining.convolution(both)

    def _entering(self, image: Tensor) -> Tensor:
        """Each pixel as the sum of `PARTS` integers: 8 bits would be too coarse for it."""
        batch, channels, height, width = image.shape
        code = self.codes["image"]
        step, zero = float(code.step[0]), int(code.zero[0])
        out = self._take("image", 0, (batch, height, width, channels * PARTS))
        pixels = image.permute(0, 2, 3, 1).reshape(-1, 1).split(BAND)
        for some, parts in zip(pixels, out.view(-1, PARTS).split(BAND), strict=True):
            number = (some / step).add_(PARTS * zero).round_().clamp_(0, 255 * PARTS)
            parts.copy_(split_in_parts(number))
        return out
