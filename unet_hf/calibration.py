"""Which values a network's feature maps take: what its integers have to stand for."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from torch import Tensor

from .engine import Convolution, Engine, Joining, UpConvolution
from .errors import CalibrationError
from .evidence import STAMP, read_record, stamp
from .files import write_text
from .images import ImageSource, read_image
from .int8 import Values
from .layout import INT8_NAME, WEIGHTS_NAME
from .tiling import mirrored

if TYPE_CHECKING:
    from .unet import UNet

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


def calibrate(model: "UNet", sources: Iterable[ImageSource]) -> Calibration:
    """Shows the network some images, in float32. Raises `ImageError`, and `CalibrationError` if
    there are none."""
    observer = Observer(model)
    count = 0
    for source in sources:
        image = read_image(source)
        prepared = model.preprocessing.prepare(image)
        for tile in model.geometry.plan(image.height, image.width, WINDOW):
            top, bottom, left, right = tile.window
            rows = mirrored(top, bottom, image.height)
            observer(prepared.window(rows, mirrored(left, right, image.width))[None])
        count += 1
    if not count:
        raise CalibrationError("There is no image to calibrate on. Some ten typical ones will do.")
    values = {  # as they will be read again
        name: Values(*(torch.tensor(_digits(numbers)) for numbers in vars(seen).values()))
        for name, seen in observer.values().items()
    }
    return Calibration(values, count, fingerprint(model.state_dict()))


class Observer(Engine):
    """Computes in float32 and keeps in mind what it sees."""

    def __init__(self, model: "UNet") -> None:
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


def _digits(numbers: Tensor) -> list[float]:
    return [float(f"{number:.{DIGITS}g}") for number in numbers.tolist()]


def calibration_of(model: "UNet") -> Calibration:
    """That of these very weights. Raises `CalibrationError` where there is none."""
    if model.calibration is None and model.origin is not None:
        model.calibration = _beside_the_weights(model.origin.folder)
    if model.calibration is None:
        raise CalibrationError(
            f"int8 needs to know the network's values beforehand, and there is no {INT8_NAME} "
            "beside these weights. Show it some typical images: `model.calibrate(images)`, or "
            "`python -m unet_hf calibrate`."
        )
    if model.calibration.weights != fingerprint(model.state_dict()):
        raise CalibrationError(
            "The weights have changed since the network was calibrated for int8. Call "
            "`model.calibrate(images)` again."
        )
    return model.calibration


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """int8.json, one line for each list of numbers."""
    text = json.dumps(record, indent=2)
    text = re.sub(r"\[[^][]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    write_text(folder / INT8_NAME, text + "\n")


def record_of(calibration: Calibration, folder: Path) -> dict[str, Any]:
    """What is kept beside the weights in `folder`."""
    values = {
        name: {key: _digits(numbers) for key, numbers in vars(seen).items()}
        for name, seen in calibration.values.items()
    }
    return {STAMP: stamp(folder), "images": calibration.images, "values": values}


def _beside_the_weights(folder: Path) -> Calibration | None:
    record = read_record(folder / INT8_NAME)
    if record is None or record.get(STAMP) != stamp(folder):
        return None
    try:
        values = {
            name: Values(*(torch.tensor(seen[key]) for key in ("low", "high", "mean")))
            for name, seen in record["values"].items()
        }
        images = int(record["images"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CalibrationError(
            f"{INT8_NAME} does not hold the ranges of a network. Restore it from its source, or "
            "calibrate again."
        ) from error
    weights = safetensors.torch.load_file(folder / WEIGHTS_NAME)
    return Calibration(values, images, fingerprint(weights))


def fingerprint(weights: Mapping[str, Tensor]) -> str:
    """Changes with any of them."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(weights[name].cpu().contiguous().numpy())
    return digest.hexdigest()
