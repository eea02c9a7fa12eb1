"""Is this code faster than it was? `python -m benchmarks.before COMMIT`.

The code of an earlier commit and that of this folder, each in a process of its own, do the same
work in turn, round after round, and the ratio of each round is printed: a machine whose speed
drifts slows both sides alike. Of the two runs of a turn the second is measured, as in a training or
a batch, where a run follows one of its own. "engine" computes a tile, "window" an image in a single
window, which some CPUs compute in a faster way.

The network has random weights (--width), or is a shipped checkpoint (--model). Where other programs
run, `--threads 1 --cpu_time` counts the seconds of the processor.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unet_hf.evaluation.machine import processor

from .measuring import ROOT, ratios, table, written
from .sessions import session

STEPS = 16, 64  # channels at full resolution, of `benchmarks.training`
# What a side does is said in terms of names that have been there for long.
WORK = {
    "engine": """
from unet_hf.engine.engine import Engine
model = network()
engine = Engine(model, task["precision"])
image = torch.randn(1, model.config["in_channels"], task["size"], task["size"])
def work():
    engine(image)
""",
    "window": """
from unet_hf.engine.engine import Engine
model = network()
engine = Engine(model, task["precision"])
image = torch.randn(1, model.config["in_channels"], task["size"], task["size"])
def work():
    engine(image, whole=True)
""",
    "segment": """
model = network()
shape = (task["size"], task["size"], model.config["in_channels"])
image = np.random.default_rng(0).integers(0, 256, shape, np.uint8).squeeze()
def work():
    model.segment(image, precision=task["precision"])
""",
    "step": """
from benchmarks.training import CASES, our_step
(case,) = [case for case in CASES if case.base_channels == task["width"]]
work = our_step(case, "no" if task["precision"] == "float32" else "bf16")
""",
}
SIDE = """
import json, sys, time
import numpy as np
import torch
task = json.loads(sys.argv[1])
torch.set_num_threads(task["threads"])
torch.manual_seed(0)
clock = time.process_time if task["cpu_time"] else time.perf_counter
def network():
    from unet_hf import UNet
    if task["model"]:
        return UNet.from_pretrained(task["model"])
    return UNet(1, 2, base_channels=task["width"]).eval()
%s
for _ in range(3):
    work()
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(2):
        began = clock()
        work()
    print(clock() - began, flush=True)
"""


@dataclass(frozen=True)
class Task:
    """What both sides do. size: Side of the image, px; a training step has its own."""

    what: str
    width: int
    model: str | None
    size: int
    precision: str
    threads: int
    cpu_time: bool


class Code:
    """A process that works with the code of a folder whenever it is asked to."""

    def __init__(self, process: subprocess.Popen) -> None:
        self._process = process
        self._answer("what it says is above")  # "ready"

    def seconds(self) -> float:
        print(file=self._process.stdin, flush=True)
        return float(self._answer("it ended"))

    def _answer(self, why: str) -> str:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"A side did not do its work: {why}.")
        return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit", help="of the code before, e.g. HEAD~1")
    parser.add_argument("--what", choices=WORK, default="engine")
    parser.add_argument("--width", type=int, default=16, help="channels at full resolution")
    parser.add_argument("--model", help="a shipped checkpoint, instead of a width")
    parser.add_argument("--size", type=int, default=512, help="side of the image, px")
    parser.add_argument("--precision", default="auto", help="of a training step: bfloat16, float32")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cpu_time", action="store_true", help="seconds of the processor")
    given = vars(parser.parse_args())
    if given["what"] == "step" and (given["model"] or given["width"] not in STEPS):
        parser.error(f"--what step has no --model, and one of these --width: {STEPS}")
    commit, rounds = given.pop("commit"), given.pop("rounds")
    if given["precision"] == "auto" and given["what"] != "segment":
        given["precision"] = usual_precision()
    task = Task(**given)
    with earlier_code(commit) as folder:
        before, now = by_turns(task, [folder, ROOT], rounds)
    kind = "seconds of the processor" if task.cpu_time else "seconds of the clock"
    print(f"{processor()}, {task.threads} of its threads, {kind}")
    row = [task.what, task.precision, written(before, 1, 1e-3), written(now, 1, 1e-3)]
    row.append(written(ratios(before, now)))
    print(table(["What", "Precision", "Before, ms", "Now, ms", "Times as fast"], [row]))


def usual_precision() -> str:
    import torch

    from unet_hf.engine.precision import best_precision

    return best_precision(torch.device("cpu"))


@contextmanager
def earlier_code(commit: str) -> Iterator[Path]:
    """A folder with the files of a commit, which is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", commit], cwd=ROOT, stdout=subprocess.PIPE, check=False
        )
        if archive.returncode:
            raise SystemExit(f"{commit} is no commit of this repository; git says why above.")
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        yield Path(folder)


def by_turns(task: Task, folders: list[Path], rounds: int) -> list[list[float]]:
    """Seconds of each folder's code, round by round."""
    with ExitStack() as stack:
        sides = [Code(stack.enter_context(started(task, folder))) for folder in folders]
        turns = [[side.seconds() for side in sides] for _ in range(rounds)]
    return [list(side) for side in zip(*turns, strict=True)]


@contextmanager
def started(task: Task, folder: Path) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-c", SIDE % WORK[task.what], json.dumps(asdict(task))]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": str(task.threads)}
    with session(command, cwd=folder, env=environment, **pipes) as process:
        yield process
        process.stdin.close()


if __name__ == "__main__":
    main()
