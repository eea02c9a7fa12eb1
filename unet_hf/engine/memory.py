"""The memory that feature maps are written to, shared by all engines of the process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ..errors import NestedPredictionError


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
