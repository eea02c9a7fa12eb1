"""Which of several changes of the recipe matter, all tried at once in few trainings.

    python -m benchmarks.screening --sets data/superalloy data/phase --steps 600 --output_dir screen
    python -m benchmarks.screening --table benchmarks/screening.json --score ap50

Seven factors have two levels each. Eight trainings a set take each level of each factor four times,
and any two factors meet evenly: the fractional factorial of Box and Hunter (1961). So every
training tells something of every factor. An effect is the mean of the four trainings with a change,
minus that of the four without. Effects of two factors that need each other show as effects of a
third: what looks good here is a candidate, which `benchmarks.recipe` then compares in pairs.
"""

import argparse
import json
import statistics
import sys
from itertools import product
from pathlib import Path
from typing import Any

from .measuring import table
from .recipe import Run, base_options, make, set_name
from .variants.registry import RATE, Variant

# What was usual before, and by factor, what may be better.
BEFORE = {"train_batch_size": 4, "loss": "cross_entropy", "class_balance": "sqrt"}
FACTORS: dict[str, dict[str, Any]] = {
    "two crops a step": {"train_batch_size": 2},
    "no class balance": {"class_balance": "none"},
    "no border weights": {"border_weight": 0.0},
    "scale range 1.1": {"scale_range": 1.1},
    "with Dice": {"loss": "cross_entropy_dice"},
    "learning rate x2": {"learning_rate": 2 * RATE},
    "no dropout": {"dropout": 0.0},
}
Levels = tuple[int, ...]  # 1 where a factor is changed, in the order of FACTORS


def design() -> list[Levels]:
    """The eight combinations of levels; the last four factors follow from the first three."""
    return [(a, b, c, a ^ b, a ^ c, b ^ c, a ^ b ^ c) for a, b, c in product((0, 1), repeat=3)]


def effects(scores: dict[Levels, float]) -> list[float]:
    """The effect of each factor, in the unit of the scores. scores: By all levels of `design`."""
    return [
        statistics.fmean(score for levels, score in scores.items() if levels[factor])
        - statistics.fmean(score for levels, score in scores.items() if not levels[factor])
        for factor in range(len(FACTORS))
    ]


def pseudo_error(found: list[float]) -> float:
    """Standard error of effects, from those that are small (Lenth 1989, equations 1 and 2)."""
    sizes = [abs(effect) for effect in found]
    first = 1.5 * statistics.median(sizes)
    return 1.5 * statistics.median([size for size in sizes if size < 2.5 * first] or [0.0])


def run_of(levels: Levels, dataset: str, given: argparse.Namespace) -> Run:
    """The training of a combination. Steps are for the crops of before; others compute as many."""
    base = base_options(dataset, given.output_dir) | BEFORE
    changed = {
        name: value
        for level, options in zip(levels, FACTORS.values(), strict=True)
        for name, value in options.items()
        if level
    }
    options = Variant(changed).options_on(base, given.steps)
    name = "".join(map(str, levels))
    return Run(name, given.seed, dataset, given.threads, None, False, options)


def report(results: dict[str, dict[Levels, dict[str, float]]], score: str) -> str:
    """The table in Markdown: a row for each factor, a column for each set that has the score.

    results: Scores by set and levels.
    """
    columns = {}
    for name, runs in results.items():
        scores = {levels: found[score] for levels, found in runs.items() if score in found}
        if set(scores) == set(design()):
            columns[name] = effects(scores)
    if not columns:
        return f"No set has the score {score} of all {len(design())} trainings."
    rows = [
        [factor, *(f"{found[row]:+.4f}" for found in columns.values())]
        for row, factor in enumerate(FACTORS)
    ]
    errors = [f"{pseudo_error(found):.4f}" for found in columns.values()]
    head = [f"effect on {score}", *columns]
    return table(head, [*rows, ["standard error (Lenth)", *errors]])


def read(path: Path) -> dict[str, dict[Levels, dict[str, float]]]:
    stored = json.loads(path.read_text("utf-8"))
    return {
        name: {tuple(map(int, levels)): scores for levels, scores in runs.items()}
        for name, runs in stored.items()
    }


def train_all(given: argparse.Namespace) -> dict[str, dict[Levels, dict[str, float]]]:
    """Makes the trainings that are not there yet; returns the scores of those that succeeded."""
    results: dict[str, dict[Levels, dict[str, float]]] = {}
    for levels in design():
        for dataset in given.sets:
            if found := make(run_of(levels, dataset, given), given.output_dir):
                results.setdefault(set_name(dataset), {})[levels] = found["scores"]
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", help="as --dataset_name of a training")
    parser.add_argument("--steps", type=int, help="of trainings with the crops of before")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of each training")
    parser.add_argument("--score", default="score", help="or mean_iou, v_rand, v_info, ap50 ...")
    parser.add_argument("--output_dir", type=Path, default=Path("screening"))
    parser.add_argument("--table", type=Path, help="only print the table of these scores")
    given = parser.parse_args()
    if given.table:
        print(report(read(given.table), given.score))
        return 0
    if not given.sets or not given.steps:
        parser.error("--sets and --steps are missing, or --table")
    results = train_all(given)
    written = {
        name: {"".join(map(str, levels)): scores for levels, scores in runs.items()}
        for name, runs in results.items()
    }
    (given.output_dir / "screening.json").write_text(json.dumps(written, indent=1) + "\n", "utf-8")
    print(report(results, given.score))
    return int(sum(map(len, results.values())) < len(design()) * len(given.sets))


if __name__ == "__main__":
    sys.exit(main())
