"""What befalls a training: given to `survival.Trainings`, each is called in its process when
everything is imported and nothing has begun."""

import fnmatch
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .survival import at_each_step


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


# Arguments of `killed_when` for a training of nine steps.
MOMENTS = {
    "half of the optimiser's state is written": ("write", "training.safetensors", 2),
    "half of the best weights are written": ("write", "*.safetensors", 2),
    "a checkpoint is written and not yet named": ("replace", "* -> out/checkpoint-6"),
    "an old checkpoint is to be deleted": ("replace", "out/checkpoint-3 -> *"),
    "an old checkpoint is half deleted": ("rmtree", "training_state.json"),
    "the best one is to be replaced": ("replace", "out/best -> *"),
    "the best one is between the old and the new": ("replace", "* -> out/best", 2),
    "metrics are to be replaced": ("replace", "* -> out/metrics.jsonl", 3),
    "the first result is to be moved": ("replace", ".unfinished-*/* -> out/*"),
    "the configuration is to be moved": ("replace", ".unfinished-*/* -> out/config.json"),
}


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


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Callable[[int], None]]:
    """A file system of its own; yields how to make it larger. Needs root."""
    size = f"size={kilobytes}k"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder])
    if mounted.returncode != 0:
        pytest.skip("only root can mount a small disk; the limit of file sizes is tested instead")
    try:
        yield lambda size: subprocess.run(
            ["mount", "-o", f"remount,size={size}k", folder], check=True
        )
    finally:
        subprocess.run(["umount", folder], check=True)
