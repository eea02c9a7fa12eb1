"""One lock for each key, there for as long as somebody holds it or waits for it."""

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager


class KeyLocks:
    """`with locks.hold(key)`: one thread at a time for each key; other keys do not wait."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held: dict[Hashable, tuple[threading.Lock, int]] = {}  # and how many want it

    @contextmanager
    def hold(self, key: Hashable) -> Iterator[None]:
        with self._guard:
            lock, wanted = self._held.get(key, (threading.Lock(), 0))
            self._held[key] = (lock, wanted + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, wanted = self._held.pop(key)
                if wanted > 1:
                    self._held[key] = (lock, wanted - 1)

    def __len__(self) -> int:
        return len(self._held)
