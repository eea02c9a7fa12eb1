"""`BoundedCache`: keeps items until a number of bytes is used."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class BoundedCache(Generic[T]):
    """Keeps items until `max_bytes` are used; later ones are made again at each request.

    Nothing is ever removed: a training asks for items uniformly at random, so any set of them is
    as good to keep as any other.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.used = 0
        self.items: dict[Hashable, T] = {}

    def __reduce__(self) -> tuple:
        """Pickles the cache empty: a worker process fills its own."""
        return type(self), (self.max_bytes,)

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Returns the item of this key, made if it is not there; `size` gives its bytes."""
        if key in self.items:
            return self.items[key]
        item = make()
        if self.used + size(item) <= self.max_bytes:
            self.items[key] = item
            self.used += size(item)
        return item
