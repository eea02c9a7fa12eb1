"""The results that visitors have in view, in one place and within a budget of memory.

A `gr.State` holds a handle, and this file what the handle stands for: a result of 8192 x 8192
pixels is more than half a gigabyte, which no number of visitors may multiply. The least recently
used one leaves for a new one. A value that no session refers to any more leaves at once: when its
visitor has a newer result, or within an hour after they left, when Gradio forgets their session.

UNET_HF_RESULT_MEGABYTES (3000) bounds the arrays that stay in memory.
"""

import os
import weakref
from collections.abc import Collection, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from unet_hf.errors import ConfigError

from ..lru import LruCache

GONE = "This result is no longer kept. Segment the image again."
GONE_OBJECTS = "These objects are no longer kept. Count them again."


class Handle:
    """Stands for a value in the store. Gradio copies what a `gr.State` begins with: a copy of a
    handle is the same handle."""

    __slots__ = ("__weakref__",)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Handle":
        return self


class ResultStore:
    """budget: bytes of arrays. The newest value is kept even if it alone is larger."""

    def __init__(self, budget: int) -> None:
        self._values: LruCache[Any] = LruCache(budget, array_bytes)

    def keep(self, value: Any) -> Handle:
        """The value stays for as long as the handle does, unless others need its place."""
        handle = Handle()
        self._values.put(id(handle), value)
        weakref.finalize(handle, self._values.drop, id(handle))
        return handle

    def get(self, handle: Handle | None, gone: str = GONE) -> Any:
        """The value of a handle; None for no handle.

        Raises:
            ConfigError: It had to leave; `gone` is the sentence.
        """
        value = None if handle is None else self._values.get(id(handle))
        if value is None and handle is not None:
            raise ConfigError(gone)
        return value

    def peek(self, handle: Handle) -> Any:
        """The value of a handle, or None if it had to leave; does not count as a use."""
        return self._values.peek(id(handle))

    @property
    def budget(self) -> int:
        return self._values.budget

    @property
    def size(self) -> int:
        return self._values.size

    def __len__(self) -> int:
        return len(self._values)


@cache
def result_store() -> ResultStore:
    """The store of this process."""
    return ResultStore(int(float(os.environ.get("UNET_HF_RESULT_MEGABYTES", "3000")) * 2**20))


def array_bytes(values: Collection[Any]) -> int:
    """Bytes of all arrays and tensors in some values; of one that several share, once."""
    return sum({id(array): array.nbytes for array in _arrays(values)}.values())


def _arrays(value: Any) -> Iterator[np.ndarray | torch.Tensor]:
    if isinstance(value, np.ndarray):
        base = value.base if isinstance(value.base, np.ndarray) else value
        yield base  # a view keeps all of it in memory
    elif isinstance(value, torch.Tensor):
        yield value
    elif is_dataclass(value):
        for part in fields(value):
            yield from _arrays(getattr(value, part.name))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _arrays(part)
    elif isinstance(value, dict):
        yield from _arrays(list(value.values()))
