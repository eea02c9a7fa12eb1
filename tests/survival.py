"""Trainings in processes of their own that die, or are stopped, at a chosen moment.

One server process imports everything once; each training is forked from it and runs what
`python -m train` runs. What is to befall it is a function called before it begins.

    with Trainings(folder) as trainings:
        run = trainings.run(["--dataset_name", ...], partial(signal_itself, 5, signal.SIGTERM))
"""

import contextlib
import fnmatch
import itertools
import json
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import PIL.Image
import psutil
import pytest

from .conftest import ROOT

# What a training imports on its way, too, so that no fork has to.
PRELOADED = [
    "tests.survival", "pytest", "train.loop", "train.malloc", "torch._dynamo", "torch._inductor",
    "torch.distributed.fsdp", "datasets", "jinja2", "scipy.io", "skimage.measure",
]  # fmt: skip
PATIENCE = 300  # seconds after which a training hangs; no test is about time
START, END = 0, -1  # marks before the first step and after the last
TIMES = ("seconds", "waiting")  # of a row of metrics: the machine's, not the training's


@dataclass
class Run:
    """What became of a training."""

    status: int  # exit status; -9: it was killed
    output: str  # both streams
    marks: dict[int, float]  # seconds until START, each step's beginning, and END
    group: int  # of processes

    @property
    def error(self) -> str:
        """The sentence it ended with, on the condition that there was no traceback. (Python
        mentions what is raised while it clears away PyTorch's loader; nobody can catch that.)"""
        assert "Traceback" not in self.output.partition("Exception ignored in")[0], self.output
        return next(line for line in self.output.splitlines() if line.startswith("error: "))

    def lengths(self) -> dict[int, float]:
        """Seconds from each mark to the next one it reached."""
        return {
            mark: self.marks[after] - self.marks[mark]
            for mark, after in itertools.pairwise(self.marks)
            if after != END or self.status == 0
        }


class Training:
    """A running training."""

    def __init__(self, process: Any, marks: Connection, log: Path, lock: Lock) -> None:
        """lock: multiprocessing asks for the end of any process when it starts one, and two
        threads may not ask at once."""
        self.process, self.connection, self.log, self.lock = process, marks, log, lock
        self.started = time.monotonic()
        self.marks: dict[int, float] = {}

    def wait(self, mark: int = END) -> bool:
        """Whether it came as far as this step."""
        while mark not in self.marks:
            left = self.started + PATIENCE - time.monotonic()
            ready = wait([self.connection, self.process.sentinel], timeout=max(left, 0))
            if self.connection in ready:
                try:
                    self.marks[self.connection.recv()] = time.monotonic() - self.started
                    continue
                except EOFError:
                    pass  # it is ending
            elif not ready:
                self.kill()
                pytest.fail(f"hangs after {self.marks}:\n{self.log.read_text()}")
            with self.lock:
                self.process.join()
            break
        return mark in self.marks

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.process.pid, number)

    def killed_after(self, mark: int, delay: float) -> Run:
        """Kills it so many seconds after the mark, if it is still there."""
        if self.wait(mark) and not wait([self.process.sentinel], timeout=delay):
            with contextlib.suppress(ProcessLookupError):  # it has ended in this very moment
                self.kill()
        return self.result()

    def result(self) -> Run:
        self.wait()
        self.marks[END] = time.monotonic() - self.started
        self.connection.close()
        return Run(self.process.exitcode, self.log.read_text(), self.marks, self.process.pid)


class Trainings:
    """Starts trainings and remembers their process groups."""

    def __init__(self, folder: Path) -> None:
        """folder: for what they print, and for the cache of Hugging Face's libraries."""
        self.folder = folder
        self.context = multiprocessing.get_context("forkserver")
        self.home = str(folder / "huggingface")
        self.groups: list[int] = []
        self.numbers = itertools.count()
        self.lock = Lock()

    def __enter__(self) -> "Trainings":
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OMP_NUM_THREADS", "1")
            patch.setenv("HF_HOME", self.home)
            patch.setenv("PYTHONPATH", str(ROOT))
            self.context.set_forkserver_preload(PRELOADED)
            forkserver.ensure_running()
        return self

    def __exit__(self, *_: object) -> None:
        for process in members(self.groups):
            # The system gives numbers out again: the group may be another's by now.
            with contextlib.suppress(psutil.Error):
                if process.environ().get("HF_HOME") == self.home:
                    process.kill()

    def start(
        self,
        arguments: list[Any],
        before: Callable[[], None] | None = None,
        environment: dict[str, str] | None = None,
    ) -> Training:
        """before: is called in the process when everything is imported and nothing has begun."""
        log = self.folder / f"{next(self.numbers)}.txt"
        log.touch()
        receiver, sender = self.context.Pipe(duplex=False)
        process = self.context.Process(
            target=_train, args=([*map(str, arguments)], before, environment or {}, log, sender)
        )
        with self.lock:
            process.start()
        sender.close()
        self.groups.append(process.pid)
        return Training(process, receiver, log, self.lock)

    def run(self, *arguments: Any, **options: Any) -> Run:
        return self.start(*arguments, **options).result()


def workers_from_a_server() -> None:
    """As Python 3.14 starts processes."""
    multiprocessing.set_start_method("forkserver", force=True)


def _train(
    arguments: list[str],
    before: Callable[[], None] | None,
    environment: dict[str, str],
    log: Path,
    marks: Connection,
) -> None:
    os.setsid()  # its workers belong to its group, whoever their parent will be
    os.environ.update(environment)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    from train.cli.main import main

    multiprocessing.set_start_method(None, force=True)  # of workers: the system's, not ours
    at_each_step(marks.send)
    if before:
        before()
    marks.send(START)
    status = main(arguments)
    sys.stdout.flush()
    os._exit(status)


def members(groups: list[int]) -> list[psutil.Process]:
    """The living processes of these groups."""
    found = []
    for process in psutil.process_iter():
        try:
            ours = os.getpgid(process.pid) in groups
            if ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    return found


def survivors(groups: list[int]) -> list[psutil.Process]:
    """Who is still there half a minute after their training has ended; PyTorch's workers look
    for their parent every five seconds."""
    deadline = time.monotonic() + 30
    while found := members(groups):
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return found


# ------------------------------------------------------------------ what befalls a training


def at_each_step(action: Callable[[int], object]) -> None:
    """Calls `action(step)` when a step begins."""
    import train.learner

    original = train.learner.seed_step

    def seed_step(seed: int, step: int, process: int) -> None:
        action(step)
        original(seed, step, process)

    train.learner.seed_step = seed_step


def signal_itself(step: int, *numbers: int) -> None:
    """At the beginning of a step."""

    def action(now: int) -> None:
        for number in numbers if now == step else ():
            os.kill(os.getpid(), number)

    at_each_step(action)


def signal_to_all(step: int, number: int) -> None:
    """Somebody else signals to the training and its workers, as a terminal's Ctrl-C and batch
    systems do."""

    def action(now: int) -> None:
        if now == step:
            script = f"import os; os.killpg({os.getpid()}, {int(number)})"
            subprocess.run([sys.executable, "-c", script], check=True, start_new_session=True)

    at_each_step(action)


def kill_workers(step: int) -> None:
    """As the system does when memory runs out."""

    def action(now: int) -> None:
        for worker in multiprocessing.active_children() if now == step else ():
            worker.kill()

    at_each_step(action)


def killed_when(call: str, pattern: str, count: int = 1) -> None:
    """SIGKILL at the count-th such call, as far half-way as it goes.

    call: "write" (the pattern is of the file's name), "replace" (of "from -> to", names with
    their folders') or "rmtree" (of a file in the folder that is deleted).
    """
    seen = [0]

    def die(text: str) -> bool:
        seen[0] += fnmatch.fnmatch(text, pattern)
        return seen[0] == count and fnmatch.fnmatch(text, pattern)

    write, replace, rmtree = Path.write_bytes, os.replace, shutil.rmtree

    def write_bytes(path: Path, data: bytes) -> int:
        if die(path.name):
            write(path, data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return write(path, data)

    def named(path: Any) -> str:
        return "/".join(Path(path).parts[-2:])

    def replace_(source: Any, target: Any) -> None:
        if die(f"{named(source)} -> {named(target)}"):
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    def rmtree_(path: Any, **options: Any) -> None:
        for file in [file for file in Path(path).glob("*") if file.is_file()]:
            if die(file.name):
                file.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
        rmtree(path, **options)

    if call == "write":
        Path.write_bytes = write_bytes
    elif call == "replace":
        os.replace = replace_
    elif call == "rmtree":
        shutil.rmtree = rmtree_


def loss_goes_wrong(step: int, how: str) -> None:
    """From that step on. how: "nan", or "nan gradient" of a finite loss."""
    import torch

    import train.recipe

    build = train.recipe.build_loss
    now = [0]
    at_each_step(lambda step: now.__setitem__(0, step))

    def build_loss(*arguments: Any, **options: Any) -> Callable:
        loss_of = build(*arguments, **options)

        def broken(logits: torch.Tensor, *rest: Any, **named: Any) -> torch.Tensor:
            loss = loss_of(logits, *rest, **named)
            if now[0] < step:
                return loss
            # The derivative of the square root is infinite at 0, and 0 times that is NaN.
            return loss * math.nan if how == "nan" else loss + (logits.sum() * 0).sqrt()

        return broken

    train.recipe.build_loss = build_loss


def network_raises(step: int, error: BaseException) -> None:
    """In the forward pass of that step."""
    from train.kernels.forward import FastNetwork

    now, forward = [0], FastNetwork.forward
    at_each_step(lambda step: now.__setitem__(0, step))

    def raising(model: Any, *arguments: Any, **options: Any) -> Any:
        if now[0] == step:
            raise error
        return forward(model, *arguments, **options)

    FastNetwork.forward = raising


def nine_steps_fit(then: Callable[[], None] = lambda: None) -> None:
    """Into any time budget, whatever the trial steps take; then something else befalls it."""
    from train.budget import pace, trial
    from train.budget.fit import Fit

    pace.MOST_STEPS = 3
    trial.fit_steps = lambda *_: Fit(9, 3, 3, "nine")
    then()


def file_size_limit(step: int, size: int) -> None:
    """No file may grow larger from that step on; SIGXFSZ is ignored by Python, hence EFBIG."""
    import resource

    def limit(now: int) -> None:
        if now == step:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    at_each_step(limit)


# ------------------------------------------------------------------ data, and what is compared


def write_nuclei(folder: Path, train: int = 7, validation: int = 2) -> Path:
    """Middles of drawn pictures, (48, 48), in folders of images and masks."""
    from demo.synthetic import fluorescence_nuclei

    for split, count in {"train": train, "validation": validation}.items():
        for number in range(count):
            drawing = fluorescence_nuclei(96, 30, seed=100 * len(split) + number)
            for kind, pixels in (("images", drawing.image), ("masks", drawing.label)):
                path = folder / split / kind / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                PIL.Image.fromarray(pixels[24:72, 24:72]).save(path)
    (folder / "id2label.json").write_text('{"0": "background", "1": "nucleus"}')
    return folder


def contents(output: Path) -> dict[str, Any]:
    """All that a training left, but for how long it took: path -> bytes, or what is in the JSON.

    README.md tells minutes and training.json repeats the options: they are there, no more. The
    state also says what the training was resumed from and whether it was to end elsewhere.
    """
    found: dict[str, Any] = {}
    for path in sorted(path for path in output.rglob("*") if path.is_file()):
        name = path.relative_to(output).as_posix()
        found[name] = path.read_bytes()
        if path.name == "training_state.json":
            state = json.loads(found[name])
            state["config"] = state["extended"] = None
            state["rows"] = [_timeless(row) for row in state["rows"]]
            found[name] = _timeless(state)
        elif name == "metrics.jsonl":
            found[name] = [_timeless(json.loads(line)) for line in found[name].splitlines()]
        elif name in ("README.md", "training.json"):
            found[name] = "there"
    return found


def _timeless(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in TIMES}


def assert_same(found: Path, expected: Path) -> None:
    """The same files, byte for byte."""
    first, second = contents(found), contents(expected)
    different = {*first} ^ {*second} or {name for name in first if first[name] != second[name]}
    assert not different, different


def assert_checkpoints_load(output: Path) -> list[int]:
    """Every folder that calls itself a checkpoint is whole; returns their steps."""
    from safetensors.numpy import load_file

    from train.checkpoints import read_progress
    from unet_hf import UNet

    steps = []
    for folder in output.glob("checkpoint-*"):
        progress = read_progress(folder)
        assert folder.name == f"checkpoint-{progress.step}"
        for values in load_file(folder / "training.safetensors").values():
            assert np.isfinite(values).all()
        UNet.from_pretrained(folder)
        if progress.best is not None:
            UNet.from_pretrained(folder / "best")
        steps.append(progress.step)
    return sorted(steps)
