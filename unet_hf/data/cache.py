"""A cache that stops growing."""

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class BoundedCache(Generic[T]):
    """Keeps what was made until `max_bytes` are used; what comes later is made anew each time.

    Nothing is ever thrown out: under the uniformly random access of a training, any set of
    items is as good to keep as any other.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.used = 0
        self.items: dict[Hashable, T] = {}

    def __reduce__(self) -> tuple:
        """A process that is given the cache starts with an empty one of its own."""
        return type(self), (self.max_bytes,)

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """The item of this key; `size` says its bytes."""
        if key in self.items:
            return self.items[key]
        item = make()
        if self.used + size(item) <= self.max_bytes:
            self.items[key] = item
            self.used += size(item)
        return item
