"""`Engine`: a trained U-Net as fused convolutions, several times as fast as PyTorch on a CPU.

`Network.forward` defines what is computed. The engine computes the same numbers faster:

* Batch norm becomes part of the convolution before it, whose weights and bias it only scales.
* Each convolution adds its bias and applies its ReLU before its result leaves the cache.
* The layout is channels last, and weights are packed as oneDNN needs them for the image's size.
* The expansive path does not concatenate: convolving (skip, up) is convolving each of them with
  its half of the weights, and adding. In bfloat16, upsampling and the convolution of its result
  are one convolution of the small map (`merged`): of all images on CPUs with a matrix unit, of an
  image in one window on others. With a matrix unit, convolutions of few channels also take two
  pixels at a time (`pairs`).
* Every feature map lies in memory that is kept from call to call. New memory costs a page fault
  every 4 KiB, which can take longer than the arithmetic.
* It computes in half precision if the CPU multiplies that faster than float32.
* An image in one window needs a quarter of the products in wide layers, where that is faster.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..errors import PrecisionError
from ..network.network import Network
from .layers import Convolution, SkipConvolution, UpConvolution, fold_batch_norm, pool
from .memory import MEMORY
from .merged import MergedConvolution, is_worth_merging, is_worth_merging_whole
from .pairs import PairConvolution, is_worth_pairing
from .precision import DTYPES, has_matrix_unit
from .winograd import WinogradConvolution, is_worth_transforming

Layer = Convolution | SkipConvolution | PairConvolution
ExpansiveLayer = SkipConvolution | MergedConvolution
MANY_PIXELS = 2**16  # of an image in one window: with fewer, merging layers gains little
BAND = 2**15  # pixels whose logits are computed at once, and ...
SMALL_BAND = 2**13  # ... where it need not be the same number everywhere: they stay in the cache


class Engine:
    """A U-Net in evaluation mode, ready to run on a CPU.

    It copies the weights: later changes of the network do not affect it. All engines of the process
    together compute one window at a time, as each window uses all cores.
    """

    LAST = "expansive.0.2"  # the feature map that the logits are computed from

    def __init__(self, model: Network, precision: str) -> None:
        """precision: A name of `DTYPES`; "int8" only as an `Int8Engine`."""
        self.precision, self.dtype = precision, DTYPES[precision]
        self.padding = 1 if model.config["padding"] == "same" else 0
        # A matrix unit adds in an order that depends on the size of the image.
        half = self.dtype in (torch.bfloat16, torch.float16)
        self._rounds_by_place = half and has_matrix_unit()
        # Second ways to compute a layer, for images in a single window.
        self.winograd: dict[Layer, WinogradConvolution] = {}
        self.merged: dict[Layer, MergedConvolution] = {}
        self.contracting: list[tuple[Layer, Layer]] = []
        self.expansive: list[tuple[UpConvolution | None, ExpansiveLayer, Layer]] = []
        self._plan(model)
        heads = [head for head in (model.head, model.object_head) if head is not None]
        self.head = torch.cat([head.weight.detach().float() for head in heads])
        self.head_bias = torch.cat([head.bias.detach().float() for head in heads])

    def _plan(self, model: Network) -> None:
        """Builds the layers; each gets the names of the feature maps that it reads and writes."""
        reads = "image"
        for level, step in enumerate([*model.contracting, model.bottleneck]):
            first, second = (f"contracting.{level}.{part}" for part in (1, 2))
            folded = fold_batch_norm(step[0], step[1])
            # The width is even on all levels but the lowest.
            in_pairs = step is not model.bottleneck and self._is_worth_pairing(step)
            if in_pairs:
                layer: Layer = PairConvolution(*folded, dtype=self.dtype, first=True)
            else:
                layer = self._convolution(*folded, reads, first)
            self.contracting.append((layer, self._second(step, in_pairs, first, second)))
            reads = second
        for up, step in zip(model.up_convolutions, model.expansive, strict=True):
            level -= 1
            large, first, second = (f"expansive.{level}.{part}" for part in range(3))
            folded = fold_batch_norm(step[0], step[1])
            up_layer, in_pairs = None, False
            if is_worth_merging(up, self.dtype, self.padding):
                in_pairs = self._is_worth_pairing(step)
                both = MergedConvolution(up, *folded, dtype=self.dtype, in_pairs=in_pairs)
            else:
                up_layer = self._up_convolution(up, reads, large)
                both = self._skip_convolution(*folded, f"contracting.{level}.2", large, first)
                self._offer_merged(both, up, *folded)
            last = self._second(step, in_pairs, first, second)
            self.expansive.append((up_layer, both, last))
            reads = second

    def _is_worth_pairing(self, step: nn.Sequential) -> bool:
        return is_worth_pairing(step[3].out_channels, self.dtype, self.padding)

    def _second(self, step: nn.Sequential, in_pairs: bool, reads: str, writes: str) -> Layer:
        """Builds the second convolution of a step; in_pairs: The first one takes pairs."""
        folded = fold_batch_norm(step[3], step[4])
        if in_pairs:
            return PairConvolution(*folded, dtype=self.dtype, first=False)
        return self._convolution(*folded, reads, writes)

    def _convolution(self, weight: Tensor, bias: Tensor, reads: str, writes: str) -> Convolution:
        layer = Convolution(weight, bias, dtype=self.dtype, padding=self.padding)
        self._offer_winograd(layer, weight, bias)
        return layer

    def _up_convolution(self, module: nn.Module, reads: str, writes: str) -> UpConvolution:
        return UpConvolution(module, self.dtype)

    def _skip_convolution(
        self, weight: Tensor, bias: Tensor, skip: str, reads: str, writes: str
    ) -> SkipConvolution:
        layer = SkipConvolution(weight, bias, dtype=self.dtype, padding=self.padding)
        self._offer_winograd(layer, weight, bias)
        return layer

    def _offer_winograd(self, layer: Layer, weight: Tensor, bias: Tensor) -> None:
        """Prepares the second way to compute a layer, where it can be faster."""
        if is_worth_transforming(weight, self.dtype, self.padding):
            self.winograd[layer] = WinogradConvolution(weight, bias)

    def _offer_merged(
        self, layer: SkipConvolution, up: nn.Module, weight: Tensor, bias: Tensor
    ) -> None:
        """As `_offer_winograd`, for a layer and the upsampling before it."""
        if is_worth_merging_whole(up, self.dtype, self.padding):
            self.merged[layer] = MergedConvolution(up, weight, bias, dtype=self.dtype)

    @torch.inference_mode()
    def __call__(
        self,
        image: Tensor,
        between_layers: Callable[[], None] | None = None,
        *,
        whole: bool = False,
    ) -> Tensor:
        """Returns logits, (B, classes, h', w') float32, of normalised images.

        The maps of `Network.object_channels` follow in further channels.

        Args:
            image: (B, channels, h, w) float32. "same": h and w are multiples of the pooling grid.
                "valid": as for `Network.forward`.
            between_layers: Called between layers; what it raises ends the computation.
            whole: It is all of an image. Its result then differs from that of its tiles in the last
                bits, where the CPU is faster so.

        Raises:
            NestedPredictionError: `between_layers` runs an engine itself.
            PrecisionError: A value is too large for float16.
        """
        with MEMORY.held():
            self._between_layers = between_layers or _do_nothing
            self._whole = whole
            self._merges = whole and image.shape[2] * image.shape[3] >= MANY_PIXELS
            return checked_logits(self._run(image), self.precision)

    def _run(self, image: Tensor) -> Tensor:
        x = self._load_input(image)
        skips = []
        *levels, bottom = self.contracting
        for level, (first, second) in enumerate(levels):
            x = self._convolve(first, x, "work", level)
            x = self._convolve(second, x, "skip", level)
            skips.append(x)
            batch, height, width, channels = x.shape
            small = self._buffer("work", level, (batch, height // 2, width // 2, channels))
            x = pool(small, x, self._buffer("up", level, x.shape))

        x = self._convolve(bottom[0], x, "work", len(levels))
        x = self._convolve(bottom[1], x, "skip", len(levels))

        for level, (up, first, second) in zip(
            reversed(range(len(levels))), self.expansive, strict=True
        ):
            x = self._expand(up, first, skips.pop(), x, level)
            x = self._convolve(second, x, "up", level)
        return self._logits(x)

    def _expand(
        self,
        up: UpConvolution | None,
        first: ExpansiveLayer,
        skip: Tensor,
        x: Tensor,
        level: int,
    ) -> Tensor:
        """Upsamples x and convolves it together with the skip connection."""
        batch, height, width, _ = x.shape
        shape = (batch, 2 * height, 2 * width, skip.shape[-1])
        skip = self._cropped(skip, shape, level)
        if self._merges:
            first = self.merged.get(first, first)
        if isinstance(first, MergedConvolution):
            blocks = self._buffer(
                "up", level, (batch, height + 1, width + 1, 4 * first.out_channels)
            )
            return first.write(self._output(first, shape, "work", level), skip, x, blocks)
        x = up.write(self._buffer("up", level, shape), x, self._buffer("work", level, shape))
        return self._write(first, self._output(first, shape, "work", level), skip, x)

    def _convolve(self, convolution: Convolution, x: Tensor, name: str, level: int) -> Tensor:
        return self._write(convolution, self._output(convolution, x.shape, name, level), x)

    def _write(self, layer: Layer, out: Tensor, *images: Tensor) -> Tensor:
        """Convolves images, and overwrites `out`."""
        return (self.fastest_way(layer, out) if self._whole else layer).write(out, *images)

    def fastest_way(self, layer: Layer, out: Tensor) -> Layer | WinogradConvolution:
        """Returns what computes a layer of a whole image in the least time, by its `write`."""
        winograd = self.winograd.get(layer)
        return layer if winograd is None or not winograd.pays_for(out) else winograd

    def _output(
        self, layer: Layer | MergedConvolution, image: tuple[int, ...], name: str, level: int
    ) -> Tensor:
        """Returns the tensor that the layer's output for an image of this shape is written to."""
        self._between_layers()  # each layer asks for its output once
        return self._buffer(name, level, layer.output_shape(image), layer.dtype)

    def _cropped(self, skip: Tensor, shape: tuple[int, ...], level: int) -> Tensor:
        """Returns the middle of a feature map of the contracting path, if that one is larger."""
        if skip.shape == shape:
            return skip
        top, left = (skip.shape[1] - shape[1]) // 2, (skip.shape[2] - shape[2]) // 2
        middle = skip[:, top : top + shape[1], left : left + shape[2]]
        return self._buffer("crop", level, shape).copy_(middle)

    def _load_input(self, image: Tensor) -> Tensor:
        """Copies the image into the engine's memory, as channels last and in its dtype."""
        batch, channels, height, width = image.shape
        x = self._buffer("image", 0, (batch, height, width, channels))
        return x.copy_(image.permute(0, 2, 3, 1))

    def _logits(self, x: Tensor) -> Tensor:
        """Applies the last 1x1 convolutions, in float32, so that logits are not rounded.

        It always gets `BAND` pixels, some of them unused: with fewer, oneDNN would round
        differently. A product of matrices takes half the time of the convolution, but may round
        some pixels by where they lie; so it is for layers that do so, too.
        """
        batch, height, width, channels = x.shape
        logits = torch.empty(batch, len(self.head), height, width)
        apply, band = self._convolve_head, BAND
        if self._rounds_by_place:
            apply, band = self._multiply_head, SMALL_BAND
        for image, planes in zip(x, logits, strict=True):
            pixels = image.view(-1, channels).split(band)
            for part, out in zip(pixels, planes.flatten(1).split(band, dim=1), strict=True):
                apply(self._full_band(part), out)
        return logits

    def _convolve_head(self, band: Tensor, out: Tensor) -> None:
        """Writes the logits of the first pixels of a band to `out`, (classes, pixels)."""
        image = band.view(1, 1, *band.shape).permute(0, 3, 1, 2)
        result = nn.functional.conv2d(image, self.head, self.head_bias)
        out.copy_(result[0, :, 0, : out.shape[1]])

    def _multiply_head(self, band: Tensor, out: Tensor) -> None:
        """As `_convolve_head`."""
        torch.mm(self.head[:, :, 0, 0], band[: out.shape[1]].t(), out=out)
        out += self.head_bias[:, None]

    def _full_band(self, pixels: Tensor) -> Tensor:
        """Returns `BAND` pixels in float32 that begin with these (n, channels)."""
        if len(pixels) == BAND and pixels.dtype == torch.float32:
            return pixels
        band = self._buffer("band", 0, (BAND, pixels.shape[1]), torch.float32)
        band[: len(pixels)] = pixels
        return band

    def _buffer(
        self, name: str, level: int, shape: tuple[int, ...], dtype: torch.dtype | None = None
    ) -> Tensor:
        """Returns a tensor in the buffer of this name.

        Every level has its own "skip" buffer: the expansive path reads it later. The other buffers
        are not needed any more two levels later, so even levels share one, and odd levels another.
        """
        index = level if name == "skip" else level % 2
        return MEMORY.take((name, index), shape, dtype or self.dtype)


def _do_nothing() -> None:
    """Stands for a callback that was not given."""


def checked_logits(logits: Tensor, precision: str) -> Tensor:
    """Returns the logits; raises `PrecisionError` if a value was too large for float16."""
    if precision == "float16" and not torch.isfinite(logits).all():
        raise PrecisionError(
            "Values inside the network exceed 65,504, the largest that float16 holds. Choose "
            "precision='bfloat16' or 'float32'."
        )
    return logits
