"""Exact order statistics of float32 values that are read in parts."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

KEYS = 2**16  # of the upper or the lower half of a sort key


@dataclass(frozen=True)
class Limits:
    """Two limits of values, both float32."""

    low: np.float32
    high: np.float32

    def widened(self, reach: np.float32) -> "Limits":
        """Returns limits that are `reach` times the range further out, on either side."""
        step = reach * (self.high - self.low)
        return Limits(self.low - step, self.high + step)

    def hold(self, low: float, high: float) -> bool:
        """Whether no value from `low` to `high` is beyond the limits."""
        return bool(self.low <= low and high <= self.high)

    def beyond(self, values: np.ndarray) -> np.ndarray:
        """Returns which values are beyond the limits."""
        return (values < self.low) | (values > self.high)

    def clip(self, values: np.ndarray) -> np.ndarray:
        """Returns the values, those beyond the limits moved to them."""
        return values.clip(self.low, self.high)


def order_statistics(parts: Callable[[], Iterable[np.ndarray]], ranks: Sequence[int]) -> np.ndarray:
    """Returns the values that would stand at these places if all were sorted, float32.

    Two passes over the values, in constant memory: the first counts the upper halves of their
    keys, the second the lower halves of those whose upper half is wanted.
    """
    ends = sum(map(count_upper_halves, parts())).cumsum()
    upper = np.searchsorted(ends, ranks, side="right").tolist()
    counts = {half: np.zeros(KEYS, np.int64) for half in upper}
    for part in parts():
        keys = sort_keys(part)
        for half, counted in counts.items():
            counted += np.bincount(keys[keys >> 16 == half] & (KEYS - 1), minlength=KEYS)
    found = []
    for rank, half in zip(ranks, upper, strict=True):
        before = ends[half - 1] if half else 0
        lower = np.searchsorted(counts[half].cumsum(), rank - before, side="right")
        found.append(half * KEYS + int(lower))
    return values_of(np.array(found, np.uint32))


def count_upper_halves(values: np.ndarray) -> np.ndarray:
    """Counts the upper halves of the sort keys of float32 values, (KEYS,) int64."""
    return np.bincount((sort_keys(values) >> 16).ravel(), minlength=KEYS)


def sort_keys(values: np.ndarray) -> np.ndarray:
    """Maps float32 values to uint32 keys of the same order.

    The bits of positive values count up as the values do, those of negative ones down: of these all
    bits are turned, of the others the sign.
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.int32)
    return (bits ^ ((bits >> 31) | np.int32(-(2**31)))).view(np.uint32)


def values_of(keys: np.ndarray) -> np.ndarray:
    """Maps sort keys back to their values."""
    positive = (keys >> 31).astype(bool)
    return np.where(positive, keys & np.uint32((1 << 31) - 1), ~keys).view(np.float32)
