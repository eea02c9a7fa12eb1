"""Who computes a network's logits: the engine on a CPU, PyTorch itself elsewhere."""

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
from .engine import DTYPES, Engine, checked_logits, has_onednn
from .int8 import Int8Engine

LogitsFunction = Callable[..., Tensor]  # (image, pause)

CHECKSUMS = 4093  # sums that the values of a large tensor contribute to

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
    if precision == "float32":
        with EXACT:
            logits = model(image)
    else:
        with torch.autocast(device.type, DTYPES[precision]):
            logits = model(image)
    return checked_logits(logits.float().cpu(), precision)


class ExactFloat32:
    """A context in which GPUs multiply float32 numbers as they are.

    Otherwise PyTorch lets NVIDIA's round them to TF32, 10 bits of mantissa, in all convolutions.
    The setting is one of the whole process: the first thread that enters sets it, and the last one
    that leaves restores what was there.
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
        """In PyTorch's older settings and in its newer ones: to ask for an older one that the
        newer ones contradict is an error there."""
        cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
        mkldnn = getattr(torch.backends.mkldnn, "matmul", None)
        convolution, rnn = (getattr(cudnn, name, None) for name in ("conv", "rnn"))
        # What is restored last is named first: setting an older one sets newer ones, too. PyTorch
        # 2.8 has no newer ones.
        for setting in (convolution, rnn, matmul, mkldnn):
            if hasattr(setting, "fp32_precision"):
                self._restore.callback(setattr, setting, "fp32_precision", setting.fp32_precision)
        with suppress(RuntimeError):  # the newer ones were set: there is no older one to restore
            self._restore.callback(setattr, cudnn, "allow_tf32", cudnn.allow_tf32)
            cudnn.allow_tf32 = False
        with suppress(RuntimeError):
            older = torch.get_float32_matmul_precision()
            self._restore.callback(torch.set_float32_matmul_precision, older)
            torch.set_float32_matmul_precision("highest")
        for setting in (convolution, rnn, matmul):
            if hasattr(setting, "fp32_precision"):
                setting.fp32_precision = "ieee"


EXACT = ExactFloat32()


def _fingerprint(model: Network) -> tuple:
    """Changes whenever anything changes that an engine was prepared from.

    PyTorch counts the changes of a tensor itself, except those made through `.data` or NumPy and
    those of inference tensors. The checksum of the values is for these. It notices a change of a
    single bit, of signs, and of the order; to miss one, all sums of `_checksum` have to stay the
    same, or two of their CRC-32 have to be equal by chance (1 in 4 billion).
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
    """CRC-32 of the values, of a large tensor CRC-32 of sums over its values.

    Summing (modulo 2**64, of 8 bytes at a time) is as fast as memory is: the 31 million weights of
    the paper take 6 ms, where their CRC-32 would take 17. `CHECKSUMS` sums are kept apart, by
    position. It is a prime number, so that no two channels and no two pixels of a kernel contribute
    to the same sums.
    """
    order = sorted(range(tensor.ndim), key=tensor.stride, reverse=True)
    # Channels last or not: in the order in which they lie in memory nothing has to be copied.
    values = tensor.permute(order).contiguous().flatten().view(torch.uint8).numpy()
    rows = values.size // (8 * CHECKSUMS)
    if rows < 2:
        return zlib.crc32(values)
    head, rest = np.split(values, [8 * CHECKSUMS * rows])
    sums = head.view(np.uint64).reshape(rows, CHECKSUMS).sum(axis=0)
    return zlib.crc32(rest, zlib.crc32(sums))
