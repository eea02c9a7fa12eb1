"""How a training ends when it cannot go on: one sentence with the step and the cure."""

import errno
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from unet_hf.errors import DatasetError, UNetError

from .checkpoints import Progress, find_checkpoints


class TrainingError(UNetError):
    """A training ended early; its last checkpoint is intact."""


class DivergedError(TrainingError):
    """The loss became NaN or infinite."""


class StoppedError(TrainingError):
    """Somebody pressed Ctrl-C, or the machine asked the process to end."""


def how_to_resume(output: Path) -> str:
    if checkpoints := find_checkpoints(output):
        return (
            f"The checkpoint of step {max(checkpoints)} is intact: go on with "
            f"`python -m train --output_dir {output} --resume_from_checkpoint latest`."
        )
    return "There was no checkpoint yet (--checkpointing_steps says how often one is written)."


@contextmanager
def explained(progress: Progress, output: Path) -> Iterator[None]:
    """Turns what can befall a training into a `TrainingError`."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise StoppedError(
            f"Stopped during step {progress.step + 1}. {how_to_resume(output)}"
        ) from error
    except TrainingError:
        raise
    except (UNetError, OSError, RuntimeError, MemoryError) as error:
        if (cause := _explanation(error)) is None:
            raise
        raise TrainingError(f"Step {progress.step + 1}: {cause} {how_to_resume(output)}") from error


def _explanation(error: BaseException) -> str | None:
    """Cause and cure in words; None for what is a fault of the program itself."""
    text = " ".join(str(error).split())
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    if any(getattr(link, "errno", None) in (errno.ENOSPC, errno.EDQUOT) for link in chain):
        return "the disk is full. Free some space, or lower --checkpoints_total_limit."
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate" in text:
        return (
            "out of memory. Lower --train_batch_size (and raise --gradient_accumulation_steps by "
            "the same factor for the same result), --resolution or --base_channels."
        )
    if "DataLoader worker" in text and "exited unexpectedly" in text:
        return (
            "a process that prepares crops was killed, most often for lack of memory. Lower "
            "--dataloader_num_workers."
        )
    if isinstance(error, DatasetError):  # raised in a worker, it brings a traceback along
        return str(error).strip().splitlines()[-1].removeprefix("unet_hf.errors.DatasetError: ")
    if isinstance(error, UNetError):
        return None
    if any(_is_network(link) for link in chain):
        return f"the connection to the Hub was lost ({text[:200]}). Try again when it is back."
    return None


def _is_network(error: BaseException) -> bool:
    module = type(error).__module__
    return isinstance(error, (ConnectionError, TimeoutError)) or module.startswith(
        ("httpx", "httpx2", "httpcore", "aiohttp", "requests", "huggingface_hub")
    )


class StopRequest:
    """Ctrl-C and SIGTERM let the step finish and a checkpoint be written; a second Ctrl-C ends
    the process at once. Signals belong to the main thread: elsewhere nothing is caught."""

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
