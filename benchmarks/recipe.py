"""Variants of the training recipe, each on several sets from several seeds, at equal budget.

    python -m benchmarks.recipe --sets data/isbi2012 data/nuclei --seeds 3 --minutes 5 \\
        --variants "instance norm" "deep supervision" --output_dir recipe

Each run is a process of its own, with `--threads` threads, and `--parallel` of them at a time. Its
result is a file in `--output_dir`; a run that has one is not made again, so the command goes on
where it was stopped. The table compares each variant with the default command in pairs of the same
set and seed.
"""

import argparse
import json
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .measuring import in_own_process, table
from .variants.registry import BASE, chosen, known
from .verdict import LEVEL, Difference, compare

Results = dict[tuple[str, str, int], dict[str, Any]]  # by variant, set and seed


@dataclass(frozen=True)
class Run:
    """One training to be made. threads, minutes, steps: see the command's options."""

    variant: str
    dataset: str
    seed: int
    threads: int
    minutes: float | None
    steps: int | None

    @property
    def key(self) -> tuple[str, str, int]:
        return self.variant, set_name(self.dataset), self.seed

    def file(self, output: Path) -> Path:
        """Where its result is stored."""
        variant, name, seed = self.key
        return output / name / f"{variant.replace(' ', '-')}-{seed}.json"


def set_name(dataset: str) -> str:
    return Path(dataset).name


def result_of(run: Run, output: Path) -> dict[str, Any] | None:
    """Reads a stored result; None if there is none.

    Raises `SystemExit` if it was made with another budget.
    """
    file = run.file(output)
    if not file.exists():
        return None
    stored = json.loads(file.read_text("utf-8"))
    for name in ("dataset", "threads", "minutes", "steps"):
        if stored["run"][name] != getattr(run, name):
            raise SystemExit(
                f"{file} was made with {name} {stored['run'][name]}, not {getattr(run, name)}. "
                "Choose another --output_dir."
            )
    return stored["result"]


def make(run: Run, output: Path) -> dict[str, Any] | None:
    """Makes a run, or reads its result. None, and a message, if the training failed."""
    if (known_result := result_of(run, output)) is not None:
        return known_result
    file = run.file(output)
    file.parent.mkdir(parents=True, exist_ok=True)
    request = asdict(run) | {"folder": str(file.with_suffix(""))}
    try:
        result = in_own_process("benchmarks.variants.run", **request)
    except SystemExit as failure:
        print(f"{run.key} failed:\n{failure}", file=sys.stderr, flush=True)
        return None
    new = file.with_suffix(".new")  # a run that is killed while it writes leaves no result
    new.write_text(json.dumps({"run": asdict(run), "result": result}, indent=2) + "\n", "utf-8")
    new.replace(file)
    print(f"{run.key}: {result}", file=sys.stderr, flush=True)
    return result


def report(results: Results, variants: list[str], score: str) -> str:
    """The tables in Markdown: one for each set, and one over all sets if there are several."""
    scored = {key: run["scores"] for key, run in results.items()}
    values = {key: found[score] for key, found in scored.items() if score in found}
    sets = list(dict.fromkeys(name for _, name, _ in values))
    if not sets:
        return f"No run has the score {score}."
    parts = [part(results, values, variants, [name], score) for name in sets]
    if len(sets) > 1:
        parts.append(part(results, values, variants, sets, score))
    compared = len({variant for variant, _, _ in values} - {BASE})
    chance = f"Of {compared} variants that change nothing, {compared * (1 - LEVEL):.1f} on average "
    return "\n\n".join([*parts, chance + "would be called better or worse in a table."])


def part(
    results: Results, values: dict[tuple, float], variants: list[str], sets: list[str], score: str
) -> str:
    """The table of some sets together."""
    head = [
        f"{', '.join(sets)}: {score}", "runs", "mean", "lowest .. highest", "CPU seconds",
        "difference in pairs", f"{LEVEL:.0%} interval", "verdict",
    ]  # fmt: skip
    rows = []
    for variant in variants:
        runs = [key for key in values if key[0] == variant and key[1] in sets]
        if not runs:
            continue
        found = [values[key] for key in runs]
        seconds = statistics.fmean(results[key]["cpu_seconds"] for key in runs)
        spread = f"{min(found):.4f} .. {max(found):.4f}"
        pairs = [values[key] - values[base] for key in runs if (base := (BASE, *key[1:])) in values]
        verdict = ["", "", ""]
        if variant != BASE and pairs:
            verdict = words(compare(pairs, len(sets) > 1))
        mean = f"{statistics.fmean(found):.4f}"
        rows.append([variant, str(len(runs)), mean, spread, f"{seconds:.0f}", *verdict])
    return table(head, rows)


def words(difference: Difference) -> list[str]:
    """A difference as three cells: mean with its standard error, interval, verdict."""
    if difference.error is None:
        return [f"{difference.mean:+.4f}", "", f"{difference.verdict}: one pair"]
    low, high = difference.interval
    mean = f"{difference.mean:+.4f} ± {difference.error:.4f}"
    return [mean, f"{low:+.4f} .. {high:+.4f}", difference.verdict]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", required=True, help="as --dataset_name of a training")
    parser.add_argument("--variants", nargs="*", default=[], help=f"all by default: {known()}")
    parser.add_argument("--seeds", type=int, default=3)
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--minutes", type=float, help="of each whole training")
    budget.add_argument("--steps", type=int, help="of the default; fewer where a step costs more")
    parser.add_argument("--threads", type=int, default=1, help="of each training")
    parser.add_argument("--parallel", type=int, default=1, help="trainings at a time")
    parser.add_argument("--score", default="mean_iou", help="or score, v_rand, v_info, ap50 ...")
    parser.add_argument("--only_table", action="store_true", help="of the results that are there")
    parser.add_argument("--output_dir", type=Path, required=True)
    given = parser.parse_args()
    variants = list(chosen(given.variants))
    # Seed by seed, so that a command that is stopped early has compared like with like.
    runs = [
        Run(variant, dataset, seed, given.threads, given.minutes, given.steps)
        for seed in range(given.seeds)
        for dataset in given.sets
        for variant in variants
    ]
    work = result_of if given.only_table else make
    with ThreadPoolExecutor(given.parallel) as pool:
        found = list(pool.map(lambda run: work(run, given.output_dir), runs))
    done = {run.key: result for run, result in zip(runs, found, strict=True) if result}
    print(report(done, variants, given.score))
    return int(len(done) < len(runs) and not given.only_table)


if __name__ == "__main__":
    sys.exit(main())
