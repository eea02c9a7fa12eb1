"""Calibration for int8: the ranges of values in a network's feature maps, from a few images."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..errors import CalibrationError
from ..hashes import weights_sha256
from ..images.reading import ImageSource, read_image
from ..network.network import Network
from ..network.tiling import read_window
from .engine import Engine
from .int8 import ValueRange
from .layers import Convolution, SkipConvolution, UpConvolution

# This fraction of a channel's values may lie above its range, and the same fraction below it: a
# range that held the rarest values would make the steps of all others coarser.
TRIMMED_FRACTION = 1e-5
DIGITS = 5  # significant digits of each stored number
WINDOW = 512  # px: side of the windows that images are shown in


@dataclass(frozen=True, eq=False)
class Calibration:
    """The ranges of values in a network's feature maps.

    values: For each feature map, by its name in `Engine._plan`, and for the "image".
    images: Number of images that they come from.
    weights: SHA-256 of the weights that they belong to.
    lost: By how much each score is lower in int8 on the validation images; empty if nobody knows.
    weight_bits: How many bits weights had where that was measured, see `int8_weight_bits`;
        None if nobody knows.
    """

    values: Mapping[str, ValueRange]
    images: int
    weights: str
    lost: Mapping[str, float] = field(default_factory=dict)
    weight_bits: int | None = None


def calibrate(model: Network, sources: Iterable[ImageSource]) -> Calibration:
    """Runs the network on some images in float32 and returns the ranges of its feature maps.

    Raises:
        ImageError: An image cannot be read or does not fit.
        CalibrationError: There is no image.
    """
    observer = Observer(model)
    count = 0
    for source in sources:
        image = read_image(source)
        prepared = model.preprocessing.prepare(image)
        for tile in model.geometry.plan(image.height, image.width, WINDOW):
            observer(read_window(prepared, tile)[None])
        count += 1
    if not count:
        raise CalibrationError("There is no image to calibrate on. Some ten typical ones will do.")
    values = {  # rounded as they are stored
        name: ValueRange(
            *(torch.tensor(rounded_numbers(numbers)) for numbers in vars(ranges).values())
        )
        for name, ranges in observer.values().items()
    }
    return Calibration(values, count, weights_sha256(model.state_dict()))


class Observer(Engine):
    """An engine in float32 that records the range of values of each feature map."""

    def __init__(self, model: Network) -> None:
        self._windows: dict[str, list[ValueRange]] = {}  # by feature map, one entry a window
        super().__init__(model, "float32")

    def values(self) -> dict[str, ValueRange]:
        """Returns the range of each feature map over all windows so far."""
        return {
            name: ValueRange(
                torch.stack([window.low for window in windows]).amin(0),
                torch.stack([window.high for window in windows]).amax(0),
                torch.stack([window.mean for window in windows]).mean(0),
            )
            for name, windows in self._windows.items()
        }

    def _convolution(self, *arguments: Any) -> Convolution:
        layer = super()._convolution(*arguments)
        layer.write = self._observed(layer.write, arguments[3])
        return layer

    def _skip_convolution(self, *arguments: Any) -> SkipConvolution:
        layer = super()._skip_convolution(*arguments)
        layer.write = self._observed(layer.write, arguments[4])
        return layer

    def _up_convolution(self, *arguments: Any) -> UpConvolution:
        layer = super()._up_convolution(*arguments)
        layer.write = self._observed(layer.write, arguments[2])
        return layer

    def _load_input(self, image: Tensor) -> Tensor:
        x = super()._load_input(image)
        self._record("image", x)
        return x

    def _observed(self, layer: Callable[..., Tensor], writes: str) -> Callable[..., Tensor]:
        def run(*arguments: Tensor) -> Tensor:
            out = layer(*arguments)
            self._record(writes, out)
            return out

        return run

    def _record(self, name: str, values: Tensor) -> None:
        """Adds the range of a (B, h, w, C) feature map, without its rarest values."""
        channels = values.flatten(0, 2).t().contiguous()
        count = 1 + int(TRIMMED_FRACTION * channels.shape[1])
        low = channels.topk(count, largest=False).values[:, -1]
        high = channels.topk(count).values[:, -1]
        self._windows.setdefault(name, []).append(ValueRange(low, high, channels.mean(1)))


def rounded_numbers(numbers: Tensor) -> list[float]:
    """Returns the numbers with `DIGITS` significant digits each."""
    return [float(f"{number:.{DIGITS}g}") for number in numbers.tolist()]


def checked_calibration(model: Network) -> Calibration:
    """Returns the model's calibration.

    Raises:
        CalibrationError: There is none, or it belongs to other weights.
    """
    calibration = model.calibration
    if calibration is None:
        raise CalibrationError(
            "int8 needs to know the network's values beforehand, and there is no int8.json "
            "beside these weights. Show it some typical images: `model.calibrate(images)`, or "
            "`python -m unet_hf calibrate`."
        )
    if calibration.weights != weights_sha256(model.state_dict()):
        raise CalibrationError(
            "The weights have changed since the network was calibrated for int8. Call "
            "`model.calibrate(images)` again."
        )
    return calibration


def feature_maps(model: Network) -> dict[str, int]:
    """Returns the number of channels of each feature map that int8 needs ranges for.

    The feature maps have their names in `Engine._plan`.
    """
    channels = {"image": model.config["in_channels"]}
    for level, width in enumerate(model.widths):
        channels |= {f"contracting.{level}.{part}": width for part in (1, 2)}
    for level, width in enumerate(model.widths[:-1]):
        channels |= {f"expansive.{level}.{part}": width for part in range(3)}
    return channels
