"""Values within a budget of memory; the least recently used leaves first."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class LruCache(Generic[Value]):
    """budget: bytes. measure: bytes of some values together. The value that was used last is kept
    even if it alone is larger. Any thread may ask.
    """

    def __init__(self, budget: int, measure: Callable[[Collection[Value]], int]) -> None:
        self.budget = budget
        # Reentrant: a value that leaves may end others, whose end is told here, too.
        self.lock = threading.RLock()
        self._measure = measure
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable) -> Value | None:
        """None if it has left. A lookup counts as a use."""
        with self.lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def peek(self, key: Hashable) -> Value | None:
        """As `get`, but no use."""
        with self.lock:
            return self._values.get(key)

    def put(self, key: Hashable, value: Value) -> None:
        """Adds a value, for which others may have to leave."""
        with self.lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self) > 1 and self.size > self.budget:
                self._values.popitem(last=False)

    def drop(self, key: Hashable) -> Any:
        with self.lock:
            return self._values.pop(key, None)

    @property
    def size(self) -> int:
        """Bytes of all values that are kept."""
        return self._measure(list(self._values.values()))

    def __len__(self) -> int:
        return len(self._values)
