"""Trainings in processes of their own that die, or are stopped, at a chosen moment.

One server process imports everything once; each training is forked from it and runs what
`python -m train` runs. What is to befall it is a function called before it begins: `mishaps.py`.

    with Trainings(folder) as trainings:
        run = trainings.run(["--dataset_name", ...], partial(signal_itself, 5, signal.SIGTERM))

The fixtures `trainings`, `nuclei`, `command` and `uninterrupted` are for every file of tests.
"""

import contextlib
import itertools
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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

from ..conftest import ROOT

# What a training imports on its way, too, so that no fork has to.
PRELOADED = [
    "tests.support.survival", "tests.support.mishaps", "pytest", "train.loop", "train.malloc",
    "torch._dynamo", "torch._inductor", "torch.distributed.fsdp", "datasets", "jinja2", "scipy.io",
    "skimage.measure",
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


def at_each_step(action: Callable[[int], object]) -> None:
    """Calls `action(step)` when a step begins."""
    import train.learner

    original = train.learner.seed_step

    def seed_step(seed: int, step: int, process: int) -> None:
        action(step)
        original(seed, step, process)

    train.learner.seed_step = seed_step


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


def interrupt(arguments: list, output: Path, log: Path) -> int:
    """Ctrl-C in the terminal in which a program trains, after some steps; returns the last."""
    from train.checkpoints import find_checkpoints

    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)], cwd=ROOT, start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=file, stderr=file,
        )  # fmt: skip
        try:
            while not find_checkpoints(output):
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
            os.killpg(process.pid, signal.SIGINT)
            status = process.wait(timeout=100)
        finally:
            process.kill()
    assert survivors([process.pid]) == []
    said = log.read_text()
    assert status == (1 if "accelerate" in str(arguments) else 130), said
    (step,) = assert_checkpoints_load(output)
    words = f"error: Stopped after step {step}. The checkpoint of step {step} is intact"
    assert len(re.findall(re.escape(words), said)) == said.count("error: ") > 0, said
    return step


# ------------------------------------------------------------------ fixtures

SMALL = (
    "--base_channels", 4, "--depth", 2, "--resolution", 32, "--train_batch_size", 2,
    "--max_validation_images", 1, "--dataloader_num_workers", 0, "--mixed_precision", "no",
    "--measure_speed", "no",
)  # fmt: skip
LATEST = ("--resume_from_checkpoint", "latest")
NINE_STEPS = ("--max_train_steps", 9, "--validation_steps", 3, "--checkpointing_steps", 3)

Options = tuple[object, ...]


@pytest.fixture(scope="module")
def trainings(tmp_path_factory) -> Iterator[Trainings]:
    with Trainings(tmp_path_factory.mktemp("trainings")) as trainings:
        yield trainings


@pytest.fixture(scope="module")
def nuclei(tmp_path_factory) -> Path:
    return write_nuclei(tmp_path_factory.mktemp("nuclei"))


@pytest.fixture(scope="module")
def command(nuclei) -> Callable[..., list]:
    return lambda output, *options: [
        "--dataset_name", nuclei, "--output_dir", output, *SMALL, *options
    ]  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(trainings, command, tmp_path_factory) -> Callable[..., tuple[Path, Run]]:
    """Options -> output folder and run of a training that nothing befell; each once."""
    done: dict[Options, tuple[Path, Run]] = {}

    def get(*options: object) -> tuple[Path, Run]:
        if options not in done:
            output = tmp_path_factory.mktemp("uninterrupted") / "out"
            run = trainings.run(command(output, *options))
            assert run.status == 0, run.output
            done[options] = output, run
        return done[options]

    return get
