"""Tables of the runs: one for each set in plain units, and one over all sets in spreads."""

import statistics
from typing import Any

from ..measuring import table
from ..verdict import LEVEL, Difference, compare
from .registry import BASE

Key = tuple[str, str, int]  # variant, set and seed
Results = dict[Key, dict[str, Any]]
Values = dict[Key, float]


def report(results: Results, variants: list[str], score: str) -> str:
    """The tables in Markdown: one for each set, and one over all sets if there are several."""
    scored = {key: run["scores"] for key, run in results.items()}
    values = {key: found[score] for key, found in scored.items() if score in found}
    sets = list(dict.fromkeys(name for _, name, _ in values))
    if not sets:
        return f"No run has the score {score}."
    parts = [one_set(results, values, variants, name, score) for name in sets]
    if len(sets) > 1:
        parts.append(all_sets(values, variants, sets, score))
    compared = len({variant for variant, _, _ in values} - {BASE})
    chance = f"Of {compared} variants that change nothing, {compared * (1 - LEVEL):.1f} on average "
    return "\n\n".join([*parts, chance + "would be called better or worse in a table."])


def one_set(results: Results, values: Values, variants: list[str], name: str, score: str) -> str:
    """The table of a set, in the units of the score."""
    head = [
        f"{name}: {score}", "runs", "mean", "lowest .. highest", "CPU seconds",
        "difference in pairs", f"{LEVEL:.0%} interval", "verdict",
    ]  # fmt: skip
    rows = []
    for variant in variants:
        runs = [key for key in values if key[:2] == (variant, name)]
        if not runs:
            continue
        found = [values[key] for key in runs]
        seconds = statistics.fmean(results[key]["cpu_seconds"] for key in runs)
        spread = f"{min(found):.4f} .. {max(found):.4f}"
        mean = f"{statistics.fmean(found):.4f}"
        verdict = words(differences(values, variant, name), 4)
        rows.append([variant, str(len(runs)), mean, spread, f"{seconds:.0f}", *verdict])
    return table(head, rows)


def all_sets(values: Values, variants: list[str], sets: list[str], score: str) -> str:
    """The table over all sets. Differences count in spreads of their set, so that none decides."""
    spreads = {name: spread_of_seeds(values, name) for name in sets}
    if unknown := [name for name, spread in spreads.items() if not spread]:
        return (
            f"There is no table over all sets: how much seeds differ on {', '.join(unknown)} is "
            "not known yet."
        )
    head = [
        f"{', '.join(sets)}: {score}", "pairs", "difference, in standard deviations of its set",
        f"{LEVEL:.0%} interval", "verdict",
    ]  # fmt: skip
    rows = []
    for variant in variants:
        pairs = [d / spreads[name] for name in sets for d in differences(values, variant, name)]
        if pairs:
            rows.append([variant, str(len(pairs)), *words(pairs, 2, several_sets=True)])
    shown = ", ".join(f"{name} {spread:.4f}" for name, spread in spreads.items())
    return table(head, rows) + f"\n\nStandard deviations over seeds: {shown}."


def spread_of_seeds(values: Values, name: str) -> float | None:
    """Computes how much seeds differ on a set: the median of the variants' standard deviations.

    That of the base alone, from three seeds, is itself off by a half. None with one seed.
    """
    variants = dict.fromkeys(variant for variant, of, _ in values if of == name)
    scores = [[v for key, v in values.items() if key[:2] == (each, name)] for each in variants]
    found = [statistics.stdev(some) for some in scores if len(some) > 1]
    return statistics.median(found) if found else None


def differences(values: Values, variant: str, name: str) -> list[float]:
    """Returns variant - base for each seed of a set that has both; none for the base itself."""
    if variant == BASE:
        return []
    seeds = [seed for each, of, seed in values if (each, of) == (variant, name)]
    return [
        values[variant, name, seed] - values[BASE, name, seed]
        for seed in seeds
        if (BASE, name, seed) in values
    ]


def words(pairs: list[float], digits: int, several_sets: bool = False) -> list[str]:
    """A difference as three cells: mean with its standard error, interval, verdict."""
    if not pairs:
        return ["", "", ""]
    found: Difference = compare(pairs, several_sets)
    mean = f"{found.mean:+.{digits}f}"
    if found.error is None:
        return [mean, "", f"{found.verdict}: one pair"]
    low, high = found.interval
    interval = f"{low:+.{digits}f} .. {high:+.{digits}f}"
    return [f"{mean} ± {found.error:.{digits}f}", interval, found.verdict]
