"""`TeachProcess`: a process that teaches; it can be killed without taking the page along.

Its side of what passes between the two is `train.teaching.worker`.
"""

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.teaching.worker import BASE, EVENTS, JOB, READY
from unet_hf.errors import UNetError
from unet_hf.files import parse_json, write_atomically

PYTHON = (sys.executable,)  # the beginning of the command
# One line of the worker for one that dies without a word, as one that is out of memory does.
DIED = (
    "The teaching ended before it was done: its process was stopped, perhaps for want of memory. "
    "Nothing that was painted is lost; try again, or with fewer images."
)


class TeachingError(UNetError):
    """A teaching has failed; the old checkpoint is as it was."""


@dataclass(frozen=True)
class Progress:
    """How far a teaching is. losses: Of the steps that were made. steps: In all; 0: not known."""

    losses: tuple[float, ...] = ()
    steps: int = 0


class TeachProcess:
    """Starts at once and waits for its job, so that a first teaching need not wait for imports."""

    def __init__(self) -> None:
        # Of the server's variables only what Python needs: no token is anywhere near it.
        kept = ("PATH", "HOME", "TMPDIR", "LANG", "PYTHONPATH", "VIRTUAL_ENV", "OMP_NUM_THREADS")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        roots = [str(Path(__file__).parents[2]), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, roots))
        if os.name == "nt":
            environment["SYSTEMROOT"] = os.environ.get("SYSTEMROOT", "")
        self._process = subprocess.Popen(
            [*PYTHON, "-m", "train.teaching.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # What nobody has foreseen is told there: it is in the server's log.
            stderr=None,
            text=True,
            env=environment,
        )
        self._folder: Path | None = None
        self._first, self._heard = "", threading.Event()  # the first line it has said
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def is_ready(self, seconds: float) -> bool:
        """Whether it has imported what it needs; waits for so long at most.

        Raises `TeachingError` if it never will.
        """
        if not self._heard.wait(seconds):
            return False
        if self._first != READY:
            raise TeachingError(DIED)
        return True

    def begin(self, folder: Path, job: dict[str, Any]) -> None:
        """Hands over a job; `folder` holds the base already. One process does one job."""
        assert (folder / BASE).is_dir()
        text = json.dumps(job)
        write_atomically(folder / JOB, lambda path: path.write_text(text, encoding="utf-8"))
        self._folder = folder
        try:
            self._process.stdin.write(f"{folder}\n")
            self._process.stdin.flush()
        except OSError:
            raise TeachingError(DIED) from None

    def progress(self) -> Progress:
        """As far as it has told."""
        try:
            text = (self._folder / EVENTS).read_text(encoding="utf-8")
        except OSError:
            return Progress()
        # The last line may be half written.
        lines = [json.loads(line) for line in text.split("\n")[:-1]]
        if not lines:
            return Progress()
        return Progress(tuple(line["loss"] for line in lines), lines[-1]["steps"])

    def has_ended(self, seconds: float) -> bool:
        """Waits for so long at most."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return not self.is_alive()

    def outcome(self) -> dict[str, Any]:
        """What it said when it ended. Raises `TeachingError` with the sentence of its error."""
        said = self._process.stdout.read().strip()
        try:
            outcome = parse_json(said.rpartition("\n")[2])
        except ValueError:
            raise TeachingError(DIED) from None
        if "error" in outcome:
            raise TeachingError(outcome["error"])
        return outcome

    def end(self) -> None:
        """Kills it, whatever it does; nothing of it is needed any more."""
        with suppress(OSError):
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()
        # It is gone in no time, but nobody waits for it here.
        threading.Thread(target=self._process.wait, daemon=True).start()

    def _listen(self) -> None:
        with suppress(ValueError):  # it was ended before it said anything
            self._first = self._process.stdout.readline().strip()
        self._heard.set()
