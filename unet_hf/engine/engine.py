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

import functools
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter

import torch
from torch import Tensor, nn

from ..errors import ConfigError, NestedPredictionError, PrecisionError
from ..network.network import Network

logger = logging.getLogger(__name__)

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.uint8,
}
# Caps under which oneDNN computes bfloat16 by way of float32.
WITHOUT_BFLOAT16 = {
    "SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI",
}  # fmt: skip
# oneDNN packs the weights of narrow layers in one of several ways, by the size of the image, and
# is up to three times slower with another. Wide layers have one way.
NARROW = 64
# What the engine calls of PyTorch beyond its public interface.
OPERATORS = ("mkldnn._convolution_pointwise_.binary", "mkldnn._reorder_convolution_weight")
INT8_OPERATORS = ("onednn.qconv2d_pointwise", "onednn.qconv_prepack")
SIZES = 16  # for which packed weights are kept
BAND = 2**15  # pixels that get their logits at once


# --------------------------------------------------------------------------------- precision


def checked_precision(precision: str, device: torch.device) -> str:
    """A name of `DTYPES`, "auto" resolved. Raises `ConfigError` for any other."""
    if precision == "auto":
        return best_precision(device)
    if precision not in DTYPES:
        raise ConfigError(
            f"precision={precision!r} is not known; there are auto, {', '.join(DTYPES)}."
        )
    if precision == "int8" and device.type != "cpu":
        raise ConfigError(
            f"int8 is for CPUs, and the model is on {device.type}. Choose 'auto', or move it with "
            "`model.cpu()`."
        )
    if device.type == "cpu" and precision not in cpu_precisions():
        raise ConfigError(
            f"This CPU has no instructions for {precision}. Choose 'auto' or "
            f"{' or '.join(map(repr, cpu_precisions()))}."
        )
    return precision


def best_precision(device: torch.device) -> str:
    """The name of the dtype that this device multiplies fastest at a small loss.

    On a CPU half precision only where there are instructions for it; float16, which rounds eight
    times finer than bfloat16, if it has a matrix unit for that. A matter of the machine, not of
    the moment: the same image gives the same bytes each time.
    """
    if device.type != "cpu":
        return "float16"
    able = cpu_precisions()
    if "float16" in able and cpu_has("amx_fp16"):
        return "float16"
    native = cpu_has("avx512_bf16") or cpu_has("amx_tile")
    fast = native and isa_cap() not in WITHOUT_BFLOAT16
    return "bfloat16" if "bfloat16" in able and fast else "float32"


def cpu_has(instructions: str) -> bool:
    """Whether the CPU has "avx512_bf16", "amx_tile" or "amx_fp16"; no, if PyTorch cannot tell."""
    asked = getattr(torch.cpu, f"_is_{instructions}_supported", None)
    return asked is not None and asked()


def has_onednn() -> bool:
    """Whether the engine can run here: PyTorch has oneDNN, and its operators are as expected."""
    return torch.backends.mkldnn.is_available() and not _missing(OPERATORS)


def _missing(operators: tuple[str, ...]) -> list[str]:
    """They are PyTorch's own business: another version may have others. A note in the log says so,
    once."""
    missing = [name for name in operators if not _has_operator(name)]
    if missing:
        _note_missing(", ".join(missing))
    return missing


def _has_operator(name: str) -> bool:
    found = torch.ops
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is not None


@functools.cache
def _note_missing(names: str) -> None:
    logger.warning(
        "PyTorch %s has no %s, so that %s. unet_hf was tested with PyTorch 2.13.",
        torch.__version__,
        names,
        "there is no int8" if "onednn.q" in names else "plain PyTorch computes, which is slower",
    )


def _supported(name: str) -> bool:
    return _has_operator(name) and attrgetter(name)(torch.ops)()


def cpu_precisions() -> list[str]:
    """What oneDNN computes here, be it fast or slow."""
    if not has_onednn():
        return ["float32"]
    supported = {
        "float32": True,
        "bfloat16": _supported("mkldnn._is_mkldnn_bf16_supported"),
        "float16": _supported("mkldnn._is_mkldnn_fp16_supported"),
        "int8": not _missing(INT8_OPERATORS),
    }
    return [name for name, able in supported.items() if able]


def isa_cap() -> str:
    """The instructions that oneDNN was told to keep to, "" for all there are."""
    cap = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    return cap.upper()


# ------------------------------------------------------------------------------------ layers


class Convolution:
    """3x3, with everything that follows it: bias, batch norm and ReLU."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        *,
        dtype: torch.dtype,
        padding: int,
        relu: bool = True,
    ) -> None:
        """weight: (out, in, 3, 3) float32. bias: (out,) float32, or None."""
        self.out_channels, self.dtype = len(weight), dtype
        self.bias = None if bias is None else bias.to(dtype)
        self.padding = padding
        self.relu = relu
        weight = weight.to(dtype, memory_format=torch.channels_last)
        self.narrow = min(weight.shape[:2]) < NARROW
        self.weight = weight if self.narrow else self._pack(weight, None)
        self.packed: dict[torch.Size, Tensor] = {}

    def write(self, out: Tensor, image: Tensor) -> Tensor:
        """(B, h, w, in) -> `out`, (B, h', w', out), whatever stood there."""
        return self.add(out.zero_(), image)

    def add(self, out: Tensor, image: Tensor) -> Tensor:
        """To what stands in `out`; the ReLU comes after the sum.

        (oneDNN has a convolution into given memory only as one that adds.)
        """
        image = image.permute(0, 3, 1, 2)
        torch.ops.mkldnn._convolution_pointwise_.binary(
            out.permute(0, 3, 1, 2), image, self._packed_for(image.shape), self.bias,
            [self.padding] * 2, [1, 1], [1, 1], 1,
            "add", 1, "relu" if self.relu else None, [], None,
        )  # fmt: skip
        return out

    def _packed_for(self, shape: torch.Size) -> Tensor:
        if not self.narrow:
            return self.weight
        if shape not in self.packed:
            if len(self.packed) == SIZES:
                self.packed.clear()
            self.packed[shape] = self._pack(self.weight, shape)
        return self.packed[shape]

    def _pack(self, weight: Tensor, shape: torch.Size | None) -> Tensor:
        return torch.ops.mkldnn._reorder_convolution_weight(
            weight, [self.padding] * 2, [1, 1], [1, 1], 1, shape
        )


class Joining:
    """The 3x3 convolution of (skip, up), without concatenating them first."""

    def __init__(self, weight: Tensor, bias: Tensor, *, dtype: torch.dtype, padding: int) -> None:
        """As `Convolution`; the first half of the input channels are the skip connection's."""
        beside, below = weight.tensor_split(2, dim=1)
        self.below = Convolution(below, None, dtype=dtype, padding=padding, relu=False)
        self.beside = Convolution(beside, bias, dtype=dtype, padding=padding)
        self.out_channels, self.dtype = len(weight), dtype

    def write(self, out: Tensor, skip: Tensor, up: Tensor) -> Tensor:
        """Two (B, h, w, C) -> `out`, (B, h', w', C)."""
        return self.beside.add(self.below.write(out, up), skip)


class UpConvolution:
    """Twice the height and width, half the channels; transposed or bilinear."""

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        self.bilinear = isinstance(module, nn.Sequential)
        if self.bilinear:  # a 1x1 convolution, then interpolation
            convolution = module[0]
            matrix, bias = convolution.weight.detach()[:, :, 0, 0].t(), convolution.bias.detach()
        else:  # each pixel becomes 2x2 pixels, each by a matrix of its own
            matrix = module.weight.detach().permute(0, 2, 3, 1).flatten(1)
            bias = module.bias.detach().repeat(4)
        self.matrix, self.bias = matrix.to(dtype).contiguous(), bias.to(dtype)

    def multiply(self, image: Tensor, scratch: Tensor) -> Tensor:
        """(B, h, w, 2 C) -> (B, h, w, 4 C or C), in the memory of `scratch`."""
        batch, height, width, _ = image.shape
        channels = self.matrix.shape[1]
        product = scratch.flatten()[: batch * height * width * channels].view(-1, channels)
        torch.addmm(self.bias, image.flatten(0, 2), self.matrix, out=product)
        return product.view(batch, height, width, channels)

    def write(self, out: Tensor, image: Tensor, scratch: Tensor) -> Tensor:
        """(B, h, w, 2 C) -> `out`, (B, 2 h, 2 w, C). scratch: as large as `out`."""
        batch, height, width, _ = image.shape
        product = self.multiply(image, scratch)
        if self.bilinear:
            small = product.permute(0, 3, 1, 2)
            large = nn.functional.interpolate(small, scale_factor=2, mode="bilinear")
            return out.copy_(large.permute(0, 2, 3, 1))
        blocks = product.view(batch, height, width, 2, 2, -1).permute(0, 1, 3, 2, 4, 5)
        out.view(batch, height, 2, width, 2, -1).copy_(blocks)
        return out


def pool(out: Tensor, image: Tensor, scratch: Tensor) -> Tensor:
    """2x2 max pooling, (B, h, w, C) -> `out`, (B, h/2, w/2, C). scratch: half as large as image.

    (`max_pool2d` writes 8 bytes of index beside each value.)
    """
    batch, height, width, channels = image.shape
    rows = image.view(batch, height // 2, 2, width * channels)
    higher = scratch.flatten()[: image.numel() // 2].view(batch, height // 2, width * channels)
    torch.maximum(rows[:, :, 0], rows[:, :, 1], out=higher)
    pairs = higher.view(batch, height // 2, width // 2, 2, channels)
    return torch.maximum(pairs[..., 0, :], pairs[..., 1, :], out=out)


# ------------------------------------------------------------------------------------ memory


class Memory:
    """What feature maps are written to: kept from call to call, shared by all engines.

    It grows to what the largest window has needed: some 5 * base_channels values a pixel.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held by the engine that runs
        self._holder: int | None = None  # its thread
        self._pieces: dict[tuple[str, int], Tensor] = {}

    @contextmanager
    def held(self) -> Iterator[None]:
        """For one thread at a time, the others wait. Raises `NestedPredictionError` in a thread
        that holds it already, which would wait for itself."""
        if self._holder == threading.get_ident():
            raise NestedPredictionError(
                "A prediction was asked for within another one: by its `progress`, while a tile is "
                "computed. Only note there what is to be predicted, and predict it when the first "
                "prediction has returned."
            )
        with self._lock:
            self._holder = threading.get_ident()
            try:
                yield
            finally:
                self._holder = None

    def take(self, key: tuple[str, int], shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """A tensor in the piece of this name; what was in it is gone."""
        size = torch.Size(shape).numel() * dtype.itemsize
        piece = self._pieces.get(key)
        if piece is None or len(piece) < size:
            self._pieces.pop(key, None)  # before there are two
            piece = self._pieces[key] = torch.empty(size, dtype=torch.uint8)
        return piece[:size].view(dtype).view(shape)

    def __len__(self) -> int:
        """Bytes."""
        return sum(map(len, self._pieces.values()))

    def release(self) -> None:
        """Gives it back; the next prediction takes it anew."""
        with self.held():
            self._pieces.clear()


MEMORY = Memory()

# ------------------------------------------------------------------------------------ engine


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


def folded(convolution: nn.Conv2d, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weights and bias of a convolution and the batch norm behind it, as of one convolution."""
    weight = convolution.weight.detach()
    bias = weight.new_zeros(len(weight))
    if convolution.bias is not None:
        bias = convolution.bias.detach()
    if isinstance(norm, nn.BatchNorm2d):
        scale = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
        weight = weight * scale[:, None, None, None]
        bias = norm.bias.detach() + (bias - norm.running_mean) * scale
    return weight, bias


def checked_logits(logits: Tensor, precision: str) -> Tensor:
    """Raises `PrecisionError` if a value was too large for float16."""
    if precision == "float16" and not torch.isfinite(logits).all():
        raise PrecisionError(
            "Values inside the network exceed 65,504, the largest that float16 holds. Choose "
            "precision='bfloat16' or 'float32'."
        )
    return logits
