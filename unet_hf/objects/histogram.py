"""`Histogram`: the distribution of the objects' areas, as numbers and as a drawing."""

import html
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .objects import Objects

BINS = 20  # an approximate number, as the width of a bin is round
WIDTH, HEIGHT = 480, 200  # px: size of the drawing
MARGIN = 34  # px: space for the labels below and at the left
# Colours follow the page's scheme, and a drawing that stands alone follows the system's.
STYLE = """
.area-histogram { color: var(--body-text-color, #1f2937); font: 12px system-ui, sans-serif; }
.area-histogram .bar { fill: var(--histogram-bar, #0072b2); }
@media (prefers-color-scheme: dark) {
  .area-histogram { color: var(--body-text-color, #e5e7eb); }
  .area-histogram .bar { fill: var(--histogram-bar, #56b4e9); }
}
"""


@dataclass(frozen=True, eq=False)
class Histogram:
    """counts[i] objects have an area from edges[i] up to, not including, edges[i + 1]."""

    edges: np.ndarray  # (bins + 1,) float64, in `unit`
    counts: np.ndarray  # (bins,) int64
    unit: str

    @classmethod
    def of(cls, objects: "Objects") -> "Histogram":
        """Counts the areas in the pixel size's unit if known; has no bins without objects."""
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
        # A search of the edges is exact; a quotient could be rounded across one.
        bins = np.clip(np.searchsorted(edges, areas, side="right") - 1, 0, len(edges) - 2)
        return cls(edges, np.bincount(bins, minlength=len(edges) - 1), column.unit)

    def data(self) -> dict[str, Any]:
        """Returns edges, counts and unit as JSON."""
        return {"edges": self.edges.tolist(), "counts": self.counts.tolist(), "unit": self.unit}

    def svg(self) -> str:
        """Returns an SVG drawing, in the colours of the page that it is on."""
        total = int(self.counts.sum())
        title = f"Areas of the objects ({total}), in {self.unit}" if total else "No objects"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'class="area-histogram"><title>{html.escape(title)}</title>'
            f"<style>{STYLE}</style>{self._bars()}{self._labels()}</svg>\n"
        )

    def _bars(self) -> str:
        bars = []
        width = (WIDTH - MARGIN) / max(len(self.counts), 1)
        unit_height = (HEIGHT - MARGIN - 10) / max(self.counts.max(initial=0), 1)
        for number, count in enumerate(self.counts.tolist()):
            left, high = MARGIN + number * width, count * unit_height
            label = f"{self.edges[number]:g} to {self.edges[number + 1]:g} {self.unit}: {count}"
            bars.append(
                f'<rect class="bar" x="{left + 0.5:.1f}" y="{HEIGHT - MARGIN - high:.1f}" '
                f'width="{max(width - 1, 0.5):.1f}" height="{high:.1f}">'
                f"<title>{html.escape(label)}</title></rect>"
            )
        return "".join(bars)

    def _labels(self) -> str:
        base = HEIGHT - MARGIN
        line = f'<path d="M{MARGIN} {base}H{WIDTH}" stroke="currentColor" opacity=".5"/>'
        if not len(self.counts):
            return line
        labels = [
            (MARGIN, base + 15, "start", f"{self.edges[0]:g}"),
            (WIDTH, base + 15, "end", f"{self.edges[-1]:g}"),
            ((MARGIN + WIDTH) / 2, base + 29, "middle", f"area ({self.unit})"),
            (MARGIN - 5, 16, "end", f"{self.counts.max()}"),
            (MARGIN - 5, base, "end", "0"),
        ]
        return line + "".join(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="currentColor">'
            f"{html.escape(text)}</text>"
            for x, y, anchor, text in labels
        )


def round_step(minimum: float) -> float:
    """Returns the smallest of ... 0.5, 1, 2, 5, 10 ... that is at least `minimum`; 1 for 0."""
    if minimum <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(minimum))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= minimum)
