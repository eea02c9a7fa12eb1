"""The engine in 8-bit integers: feature maps are uint8, weights are int8.

A CPU with VNNI or AMX multiplies int8 twice as fast as half precision, and moves half the bytes.
Each channel of each feature map is quantized by a scale and a zero point. They are fixed before
the prediction, from the values that the channel took on a few images (see `calibration`); values
outside that range are clipped.

* Scales cost no arithmetic of their own: those of a layer's input and output are multiplied into
  its weights and bias (Jacob et al. 2018, arXiv 1712.05877; a scale for each channel as in Nagel
  et al. 2019, arXiv 1906.04721).
* Sums of integers are exact: tiles equal the whole image, with any instructions of the CPU.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from typing_extensions import Self

from ..network.network import Network
from .engine import BAND, Engine
from .layers import Convolution, SkipConvolution, UpConvolution
from .packing import PackedWeights
from .precision import largest_int8_weight

IMAGE_PARTS = 8  # a pixel of the image is the sum of this many integers
# The image's range is widened at both ends by this fraction: other images may be darker or
# brighter than those of the calibration.
IMAGE_MARGIN = 0.25
# The range of a channel is at least this fraction of the widest range in its feature map: a channel
# that was nearly constant during calibration may vary more in other images.
MIN_RELATIVE_RANGE = 0.3


@dataclass(frozen=True, eq=False)
class ValueRange:
    """The lowest, highest and mean value that each channel of a feature map took, (C,) each."""

    low: Tensor
    high: Tensor
    mean: Tensor


@dataclass(frozen=True, eq=False)
class QuantParams:
    """The quantization of a feature map, one entry a channel.

    In channel c, the integer q, 0 to 255, stands for scale[c] * (q - zero_point[c]).
    """

    scale: Tensor  # (C,) float32
    zero_point: Tensor  # (C,) int64
    mean: Tensor  # (C,) float32: the average of q - zero_point

    @classmethod
    def from_range(cls, values: ValueRange) -> Self:
        """Returns the finest quantization that holds these values, and 0.0 exactly, with which
        images are padded."""
        low, high = values.low.clamp(max=0), values.high.clamp(min=0)
        widths = high - low
        widths = widths.clamp(min=MIN_RELATIVE_RANGE * float(widths.max()))
        scale = (widths / 255).clamp(min=1e-12)
        return cls(scale, (-low / scale).round().long(), values.mean / scale)

    @classmethod
    def from_image_range(cls, values: ValueRange) -> Self:
        """Returns the quantization of the parts of an image's pixels, equal for all channels.

        Each channel of the image has `IMAGE_PARTS` entries.
        """
        lowest, highest = values.low.min(), values.high.max()
        margin = IMAGE_MARGIN * (highest - lowest)
        low, high = (end.expand(len(values.mean)) for end in (lowest - margin, highest + margin))
        parts = (
            each.repeat_interleave(IMAGE_PARTS) / IMAGE_PARTS for each in (low, high, values.mean)
        )
        return cls.from_range(ValueRange(*parts))

    def concatenate(self, other: Self) -> Self:
        """Returns the quantization of this feature map's channels followed by the other's."""
        pairs = (
            (self.scale, other.scale),
            (self.zero_point, other.zero_point),
            (self.mean, other.mean),
        )
        return QuantParams(*(torch.cat(pair) for pair in pairs))

    def tile(self, times: int) -> Self:
        """Returns the quantization of all channels, repeated `times` times as a whole."""
        return QuantParams(
            *(each.repeat(times) for each in (self.scale, self.zero_point, self.mean))
        )


def split_into_parts(number: Tensor) -> Tensor:
    """Splits whole numbers into integers that add up to them: (..., 1) -> (..., PARTS).

    The parts differ by at most one: floor(n / P) + floor((n + 1) / P) + ... +
    floor((n + P - 1) / P) = n (Hermite).
    """
    # The divisions are exact, as P is a power of two.
    return (number / IMAGE_PARTS + torch.arange(IMAGE_PARTS) / IMAGE_PARTS).floor_()


def round_kernels(kernels: Tensor) -> Tensor:
    """Rounds (out, in, h, w) kernels to integers so that each kernel's sum is nearly kept.

    Neighbouring pixels are much alike. The error of each single weight therefore matters less than
    whether the errors of a kernel cancel out. As many weights as needed get the other neighbouring
    integer, those closest to a half first (Guo et al. 2022, SQuant, arXiv 2202.07471).
    """
    exact = kernels.flatten(2)
    nearest = exact.round()
    error = nearest - exact
    excess = error.sum(2, keepdim=True)
    sign = excess.sign()
    rank = (error * sign).argsort(dim=2, descending=True).argsort(dim=2)
    return (nearest - sign * (rank < excess.abs().round())).view_as(kernels)


class Int8Convolution(Convolution):
    """A fused 3x3 or 1x1 convolution from uint8 to uint8.

    Unlike `Convolution`, it returns new memory. oneDNN can write to given memory here, too, but it
    is slower: PyTorch copies the result.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        *,
        padding: int,
        reads: QuantParams,
        writes: QuantParams,
        relu: bool = True,
    ) -> None:
        """reads, writes: Quantization of the input and of the output."""
        self.padding, self.relu = padding, relu
        weight = weight * reads.scale[:, None, None] / writes.scale[:, None, None, None]
        bias = bias / writes.scale + writes.zero_point
        self.largest = largest_int8_weight()
        scales = weight.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12) / self.largest
        integers = self._to_integers(weight / scales)
        # Rounding the weights shifts the output by this much on average.
        rounding_shift = (scales * integers - weight).sum((2, 3)) @ reads.mean
        # oneDNN takes one zero point for all channels, and pads with it. With zero points that
        # differ (only without padding), what they add to the output is subtracted here instead.
        self.zero_point = int(reads.zero_point[0]) if padding else 0
        zero_points = (reads.zero_point - self.zero_point).float()
        zero_shift = (scales * integers).sum((2, 3)) @ zero_points
        self.bias = bias - rounding_shift - zero_shift
        self.weight_scales = scales.flatten()
        self.weight_zero_points = torch.zeros(len(weight), dtype=torch.int64)
        # Any packing of 3x3 weights is fast. 1x1 weights have to be packed for the image's size.
        one_layout = weight.shape[2] == 3
        self.weights = PackedWeights(integers.to(torch.int8), self._pack, one_layout=one_layout)

    def _to_integers(self, weight: Tensor) -> Tensor:
        return round_kernels(weight).clamp_(-self.largest, self.largest)

    def __call__(self, image: Tensor) -> Tensor:
        """Convolves (B, h, w, in) uint8 and returns (B, h', w', out) uint8."""
        image = image.permute(0, 3, 1, 2)
        out = torch.ops.onednn.qconv2d_pointwise(
            image, 1.0, self.zero_point,
            self.weights.packed_for(image.shape), self.weight_scales, self.weight_zero_points,
            self.bias, [1, 1], [self.padding] * 2, [1, 1], 1,
            1.0, 0, torch.uint8, "relu" if self.relu else "none", [], "",
        )  # fmt: skip
        return out.permute(0, 2, 3, 1)

    def _pack(self, weight: Tensor, shape: torch.Size | None) -> Tensor:
        return torch.ops.onednn.qconv_prepack(
            weight, self.weight_scales, 1.0, self.zero_point,
            [1, 1], [self.padding] * 2, [1, 1], 1, shape,
        )  # fmt: skip


class FirstInt8Convolution(Int8Convolution):
    """The convolution of the image, whose pixels are split into `IMAGE_PARTS` parts.

    The weights are split in the same way, which makes them finer, too.
    """

    def __init__(self, weight: Tensor, bias: Tensor, **options: Any) -> None:
        super().__init__(weight.repeat_interleave(IMAGE_PARTS, dim=1), bias, **options)

    def _to_integers(self, weight: Tensor) -> Tensor:
        sums = (IMAGE_PARTS * weight[:, ::IMAGE_PARTS]).round()
        return split_into_parts(sums[..., None]).movedim(-1, 2).flatten(1, 2)


class Int8UpConvolution(UpConvolution):
    """An `UpConvolution` from uint8 to uint8."""

    def __init__(self, module: nn.Module, reads: QuantParams, writes: QuantParams) -> None:
        super().__init__(module, torch.float32)
        weight = self.matrix.t()[:, :, None, None]
        pixels = len(weight) // len(writes.scale)  # each pixel becomes this many
        self.convolution = Int8Convolution(
            weight, self.bias, padding=0, reads=reads, writes=writes.tile(pixels), relu=False
        )

    def multiply(self, image: Tensor, scratch: Tensor) -> Tensor:
        return self.convolution(image)


class Int8SkipConvolution(SkipConvolution):
    """A `SkipConvolution` of both inputs side by side in one uint8 tensor.

    Two separate sums, as in `SkipConvolution`, would round twice. With padding, the tensor has a
    frame one pixel wide, as 0.0 is a different integer in each channel.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        *,
        skip: QuantParams,
        up: QuantParams,
        writes: QuantParams,
    ) -> None:
        reads = skip.concatenate(up)
        self.convolution = Int8Convolution(weight, bias, padding=0, reads=reads, writes=writes)
        self.frame = reads.zero_point.to(torch.uint8)


class Int8Engine(Engine):
    """A U-Net in evaluation mode that computes in 8-bit integers."""

    def __init__(self, model: Network, values: Mapping[str, ValueRange]) -> None:
        """values: For each feature map, by its name in `Engine._plan`, and for the "image"."""
        self.quantization = {name: QuantParams.from_range(seen) for name, seen in values.items()}
        self.quantization["image"] = QuantParams.from_image_range(values["image"])
        super().__init__(model, "int8")
        # Logits are float32: the last scale is multiplied into the weights, as in every layer.
        self.head = self.head * self.quantization[self.LAST].scale[:, None, None]

    def _convolution(self, weight: Tensor, bias: Tensor, reads: str, writes: str) -> Convolution:
        layer = FirstInt8Convolution if reads == "image" else Int8Convolution
        return layer(
            weight,
            bias,
            padding=self.padding,
            reads=self.quantization[reads],
            writes=self.quantization[writes],
        )

    def _up_convolution(self, module: nn.Module, reads: str, writes: str) -> UpConvolution:
        return Int8UpConvolution(module, self.quantization[reads], self.quantization[writes])

    def _skip_convolution(
        self, weight: Tensor, bias: Tensor, skip: str, reads: str, writes: str
    ) -> SkipConvolution:
        return Int8SkipConvolution(
            weight,
            bias,
            skip=self.quantization[skip],
            up=self.quantization[reads],
            writes=self.quantization[writes],
        )

    def _convolve(self, convolution: Int8Convolution, x: Tensor, name: str, level: int) -> Tensor:
        self._between_layers()
        return convolution(x)

    def _expand(
        self,
        up: UpConvolution,
        skip_convolution: Int8SkipConvolution,
        skip: Tensor,
        x: Tensor,
        level: int,
    ) -> Tensor:
        batch, height, width, _ = x.shape
        height, width, channels, edge = 2 * height, 2 * width, skip.shape[-1], self.padding
        framed = (batch, height + 2 * edge, width + 2 * edge, 2 * channels)
        both = self._buffer("up", level, framed)
        if edge:
            for side in (both[:, 0], both[:, -1], both[:, :, 0], both[:, :, -1]):
                side.copy_(skip_convolution.frame)
        inside = both[:, edge : edge + height, edge : edge + width]
        up.write(inside[..., channels:], x, x)
        inside[..., :channels] = self._cropped(skip, (batch, height, width, channels), level)
        self._between_layers()
        return skip_convolution.convolution(both)

    def _load_input(self, image: Tensor) -> Tensor:
        """Quantizes each pixel as a sum of `IMAGE_PARTS` integers: 8 bits would be too coarse."""
        batch, channels, height, width = image.shape
        quantization = self.quantization["image"]
        scale, zero_point = float(quantization.scale[0]), int(quantization.zero_point[0])
        out = self._buffer("image", 0, (batch, height, width, channels * IMAGE_PARTS))
        pixels = image.permute(0, 2, 3, 1).reshape(-1, 1).split(BAND)
        for band, parts in zip(pixels, out.view(-1, IMAGE_PARTS).split(BAND), strict=True):
            number = (
                (band / scale).add_(IMAGE_PARTS * zero_point).round_().clamp_(0, 255 * IMAGE_PARTS)
            )
            parts.copy_(split_into_parts(number))
        return out
