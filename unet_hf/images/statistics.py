"""Mean and standard deviation of an image that is read in bands, and its outliers."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from .order_statistics import KEYS, Limits, count_upper_halves, order_statistics, values_of

OUTLIERS = 1000  # one value in so many, at either end, may be an outlier
# In units of the range of all other values. Of 697 images in five data sets, one has a value
# beyond the outer limits. `python -m benchmarks.outliers` compares these numbers with others.
OUTER = np.float32(3)
INNER = np.float32(0.5)
SAMPLED_ROWS = 8  # one row in so many is counted to prove that there is no outlier

# Returns scaled pixels in bands of rows, (h, w, C) float32, each with the pixels that hold data,
# (h, w) bool, or None for all.
Bands = Callable[[], Iterable[tuple[np.ndarray, np.ndarray | None]]]


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of all values of an image, from float64 sums.

    Both are NaN or infinite if a value is, or if 32-bit floats cannot hold what follows.
    """

    mean: float
    std: float
    pixels: int  # that hold data
    typical: Limits | None = None  # of the values that are no outliers; None: there are none
    clipped_to: Limits | None = None  # before mean and std were computed
    outliers: int = 0  # pixels beyond the outer limits
    outliers_share: float = 0.0  # of the variance, if they are not clipped


@dataclass
class _Survey:
    """What the first pass finds."""

    total: float = 0.0
    count: int = 0  # values
    pixels: int = 0
    low: float = math.inf
    high: float = -math.inf
    sampled: np.ndarray = field(default_factory=lambda: np.zeros(KEYS, np.int64))

    def add(self, scaled: np.ndarray, valid: np.ndarray | None) -> None:
        values = _chosen(scaled, valid)
        self.total += values.sum(dtype=np.float64)
        self.count += values.size
        self.pixels += values.size // scaled.shape[2]
        if values.size:
            self.low = min(self.low, float(values.min()))
            self.high = max(self.high, float(values.max()))
        rows = slice(None, None, SAMPLED_ROWS)
        sample = _chosen(scaled[rows], None if valid is None else valid[rows])
        self.sampled += count_upper_halves(sample)


def measure(bands: Bands, clip: bool) -> Statistics:
    """Measures an image in two passes, or in up to five if it has outliers.

    lo and hi are the values that one value in `OUTLIERS` is below or above. If no value is below
    lo - 3 (hi - lo) or above hi + 3 (hi - lo), there is no outlier. Otherwise, with `clip`, all
    values are clipped to lo - (hi - lo) / 2 and hi + (hi - lo) / 2. There is no outlier if lo and
    hi are equal, as nothing then says how far is far; nor in images of less than `OUTLIERS` values.
    """
    survey = _Survey()
    with np.errstate(invalid="ignore", over="ignore"):
        for band in bands():
            survey.add(*band)
        mean = float(survey.total / survey.count) if survey.count else math.nan
        if not math.isfinite(mean):
            return Statistics(mean, math.nan, survey.pixels)
        typical = _typical_values(bands, survey)
        limits = typical.widened(INNER) if typical and clip else None
        if limits:
            sums = (_clipped(_chosen(*band), limits).sum(dtype=np.float64) for band in bands())
            mean = float(sum(sums) / survey.count)
        outer = typical.widened(OUTER) if typical else None
        squares = far_squares = 0.0
        outliers = 0
        for scaled, valid in bands():
            values = _chosen(scaled, valid)
            far = outer.beyond(values) if outer else None
            parts = np.square(_clipped(values, limits) - np.float32(mean), dtype=np.float64)
            squares += parts.sum()
            if far is not None:
                far_squares += parts[far].sum()
                outliers += int(far.any(axis=-1).sum())
    share = far_squares / squares if squares else 0.0
    std = math.sqrt(squares / survey.count) if math.isfinite(squares) else math.inf
    return Statistics(mean, std, survey.pixels, typical, limits, outliers, share)


def _typical_values(bands: Bands, survey: _Survey) -> Limits | None:
    """Returns lo and hi of `measure`; None if there is no outlier."""
    rank = survey.count // OUTLIERS
    if not rank or _proves_no_outlier(survey, rank):
        return None
    ranks = (rank, survey.count - 1 - rank)
    typical = Limits(*order_statistics(lambda: (_chosen(*band) for band in bands()), ranks))
    if typical.low == typical.high or typical.widened(OUTER).hold(survey.low, survey.high):
        return None
    return typical


def _proves_no_outlier(survey: _Survey, rank: int) -> bool:
    """Whether the sampled rows show that the outer limits hold all values.

    If more than `rank` values of a part of the image are at least v, then so it is in the image.
    """
    upwards = survey.sampled.cumsum()
    if upwards[-1] <= 2 * rank:
        return False
    first = int(np.searchsorted(upwards, rank, side="right"))
    last = int(np.searchsorted(upwards, upwards[-1] - 1 - rank, side="right"))
    if first >= last:
        return False
    keys = np.array([first * KEYS + KEYS - 1, last * KEYS], np.uint32)
    return Limits(*values_of(keys)).widened(OUTER).hold(survey.low, survey.high)


def _chosen(scaled: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    """Returns the valid pixels, (..., C)."""
    return scaled if valid is None else scaled[valid]


def _clipped(values: np.ndarray, limits: Limits | None) -> np.ndarray:
    return values if limits is None else limits.clip(values)
