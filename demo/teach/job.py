"""Teaches in a process of its own, and tells how far it is."""

import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from train.teaching.worker import BASE, TAUGHT
from unet_hf import UNet
from unet_hf.hub.save import write_model

from ..server import limits
from ..server.checkpoints.taught import taught_folders
from ..server.work.runs import Run, StoppedError
from .line import line
from .process import Progress, TeachingError
from .sitting import Sitting
from .strokes_in import AllPainted

GLANCE = 0.3  # seconds between two looks
SECONDS = float(os.environ.get("UNET_HF_TEACH_SECONDS", "60"))  # of a teaching
# After which a process is ended that has not begun, or does not end, whatever it does.
PATIENCE = max(3 * SECONDS, 120.0)
MEGABYTES = 8000  # of memory that a process may have
TOO_LONG = (
    "The teaching was not done after {:.0f} minutes, and was ended. Nothing that was painted is "
    "lost, and the old checkpoint is as it was. Teach again when this computer has less to do, or "
    "on fewer or smaller images."
)


@dataclass(frozen=True)
class Status:
    """How far a teaching is.

    ahead: How many others come first. progress: None until it has begun. seconds: Since its turn.
    """

    ahead: int = 0
    progress: Progress | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Done:
    """What a teaching gave. name: Of the taught checkpoint, see `server.checkpoints.taught`."""

    name: str
    outcome: dict[str, Any]


def teach_in_turn(
    sitting: Sitting, base: UNet, painted: AllPainted, folder: Path, run: Run, title: str
) -> Iterator[Status | Done]:
    """Waits for its turn and teaches; the last thing it yields is what came of it.

    folder: A new one, for what passes to the process and back.

    Raises:
        TooManyWaitError, TeachingError: Their sentences say what happened.
        StoppedError: The visitor has cancelled it, or left.
    """
    ticket = line().join()
    try:
        while ahead := line().ahead(ticket):
            yield Status(ahead)
            _check(sitting, run)
            time.sleep(GLANCE)
        yield Status()
        yield from _teach(sitting, base, painted, folder, run, title)
    finally:
        # The page may be closed at any moment: Gradio then ends this iterator.
        line().leave(ticket)
        sitting.end_process()


def _teach(
    sitting: Sitting, base: UNet, painted: AllPainted, folder: Path, run: Run, title: str
) -> Iterator[Status | Done]:
    (folder / BASE).mkdir()
    write_model(base, folder / BASE)
    process = sitting.take_process()
    began = time.monotonic()
    while not process.is_ready(GLANCE):
        _check(sitting, run, began)
        yield Status()
    process.begin(folder, _job(painted, title))
    ready = time.monotonic()
    while not process.has_ended(GLANCE):
        _check(sitting, run, ready)
        yield Status(0, process.progress(), time.monotonic() - ready)
    outcome = process.outcome()
    name, place = taught_folders().place()
    (folder / TAUGHT).rename(place)
    yield Done(name, outcome)


def _job(painted: AllPainted, title: str) -> dict[str, Any]:
    """What the process is handed."""
    pictures = [
        {
            "image": {
                "source": picture.path,
                "max_pixels": limits.MAX_PIXELS,
                **asdict(picture.place),
            },
            "strokes": picture.strokes,
        }
        for picture in painted.pictures
    ]
    return {
        "pictures": pictures,
        "classes": painted.classes,
        "formerly": painted.formerly,
        "colors": painted.colors,
        "seconds": SECONDS,
        "megabytes": MEGABYTES,
        "seed": 0,
        "title": title,
    }


def _check(sitting: Sitting, run: Run, began: float | None = None) -> None:
    """Raises `StoppedError` if nobody wants it any more, and `TeachingError` if it takes too long.

    began: When its process was its own, or began to teach.
    """
    if sitting.is_cancelled:
        raise StoppedError("Cancelled.")
    run.check()
    if began is not None and time.monotonic() - began > PATIENCE:
        raise TeachingError(TOO_LONG.format(PATIENCE / 60))
