"""Ends a training that cannot go on with one message: the step, the cause and the cure."""

import errno
import os
import re
import shlex
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from unet_hf.engine.memory import is_shortage
from unet_hf.errors import DatasetError, UNetError
from unet_hf.files import DISK_FAULTS

from .checkpoints import TrainingState, find_checkpoints
from .config import TrainingConfig
from .errors import DivergedError, StoppedError, TrainingError

# The rest of the cure of a disk fault, see `DISK_FAULTS`.
DISK_CURES = {
    errno.ENOSPC: "lower --checkpoints_total_limit",
    errno.EDQUOT: "lower --checkpoints_total_limit",
    errno.EFBIG: "move the folder to another disk",
    errno.EROFS: "move the folder to another disk",
    errno.EIO: "move the folder to another disk",
}


def how_to_resume(output: Path) -> str:
    """Says which checkpoint is intact, and the command that resumes from it."""
    if checkpoints := find_checkpoints(output):
        return (
            f"The checkpoint of step {max(checkpoints)} is intact: go on with "
            f"`python -m train --output_dir {shlex.quote(str(output))} "
            "--resume_from_checkpoint latest`."
        )
    return "There was no checkpoint yet (--checkpointing_steps says how often one is written)."


def diverged(what: str, value: float, config: TrainingConfig, step: int) -> DivergedError:
    """Makes the error for a loss or gradient that is NaN or infinite.

    It does not suggest to resume: that would end at the same step.
    """
    output = Path(config.output_dir)
    checkpoints = find_checkpoints(output)
    start = (
        f" --pretrained_model_name_or_path {checkpoints[max(checkpoints)]} starts from the weights "
        f"of step {max(checkpoints)}."
        if checkpoints
        else ""
    )
    return DivergedError(
        f"The {what} became {value} at step {step}. Train again, in another --output_dir, with a "
        f"lower --learning_rate (now {config.learning_rate}) or more --lr_warmup_steps.{start}"
    )


@contextmanager
def explained(progress: TrainingState, output: Path) -> Iterator[None]:
    """Turns errors inside the block into a `TrainingError` with `progress.step` and the cure."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise StoppedError(
            f"Stopped during step {progress.step}. {how_to_resume(output)}"
        ) from error
    except TrainingError:
        raise
    except (UNetError, OSError, RuntimeError, MemoryError, EOFError) as error:
        try:
            cause = _explanation(error)
        except RuntimeError as later:  # the signal of a dead worker may raise anywhere
            cause = _explanation(later)
        if cause is None:
            raise
        raise TrainingError(f"Step {progress.step}: {cause} {how_to_resume(output)}") from error


def _explanation(error: BaseException) -> str | None:
    """Cause and cure of an error, in words; None if it is a fault of this program."""
    kind, text = _origin(error)
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    everything = " ".join(map(str, chain))
    if "shared memory" in everything or "</torch_" in everything:
        return (
            "there is too little shared memory for the processes that prepare crops. Enlarge "
            "/dev/shm (`docker run --shm-size=2g`), or set --dataloader_num_workers 0."
        )
    for number, cure in DISK_CURES.items():
        if os.strerror(number) in everything:  # the number itself may be lost on the way
            return f"{DISK_FAULTS[number]}, or {cure}."
    if issubclass(kind, (MemoryError, torch.OutOfMemoryError)) or is_shortage(text):
        return (
            "out of memory. Lower --train_batch_size (and raise --gradient_accumulation_steps by "
            "the same factor for the same result), --resolution or --base_channels."
        )
    killed = "DataLoader worker" in text and ("exited unexpectedly" in text or "by signal" in text)
    if killed or (kind is type(error) and _is_between_processes(error)):
        return (
            "a process that prepares crops was killed, most often for lack of memory. Lower "
            "--dataloader_num_workers."
        )
    if issubclass(kind, DatasetError):
        return text
    if issubclass(kind, UNetError):
        return None
    if any(_is_network(one) for one in (kind, *map(type, chain))):
        return (
            f"the connection to the Hub was lost ({text[:200].rstrip(' .')}). Try again when it "
            "is back."
        )
    return None


def _origin(error: BaseException) -> tuple[type, str]:
    """Class and message of an error, also of one from a worker process.

    PyTorch passes on the whole traceback as the message, and an error whose class takes more than
    a message as a RuntimeError. The last line of the traceback has the original class and message.
    """
    kind, text = type(error), str(error)
    if re.match(r"Caught \w+ in DataLoader worker process", text):
        *_, last = re.finditer(r"^([\w.]+)(?:: (.*))?$", text, re.MULTILINE)
        module, _, name = last[1].rpartition(".")
        found = getattr(sys.modules.get(module or "builtins"), name, None)
        kind, text = found if isinstance(found, type) else kind, last[2] or last[1]
    return kind, " ".join(text.split())


def _is_between_processes(error: BaseException) -> bool:
    """Whether the error arose in `multiprocessing`: a worker's end of a pipe is gone."""
    return isinstance(error, (ConnectionError, EOFError)) and any(
        "multiprocessing" in Path(frame.f_code.co_filename).parts
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def _is_network(kind: type) -> bool:
    return issubclass(kind, (ConnectionError, TimeoutError)) or kind.__module__.startswith(
        ("httpx", "httpx2", "httpcore", "aiohttp", "requests", "huggingface_hub")
    )


class StopRequest:
    """Catches Ctrl-C and SIGTERM, so that the step is finished and a checkpoint written.

    A second signal ends the process at once. Only the main thread can catch signals; in another
    thread this does nothing.
    """

    def __init__(self) -> None:
        self.asked = False
        self.earlier: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.earlier[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.earlier.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
