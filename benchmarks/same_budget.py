"""This project and what people use, on the same split in the same CPU seconds.

    python -m benchmarks.same_budget --dataset_name data/superalloy --minutes 15
    python -m benchmarks.same_budget --table benchmarks/same_budget.jsonl

Each side trains and predicts in a process of its own. The budget is minutes x 60 x 2 CPU seconds of
that process and of those it starts, for everything up to the trained weights: with --threads 1 the
same seconds take twice as long. Ours spends a part of it on evaluations; predictions of the other
sides are free. All are scored by the same code, which is not our evaluation. Our threshold and the
step that we keep are chosen on the validation split, which is an advantage: so there is also the
score at 0.5, and the best threshold of each side.

What is finished in --output_dir is not run again, so the command can be repeated. Other packages
may be in another environment: `--peers_python PATH`.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .measuring import ROOT, table, written
from .rivals.budget import run_measured
from .rivals.sides import SIDES, Side

CORES = 2  # that the minutes are counted on
Row = dict[str, Any]


def main() -> None:
    given = read_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the side ends, too
    if given.table:
        print(tables(read_rows(given.table)))
        return
    home = given.output_dir / Path(given.dataset_name).name
    results = given.output_dir / "results.jsonl"
    for seed in range(given.seeds):  # seed by seed: a run cut short still compares like with like
        for name in given.rivals:
            request = asked(given, name, seed, home)
            done = [row for row in read_rows(results) if identity(row) == identity(request)]
            if not done and can_run(name, python_of(SIDES[name], given)):
                row = request | measure(request, given, home)
                with results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
    rows = [row for row in read_rows(results) if row["dataset"] == home.name]
    print(tables(rows))


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset_name", help="a folder or a Hub data set")
    parser.add_argument("--minutes", type=float, default=15, help="on two cores")
    parser.add_argument("--threads", type=int, choices=(1, 2), default=2)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--rivals", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--output_dir", type=Path, default=Path("same_budget"))
    parser.add_argument("--peers_python", default=sys.executable, help="Python with the packages")
    parser.add_argument("--ours", default="", help="more options of `python -m train`, quoted")
    parser.add_argument("--table", type=Path, help="print the tables of these results")
    given = parser.parse_args()
    if not given.table and not given.dataset_name:
        parser.error("--dataset_name or --table is missing")
    return given


def asked(given: argparse.Namespace, name: str, seed: int, home: Path) -> Row:
    """What makes two runs the same run."""
    row = {
        "dataset": home.name,
        "rival": name,
        "minutes": given.minutes,
        "threads": given.threads,
        "seed": seed,
    }
    return row | ({"options": given.ours} if name == "ours" and given.ours else {})


def identity(row: Row) -> tuple:
    names = ("dataset", "rival", "minutes", "threads", "seed", "options")
    return tuple(row.get(name, "") for name in names)


def read_rows(path: Path) -> list[Row]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def python_of(side: Side, given: argparse.Namespace) -> str:
    return given.peers_python if side.package else sys.executable


def can_run(name: str, python: str) -> bool:
    """Whether the package of a side is there; says how to install it if it is not."""
    package = SIDES[name].package
    if package is None:
        return True
    look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    there = subprocess.run([python, "-c", look]).returncode == 0
    if not there:
        print(
            f"{name} is left out: {python} has no package {package}. Install it there with "
            f"`{SIDES[name].install}`, or name the Python of another environment with "
            "--peers_python.",
            file=sys.stderr,
        )
    return there


def measure(request: Row, given: argparse.Namespace, home: Path) -> Row:
    """Runs one side and scores it. Raises `SystemExit` if it fails; what it wrote is in its log."""
    from .rivals.export import export

    side, seed = SIDES[request["rival"]], request["seed"]
    data = home / "data" / f"seed{seed}"
    export(given.dataset_name, seed, data)
    name = "-".join(str(part) for part in identity(request)[1:])
    output = home / "runs" / re.sub(r"[^\w.-]+", "_", name)
    shutil.rmtree(output, ignore_errors=True)  # of a run that was cut short
    output.mkdir(parents=True)
    seconds = given.minutes * 60 * CORES
    task = {
        "data": str(data.resolve()),
        "output": str(output.resolve()),
        "seconds": seconds,
        "threads": given.threads,
        "seed": seed,
        "options": side.options | {"dataset": given.dataset_name, "more": given.ours},
    }
    question = output.resolve() / "request.json"
    question.write_text(json.dumps(task), "utf-8")
    environment = os.environ | {
        "OMP_NUM_THREADS": str(given.threads),
        "PYTHONPATH": str(ROOT),
    }
    trained = output / "trained.json"
    command = [python_of(side, given), "-m", f"benchmarks.rivals.{side.module}", str(question)]
    usage = run_measured(command, environment, output / "log.txt", trained, seconds)
    if usage.stopped or usage.returncode:
        why = "did not end with its budget" if usage.stopped else "failed"
        raise SystemExit(f"{request['rival']} {why}; what it wrote is in {output / 'log.txt'}.")
    return finished_row(json.loads(trained.read_text("utf-8")), asdict(usage), data, output)


def finished_row(trained: Row, usage: Row, data: Path, output: Path) -> Row:
    """The figures of a side that has ended."""
    from .rivals.scores import score_predictions

    return {
        **trained,
        "predict_cpu_seconds": round(usage["cpu_seconds"] - trained["train_cpu_seconds"], 1),
        "peak_megabytes": round(usage["peak_megabytes"]),
        "scores": score_predictions(data, output / "probabilities", trained.get("threshold")),
    }


# ------------------------------------------------------------------------------------- tables


def tables(rows: list[Row]) -> str:
    """A table in Markdown for each data set and budget; medians and spreads over the seeds."""
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        groups.setdefault((row["dataset"], row["minutes"]), []).append(row)
    parts = []
    for (dataset, minutes), members in groups.items():
        seconds = minutes * 60 * CORES
        parts.append(f"{dataset}, {seconds:,.0f} CPU seconds\n\n{dataset_table(members)}")
    return "\n\n".join(parts)


def dataset_table(rows: list[Row]) -> str:
    plain = rows[0]["scores"]["plain"]
    first = "V_rand, V_info" if "v_rand" in plain else "mean IoU"
    two = len(plain["iou"]) == 2
    head = ["Side", f"{first} at 0.5" if two else first]
    head += ["at the best threshold", "at its own"] if two else []
    head += ["IoU of " + ", ".join(plain["iou"])]
    head += ["AP@0.5, components"] if "ap50" in plain else []
    parted = any("own objects" in row["scores"] for row in rows)
    head += ["own objects"] if parted else []
    head += ["seeds", "steps", "CPU s, training", "CPU s, prediction", "memory, MB", "weights, MB"]
    timed = any("slice_seconds" in row for row in rows)
    head += ["512 x 512 px, s"] if timed else []
    sides: dict[tuple, list[Row]] = {}
    for row in rows:
        sides.setdefault((row["rival"], row.get("options", "")), []).append(row)
    cells = [side_cells(name, runs, two, parted, timed) for name, runs in sides.items()]
    return table(head, cells)


def side_cells(
    name: tuple[str, str], runs: list[Row], two: bool, parted: bool, timed: bool
) -> list[str]:
    def values(*path: str) -> list[Any]:
        return [value for run in runs if (value := at(run, path)) is not None]

    def decision(which: str) -> str:
        if rand := values("scores", which, "v_rand"):
            return f"{cell(rand, 4)}, {cell(values('scores', which, 'v_info'), 4)}"
        return cell(values("scores", which, "mean_iou"), 4)

    plain = runs[0]["scores"]["plain"]
    cells = [" ".join([SIDES[name[0]].title, name[1]]).strip()]
    cells += [decision(which) for which in (("plain", "best", "own") if two else ("plain",))]
    cells.append(", ".join(cell(values("scores", "plain", "iou", c), 3) for c in plain["iou"]))
    if "ap50" in plain:
        cells.append(cell(values("scores", "plain", "ap50"), 3))
    if parted:
        ap50 = cell(values("scores", "own objects", "ap50"), 3)
        cells.append(ap50 if "ap50" in plain else decision("own objects"))
    cells.append(str(len(runs)))
    cells += [
        cell(values(key), 0)
        for key in ("steps", "train_cpu_seconds", "predict_cpu_seconds", "peak_megabytes")
    ]
    cells.append(cell(values("weights_megabytes"), 1))
    return [*cells, cell(values("slice_seconds"), 2)] if timed else cells


def at(record: Any, path: tuple[str, ...]) -> Any:
    """The value at a path of keys; None where there is none."""
    for key in path:
        record = None if record is None else record.get(key)
    return record


def cell(values: list[float], digits: int) -> str:
    if not values:
        return "-"
    if len(values) == 1 or digits == 0:
        return f"{statistics.median(values):.{digits}f}"
    return written(values, digits)


if __name__ == "__main__":
    main()
