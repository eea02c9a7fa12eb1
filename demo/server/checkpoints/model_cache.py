"""Loaded models, as many as a memory budget holds; the least recently used one leaves first."""

from collections.abc import Callable, Collection, Hashable

from unet_hf import UNet

from ..lru import LruCache
from .key_locks import KeyLocks


class ModelCache:
    """budget: bytes of weights. One model is kept even if it alone is larger."""

    def __init__(self, budget: int) -> None:
        self._models: LruCache[UNet] = LruCache(budget, weights_of_all)
        self._loading = KeyLocks()

    def get(self, key: Hashable, load: Callable[[], UNet]) -> UNet:
        """The model of this key; `load()` makes it if it is not there.

        Two visitors who ask for the same model share one load. Who asks for another one, or for
        one that is there, does not wait for it.
        """
        model = self._models.get(key)
        if model is not None:
            return model
        with self._loading.hold(key):
            model = self._models.get(key)
            if model is None:
                model = load()
                self._models.put(key, model)
            return model

    @property
    def size(self) -> int:
        """Bytes of all weights that are kept."""
        return self._models.size

    def __len__(self) -> int:
        return len(self._models)


def weights_of_all(models: Collection[UNet]) -> int:
    return sum(map(weights, models))


def weights(model: UNet) -> int:
    """Bytes of a model's weights."""
    tensors = [*model.parameters(), *model.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
