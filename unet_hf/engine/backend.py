"""How a network's logits are computed: by the engine on a CPU, by PyTorch itself elsewhere."""

import threading
import zlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from ..network.network import Network
from .calibration import checked_calibration
from .engine import Engine, checked_logits
from .int8 import Int8Engine
from .precision import DTYPES, has_onednn

LogitsFunction = Callable[..., Tensor]  # called with (image, between_layers, whole=...)

CHECKSUMS = 4093  # number of sums over the values of a large tensor, see `_checksum`

_engines: WeakKeyDictionary[Network, dict[str, tuple[tuple, Engine]]] = WeakKeyDictionary()


def logits_function(model: Network, precision: str) -> LogitsFunction:
    """Returns the function that computes logits: (image, between_layers) -> logits.

    It turns a (B, channels, h, w) float32 image into (B, classes, h', w') float32 logits, both on
    the CPU; the maps of `Network.object_channels` follow in further channels. `between_layers` and
    `whole` are optional, see `Engine.__call__`. An engine is prepared once, and again when the
    weights have changed.

    Args:
        precision: As `checked_precision` returns it.

    Raises:
        CalibrationError: The precision is "int8", and the network was not calibrated.
    """
    if model.device.type != "cpu" or not has_onednn():
        return lambda image, *_, **__: run_with_pytorch(model, precision, image)
    engines = _engines.setdefault(model, {})
    calibration = model.calibration if precision == "int8" else None
    state = (calibration, *fingerprint(model))
    if precision not in engines or engines[precision][0] != state:
        if precision == "int8":
            engine = Int8Engine(model, checked_calibration(model).values)
        else:
            engine = Engine(model, precision)
        engines[precision] = (state, engine)
    return engines[precision][1]


def run_with_pytorch(model: Network, precision: str, image: Tensor) -> Tensor:
    """Runs the network in PyTorch on its own device; returns float32 logits on the CPU."""
    device = model.device
    image = image.to(device, memory_format=torch.channels_last)
    if precision == "float32":
        with EXACT_FLOAT32:
            logits = model(image, objects=True)
    else:
        with torch.autocast(device.type, DTYPES[precision]):
            logits = model(image, objects=True)
    return checked_logits(logits.float().cpu(), precision)


class ExactFloat32:
    """A context in which GPUs multiply float32 numbers without rounding them first.

    By default, PyTorch lets NVIDIA GPUs round them to TF32, with 10 bits of mantissa, in all
    convolutions. The setting belongs to the whole process: the first thread that enters changes it,
    and the last one that leaves restores it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0  # threads
        self._restore = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._set()
            self._inside += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._restore.close()

    def _set(self) -> None:
        """Changes PyTorch's older settings and its newer ones.

        Reading an older setting that contradicts the newer ones raises `RuntimeError`.
        """
        cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
        mkldnn = getattr(torch.backends.mkldnn, "matmul", None)
        convolution, rnn = (getattr(cudnn, name, None) for name in ("conv", "rnn"))
        # The newer settings are registered first, so that they are restored last: restoring an
        # older one changes newer ones, too. PyTorch 2.8 has no newer ones.
        for setting in (convolution, rnn, matmul, mkldnn):
            if hasattr(setting, "fp32_precision"):
                self._restore.callback(setattr, setting, "fp32_precision", setting.fp32_precision)
        with suppress(RuntimeError):  # the newer ones contradict it: nothing to restore
            self._restore.callback(setattr, cudnn, "allow_tf32", cudnn.allow_tf32)
            cudnn.allow_tf32 = False
        with suppress(RuntimeError):
            older = torch.get_float32_matmul_precision()
            self._restore.callback(torch.set_float32_matmul_precision, older)
            torch.set_float32_matmul_precision("highest")
        for setting in (convolution, rnn, matmul):
            if hasattr(setting, "fp32_precision"):
                setting.fp32_precision = "ieee"


EXACT_FLOAT32 = ExactFloat32()


def fingerprint(model: Network) -> tuple:
    """Returns a value that changes whenever anything changes that an engine is prepared from.

    PyTorch counts the changes of a tensor, except those made through `.data` or NumPy and those of
    inference tensors. The checksum of the values detects these, too. It misses a change only if
    all sums of `_checksum` stay the same, or if two CRC-32 are equal by chance (1 in 4 billion).
    """
    tensors = tuple(
        (
            tensor.data_ptr(),
            None if tensor.is_inference() else tensor._version,
            _checksum(tensor.detach()),
        )
        for tensor in (*model.parameters(), *model.buffers())
    )
    norms = tuple(module.eps for module in model.modules() if isinstance(module, nn.BatchNorm2d))
    return tensors, norms


def _checksum(tensor: Tensor) -> int:
    """Returns the CRC-32 of the values; of a large tensor the CRC-32 of sums over its values.

    Summing (8 bytes at a time, modulo 2**64) is as fast as memory: the 31 million weights of the
    paper's network take 6 ms, and their CRC-32 would take 17. A value is added to one of
    `CHECKSUMS` sums, by its position. `CHECKSUMS` is prime, so that no two channels and no two
    pixels of a kernel contribute to the same sums.
    """
    order = sorted(range(tensor.ndim), key=tensor.stride, reverse=True)
    # In the order of memory, channels last or not, nothing has to be copied.
    values = tensor.permute(order).contiguous().flatten().view(torch.uint8).numpy()
    rows = values.size // (8 * CHECKSUMS)
    if rows < 2:
        return zlib.crc32(values)
    head, rest = np.split(values, [8 * CHECKSUMS * rows])
    sums = head.view(np.uint64).reshape(rows, CHECKSUMS).sum(axis=0)
    return zlib.crc32(rest, zlib.crc32(sums))
