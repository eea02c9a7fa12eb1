"""Variants of the training recipe, each on several sets from several seeds, at equal budget.

    python -m benchmarks.recipe --sets data/isbi2012 data/nuclei --seeds 3 --minutes 5 \\
        --variants "instance norm" "deep supervision" --output_dir recipe

A set is planned once, and a variant changes its own options of that plan. Each run is a process of
its own, with `--threads` threads, and `--parallel` of them at a time. Its result is a file in
`--output_dir`; a run that has one is not made again, so the command goes on where it was stopped.
The table compares each variant with the default command in pairs of the same set and seed.
"""

import argparse
import json
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .measuring import in_own_process
from .variants.registry import BASE, Variant, chosen, known
from .variants.tables import report


@dataclass(frozen=True)
class Run:
    """One training to be made."""

    variant: str
    seed: int
    dataset: str
    threads: int
    code: str | None  # see `Variant`
    plain: bool
    options: dict[str, Any]  # of `TrainingConfig`, with the budget

    @property
    def key(self) -> tuple[str, str, int]:
        return self.variant, set_name(self.dataset), self.seed

    def file(self, output: Path) -> Path:
        """Where its result is stored."""
        variant, name, seed = self.key
        return output / name / f"{variant.replace(' ', '-')}-{seed}.json"

    def differences(self, other: dict[str, Any]) -> list[str]:
        """Says in what a stored run differs from this one; see `asdict`."""
        if "options" not in other:
            return ["an earlier version, which did not store its options"]
        before, now = ({**run, **run["options"]} for run in (other, asdict(self)))
        return [
            f"{name} {before.get(name)}, not {value}"
            for name, value in now.items()
            if name != "options" and before.get(name) != value
        ]


def set_name(dataset: str) -> str:
    return Path(dataset).name


def base_options(dataset: str, output: Path) -> dict[str, Any]:
    """Returns the options of the default command on a set; it is planned once, and stored."""
    file = output / set_name(dataset) / "base.json"
    if not file.exists():
        planned = in_own_process("benchmarks.variants.planned", dataset=dataset)
        write_whole(file, planned)
    return json.loads(file.read_text("utf-8"))


def write_whole(file: Path, content: Any) -> None:
    """Writes JSON; a process that is killed meanwhile leaves no file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    new.replace(file)


def runs_of(given: argparse.Namespace, variants: dict[str, Variant]) -> list[Run]:
    """Lists all runs, seed by seed: a command that is stopped early has compared like with like."""
    runs = []
    bases = {dataset: base_options(dataset, given.output_dir) for dataset in given.sets}
    for seed in range(given.seeds):
        for dataset, base in bases.items():
            usual = variants[BASE].options_on(base, given.steps)
            for name, variant in variants.items():
                options = variant.options_on(base, given.steps)
                if name != BASE and options == usual and not variant.code:
                    if seed == 0:
                        print(f"{set_name(dataset)} is planned like {name!r}", file=sys.stderr)
                    continue
                if given.minutes is not None:
                    options |= {"time_budget": f"{60 * given.minutes:.0f}s"}
                run = Run(name, seed, dataset, given.threads, variant.code, variant.plain, options)
                runs.append(run)
    return runs


def result_of(run: Run, output: Path) -> dict[str, Any] | None:
    """Reads a stored result; None if there is none.

    Raises `SystemExit` if it was made with other options, or another budget.
    """
    file = run.file(output)
    if not file.exists():
        return None
    stored = json.loads(file.read_text("utf-8"))
    if differences := run.differences(stored["run"]):
        raise SystemExit(
            f"{file} was made with {'; '.join(differences)}. Choose another --output_dir."
        )
    return stored["result"]


def make(run: Run, output: Path) -> dict[str, Any] | None:
    """Makes a run, or reads its result. None, and a message, if the training failed."""
    if (known_result := result_of(run, output)) is not None:
        return known_result
    file = run.file(output)
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        result = in_own_process(
            "benchmarks.variants.run",
            options=run.options | {"dataset_name": run.dataset, "seed": run.seed},
            folder=str(file.with_suffix("")),
            threads=run.threads,
            code=run.code,
            plain=run.plain,
        )
    except SystemExit as failure:
        print(f"{run.key} failed:\n{failure}", file=sys.stderr, flush=True)
        return None
    write_whole(file, {"run": asdict(run), "result": result})
    print(f"{run.key}: {result}", file=sys.stderr, flush=True)
    return result


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
    # Results are files, so Ctrl-C may end this process at once; its trainings end with it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    variants = chosen(given.variants)
    runs = runs_of(given, variants)
    work = result_of if given.only_table else make
    with ThreadPoolExecutor(given.parallel) as pool:
        found = list(pool.map(lambda run: work(run, given.output_dir), runs))
    done = {run.key: result for run, result in zip(runs, found, strict=True) if result}
    print(report(done, list(variants), given.score))
    return int(len(done) < len(runs) and not given.only_table)


if __name__ == "__main__":
    sys.exit(main())
