"""`MEMORY`: the memory of feature maps, shared by all engines of the process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ..errors import NestedPredictionError
from .pages import empty_bytes

MOST_TENSORS = 1000  # that are remembered: those of a dozen sizes of a window


class Memory:
    """Memory for feature maps that is kept from call to call.

    It grows to what the largest window needed: about 5 * base_channels values a pixel.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held by the engine that runs
        self._holder: int | None = None  # the id of that engine's thread
        self._buffers: dict[tuple[str, int], Tensor] = {}
        self._tensors: dict[tuple, Tensor] = {}  # in them, that were taken before

    @contextmanager
    def held(self) -> Iterator[None]:
        """Reserves the memory for this thread; other threads wait.

        Raises:
            NestedPredictionError: This thread holds it already, and would wait for itself.
        """
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
        """Returns a tensor in the buffer of this name, whose earlier content is lost."""
        asked = key, shape, dtype
        tensor = self._tensors.get(asked)
        if tensor is None:
            if len(self._tensors) == MOST_TENSORS:
                self._tensors.clear()
            tensor = self._tensors[asked] = self._cut(key, shape, dtype)
        return tensor

    def _cut(self, key: tuple[str, int], shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Makes a tensor in the buffer of this name, which grows if it is too small."""
        size = torch.Size(shape).numel() * dtype.itemsize
        buffer = self._buffers.get(key)
        if buffer is None or len(buffer) < size:
            self._tensors.clear()  # freed first, so that never both are held
            del buffer
            self._buffers.pop(key, None)
            buffer = self._buffers[key] = empty_bytes(size)
        return buffer[:size].view(dtype).view(shape)

    def __len__(self) -> int:
        """Returns the size in bytes."""
        return sum(map(len, self._buffers.values()))

    def release(self) -> None:
        """Returns the memory to the system; the next prediction allocates it again."""
        with self.held():
            self._tensors.clear()
            self._buffers.clear()


def is_shortage(message: str) -> bool:
    """Whether this message of a `RuntimeError` says that memory ran out on a CPU.

    PyTorch and oneDNN have no class for it. oneDNN names what it cannot compute at all otherwise:
    "could not create a primitive descriptor for ...".
    """
    return "allocate memory" in message or message.endswith("could not create a primitive")


MEMORY = Memory()
