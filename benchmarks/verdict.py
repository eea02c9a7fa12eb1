"""Tells whether a variant is better than the base, from runs in pairs.

A pair is a variant and the base on the same set from the same seed. A t interval says how large
the mean difference is. Over several sets, whose differences are not of one size, Wilcoxon's signed
ranks have to agree.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95
BETTER, WORSE, UNKNOWN = "better", "worse", "not told apart"


@dataclass(frozen=True)
class Difference:
    """The mean difference of pairs, and what can be said of it.

    error: Standard error of the mean; None for a single pair. interval: At `LEVEL`, likewise.
    """

    mean: float
    error: float | None
    interval: tuple[float, float] | None
    verdict: str


def compare(differences: Sequence[float], several_sets: bool = False) -> Difference:
    """Judges differences variant - base, one a pair; higher scores are better.

    several_sets: The pairs come from more than one set, so that ranks have to agree.
    """
    mean = statistics.fmean(differences)
    if len(differences) < 2:
        return Difference(mean, None, None, UNKNOWN)
    error = statistics.stdev(differences) / len(differences) ** 0.5
    half = t_quantile(len(differences) - 1) * error
    low, high = mean - half, mean + half
    verdict = BETTER if low > 0 else WORSE if high < 0 else UNKNOWN
    if several_sets and verdict != UNKNOWN and rank_probability(differences) > 1 - LEVEL:
        verdict = UNKNOWN
    return Difference(mean, error, (low, high), verdict)


def t_quantile(freedom: int) -> float:
    """Half the width of the t interval at `LEVEL`, in standard errors."""
    from scipy import stats

    return float(stats.t.ppf((1 + LEVEL) / 2, freedom))


def rank_probability(differences: Sequence[float]) -> float:
    """Two-sided probability of such signed ranks if there is no difference (Wilcoxon 1945)."""
    from scipy import stats

    if not any(differences):
        return 1.0
    return float(stats.wilcoxon(differences).pvalue)
