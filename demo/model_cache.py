"""Loaded models, as many as a memory budget holds; the least recently used one leaves first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from unet_hf import UNet


@dataclass
class ModelCache:
    """budget: bytes of weights. One model is kept even if it alone is larger."""

    budget: int
    _models: "OrderedDict[Hashable, UNet]" = field(default_factory=OrderedDict, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    def get(self, key: Hashable, load: Callable[[], UNet]) -> UNet:
        """The model of this key; `load()` makes it if it is not there.

        Two visitors who ask for the same model share one load, and others wait for it: one
        download and one copy in memory at a time.
        """
        with self._lock:
            if key not in self._models:
                self._models[key] = load()
            self._models.move_to_end(key)
            while len(self._models) > 1 and self.size > self.budget:
                self._models.popitem(last=False)
            return self._models[key]

    @property
    def size(self) -> int:
        """Bytes of all weights that are kept."""
        return sum(weights(model) for model in self._models.values())

    def __len__(self) -> int:
        return len(self._models)


def weights(model: UNet) -> int:
    """Bytes of a model's weights."""
    tensors = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
