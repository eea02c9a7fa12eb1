"""Who computes a network's logits: the engine on a CPU, PyTorch itself elsewhere."""

from collections.abc import Callable
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ..network.network import Network
from .calibration import checked_calibration
from .engine import DTYPES, Engine, checked_logits, has_onednn
from .int8 import Int8Engine

LogitsFunction = Callable[..., Tensor]  # (image, pause)

_engines: WeakKeyDictionary[Network, dict[str, tuple[tuple, Engine]]] = WeakKeyDictionary()


def network_of(model: Network, precision: str) -> LogitsFunction:
    """What computes the logits, (B, classes, h', w') float32, of (B, channels, h, w) float32; both
    on the CPU. An engine is prepared once, and again when the weights have changed. What it is
    given as `pause` is called now and then; what that raises ends the computation.

    precision: As `checked_precision` returns it. Raises `CalibrationError` if it is "int8" and
    the network was not calibrated.
    """
    if model.device.type != "cpu" or not has_onednn():
        return lambda image, pause=None: plainly(model, precision, image)
    kept = _engines.setdefault(model, {})
    calibration = model.calibration if precision == "int8" else None
    state = (calibration, *_fingerprint(model))
    if precision not in kept or kept[precision][0] != state:
        if precision == "int8":
            engine = Int8Engine(model, checked_calibration(model).values)
        else:
            engine = Engine(model, precision)
        kept[precision] = (state, engine)
    return kept[precision][1]


def plainly(model: Network, precision: str, image: Tensor) -> Tensor:
    """PyTorch's own way: on a GPU."""
    device = model.device
    image = image.to(device, memory_format=torch.channels_last)
    half = precision != "float32"
    with torch.autocast(device.type, DTYPES[precision], enabled=half):
        logits = model(image)
    return checked_logits(logits.float().cpu(), precision)


def _fingerprint(model: Network) -> tuple:
    """Changes with the weights, also where they are changed behind PyTorch's back (`.data`)."""
    tensors = [*model.parameters(), *model.buffers()]
    return tuple((tensor.data_ptr(), float(tensor.detach().float().norm())) for tensor in tensors)
