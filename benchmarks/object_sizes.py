"""The default command on drawn sets whose objects are tiny, huge or of three classes.

    python -m benchmarks.object_sizes --output_dir sizes

Each set is drawn from a seed into `--output_dir` in the Hub's imagefolder layout. The default
command trains on it with one thread, for so many steps that it takes ten minutes or so. Given
again, it goes on where it was stopped. What stands behind `--` are options of all trainings.
"""

import argparse
import json
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

from .drawn_sets import SETS, write_set
from .measuring import ROOT, table
from .sessions import session


@dataclass(frozen=True)
class Run:
    """A training on a set."""

    drawn: str  # name of the set
    steps: int
    minutes: int  # about; CPU time with AVX512-BF16
    options: tuple[str, ...] = ()


RUNS = {
    "small": Run("small", 800, 3),
    "large": Run("large", 1000, 14),
    "large-depth-4": Run("large", 1000, 11, ("--depth", "4")),
    "classes": Run("classes", 600, 2),
}


def train(run: Run, data: Path, output: Path, options: list[str]) -> float | None:
    """Trains, or goes on with it; returns CPU seconds, None where a part was trained before."""
    resumed, began = output.exists(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "train", "--dataset_name", str(data), "--output_dir"]
    command += [str(output), "--resume_from_checkpoint", "latest", "--checkpointing_steps", "100"]
    command += ["--max_train_steps", str(run.steps), *run.options, *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with session(command, cwd=ROOT, env=environment, stdout=sys.stderr) as training:
        training.wait()
    if training.returncode:
        sys.exit(training.returncode)  # the training has said why
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime
    return None if resumed else seconds


def row_of(name: str, output: Path, seconds: float | None) -> list[str]:
    """A line of the table: what was planned, and the scores of the finished checkpoint."""
    options = json.loads((output / "training.json").read_text("utf-8"))
    scores = json.loads((output / "evaluation.json").read_text("utf-8"))
    side, batch = options["resolution"], options["train_batch_size"]
    classes = ", ".join(f"{label} {iou:.3f}" for label, iou in scores["iou"].items() if iou)
    network = f"{options['depth']}, {options['base_channels']}"
    steps = str(options["max_train_steps"])
    minutes = "" if seconds is None else f"{seconds / 60:.1f}"
    score = f"{scores['mean_iou']:.3f}"
    return [name, f"{batch} of {side} px", network, steps, minutes, score, classes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--seed", type=int, default=0, help="of the drawings")
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("options", nargs="*", help="of the trainings, behind --")
    given = parser.parse_args()
    costs = [f"{name} {RUNS[name].minutes}" for name in given.runs]
    print(f"about, in minutes of CPU time: {', '.join(costs)}", file=sys.stderr)
    rows = []
    for name in given.runs:
        run, folder = RUNS[name], given.output_dir.resolve()
        data, output = folder / f"data-{run.drawn}", folder / f"trained-{name}"
        cost = folder / f"seconds-{name}.json"
        if not (data / "id2label.json").exists():  # it is written last
            write_set(SETS[run.drawn], data, given.seed)
        if not cost.exists():
            cost.write_text(json.dumps(train(run, data, output, given.options)), "utf-8")
        rows.append(row_of(name, output, json.loads(cost.read_text("utf-8"))))
        print(" | ".join(rows[-1]), file=sys.stderr)
    columns = ["run", "crops", "depth, width", "steps", "CPU minutes", "mean IoU", "IoU"]
    print(table(columns, rows))


if __name__ == "__main__":
    main()
