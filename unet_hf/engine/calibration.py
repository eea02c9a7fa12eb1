"""Which values a network's feature maps take: what its integers have to stand for."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import CalibrationError
from ..hashes import weights_sha256
from ..images.reading import ImageSource, read_image
from ..network.network import Network
from ..network.tiling import read_window
from .engine import Convolution, Engine, Joining, UpConvolution
from .int8 import Values

REST = 1e-5  # of a channel's values lie above its range, and as many below
DIGITS = 5  # of each number
WINDOW = 512  # px, of the windows that images are looked at in


@dataclass(frozen=True, eq=False)
class Calibration:
    """What was seen of a network's feature maps.

    values: By their names in `Engine._plan`, and of the "image".
    images: How many were looked at.
    weights: SHA-256 of those that they belong to.
    """

    values: Mapping[str, Values]
    images: int
    weights: str


def calibrate(model: Network, sources: Iterable[ImageSource]) -> Calibration:
    """Shows the network some images, in float32. Raises `ImageError`, and `CalibrationError` if
    there are none."""
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
    values = {  # as they will be read again
        name: Values(*(torch.tensor(rounded_numbers(numbers)) for numbers in vars(seen).values()))
        for name, seen in observer.values().items()
    }
    return Calibration(values, count, weights_sha256(model.state_dict()))


class Observer(Engine):
    """Computes in float32 and keeps in mind what it sees."""

    def __init__(self, model: Network) -> None:
        self._seen: dict[str, list[Values]] = {}  # by feature map, one a window
        super().__init__(model, "float32")

    def values(self) -> dict[str, Values]:
        """Over all windows so far."""
        return {
            name: Values(
                torch.stack([one.low for one in seen]).amin(0),
                torch.stack([one.high for one in seen]).amax(0),
                torch.stack([one.mean for one in seen]).mean(0),
            )
            for name, seen in self._seen.items()
        }

    def _convolution(self, *arguments: Any) -> Convolution:
        layer = super()._convolution(*arguments)
        layer.write = self._observed(layer.write, arguments[3])
        return layer

    def _joining(self, *arguments: Any) -> Joining:
        layer = super()._joining(*arguments)
        layer.write = self._observed(layer.write, arguments[4])
        return layer

    def _up_convolution(self, *arguments: Any) -> UpConvolution:
        layer = super()._up_convolution(*arguments)
        layer.write = self._observed(layer.write, arguments[2])
        return layer

    def _entering(self, image: Tensor) -> Tensor:
        x = super()._entering(image)
        self._see("image", x)
        return x

    def _observed(self, layer: Callable[..., Tensor], writes: str) -> Callable[..., Tensor]:
        def run(*arguments: Tensor) -> Tensor:
            out = layer(*arguments)
            self._see(writes, out)
            return out

        return run

    def _see(self, name: str, values: Tensor) -> None:
        """(B, h, w, C): all but the rarest, for whose sake all steps would be coarser."""
        channels = values.flatten(0, 2).t().contiguous()
        count = 1 + int(REST * channels.shape[1])
        low = channels.topk(count, largest=False).values[:, -1]
        high = channels.topk(count).values[:, -1]
        self._seen.setdefault(name, []).append(Values(low, high, channels.mean(1)))


def rounded_numbers(numbers: Tensor) -> list[float]:
    return [float(f"{number:.{DIGITS}g}") for number in numbers.tolist()]


def checked_calibration(model: Network) -> Calibration:
    """The calibration of these very weights. Raises `CalibrationError` where there is none."""
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
    """Channels of each feature map whose values int8 has to know, by their names in
    `Engine._plan`."""
    base, depth = model.config["base_channels"], model.config["depth"]
    channels = {"image": model.config["in_channels"]}
    for level in range(depth + 1):
        channels |= {f"contracting.{level}.{part}": base * 2**level for part in (1, 2)}
    for level in range(depth):
        channels |= {f"expansive.{level}.{part}": base * 2**level for part in range(3)}
    return channels
