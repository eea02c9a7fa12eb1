"""What was computed for one visitor so far: shown again without computing, for an hour.

The arrays are in `result_store` with those of all visitors; a session may hold a quarter of it.
"""

import time
import weakref
from collections.abc import Hashable
from typing import Any

from unet_hf.errors import ConfigError

from .. import limits
from .result_store import Handle, array_bytes, result_store

SHARE = 1 / 4  # of the store's memory
_sessions: "weakref.WeakSet[KeptResults]" = weakref.WeakSet()


class KeptResults:
    """Results of one session, by what they are of; see `result_store.array_bytes`."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[Handle, float]] = {}  # the newest is the last
        _sessions.add(self)

    def keep(self, key: Hashable, result: Any) -> Handle:
        """In place of an earlier one of the same; the oldest leave if there are too many."""
        handle = result_store().keep(result)
        self._kept.pop(key, None)
        self._kept[key] = handle, time.time()
        while len(self._kept) > 1 and self._bytes() > SHARE * result_store().budget:
            del self._kept[next(iter(self._kept))]
        return handle

    def get(self, key: Hashable) -> Any:
        """None if there is none, or none any more."""
        self.sweep()
        if key not in self._kept:
            return None
        handle, _ = self._kept[key]
        try:
            return result_store().get(handle)
        except ConfigError:  # others needed its place
            del self._kept[key]
            return None

    def sweep(self) -> None:
        """Forgets what is older than an hour."""
        oldest = time.time() - limits.KEEP_SECONDS
        for key, (_, since) in list(self._kept.items()):
            if since < oldest:
                self._kept.pop(key, None)

    def _bytes(self) -> int:
        values = [result_store().peek(handle) for handle, _ in self._kept.values()]
        return array_bytes([value for value in values if value is not None])

    def __len__(self) -> int:
        return len(self._kept)


class AllKeptResults:
    """Those of every session, for the janitor."""

    root = "results in memory"

    def sweep(self) -> None:
        for kept in list(_sessions):
            kept.sweep()
