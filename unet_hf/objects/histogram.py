"""How many objects have which area. The demo's page draws these numbers."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .objects import Objects

BINS = 20  # about this many, since their width is a round number


@dataclass(frozen=True, eq=False)
class AreaHistogram:
    """counts[i] objects have an area from edges[i] up to, not including, edges[i + 1]."""

    edges: np.ndarray  # (bins + 1,) float64, in `unit`
    counts: np.ndarray  # (bins,) int64
    unit: str

    @classmethod
    def from_objects(cls, objects: Objects) -> "AreaHistogram":
        """Counts the areas in the most telling unit; without objects, there are no bins."""
        column = objects.area_column
        areas = objects.table[column.name].astype(np.float64)
        if not len(areas):
            return cls(np.zeros(1), np.zeros(0, np.int64), column.unit)
        step = round_step(float(np.ptp(areas)) / BINS)
        if column.unit == "px²":
            step = max(step, 1.0)
        first = math.floor(areas.min() / step)
        last = max(math.floor(areas.max() / step) + 1, first + 1)
        edges = np.arange(first, last + 1) * step
        # Compared with the edges themselves: an area divided by `step` may round across an edge.
        bins = np.clip(np.searchsorted(edges, areas, side="right") - 1, 0, len(edges) - 2)
        return cls(edges, np.bincount(bins, minlength=len(edges) - 1), column.unit)

    def data(self) -> dict[str, Any]:
        """Returns edges, counts and unit as JSON can hold them."""
        return {"edges": self.edges.tolist(), "counts": self.counts.tolist(), "unit": self.unit}


def round_step(least: float) -> float:
    """Returns the next of ... 0.5, 1, 2, 5, 10 ... that is not below `least`; 1 for 0."""
    if least <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
