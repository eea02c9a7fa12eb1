"""What each session has asked the network for: a few runs at a time, and all of them can be ended.

with sessions().run(session) as run:
    result = segment_file(path, model, run=run)  # or StoppedError
sessions().stop(session)                         # from any other thread
"""

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from functools import cache

from unet_hf.errors import UNetError

MOST_RUNS = 4  # of one session: a page needs one or two, a program that sends more has to wait


class StoppedError(UNetError):
    """The visitor has ended a run, or has left."""


class TooManyRunsError(UNetError):
    """A session asks for more at once than its share."""


class Line:
    """All runs of one session, who wait for the network as one: see `queue.Turns`.

    last_turn: Rises with each turn that one of them has had; 0 before the first.
    """

    def __init__(self) -> None:
        self.last_turn = 0
        self.runs: set[Run] = set()


class Run:
    """One prediction, or several that belong together; any thread may `stop` it."""

    def __init__(self, line: Line | None = None, stopping: threading.Event | None = None) -> None:
        self.line = line or Line()
        self.stopping = stopping or threading.Event()

    def stop(self) -> None:
        """The run ends within the time of one layer of the network, or where it waits."""
        self.stopping.set()

    def check(self) -> None:
        """Raises `StoppedError` if the run is to end."""
        if self.stopping.is_set():
            raise StoppedError("Stopped.")


class Sessions:
    """The runs of all sessions, as long as they last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: dict[Hashable, Line] = {}

    @contextmanager
    def run(self, session: Hashable | None) -> Iterator[Run]:
        """A run of a session; None: of somebody who has none, and no bound.

        Raises:
            TooManyRunsError: It has `MOST_RUNS` already.
        """
        if session is None:
            yield Run()
            return
        run = self._begin(session)
        try:
            yield run
        finally:
            self._end(session, run)

    def stop(self, session: Hashable | None) -> None:
        """Ends all runs of a session; nothing if it has none."""
        with self._lock:
            line = self._lines.get(session)
            for run in line.runs if line else ():
                run.stop()

    def __len__(self) -> int:
        """Sessions with a run."""
        return len(self._lines)

    def _begin(self, session: Hashable) -> Run:
        with self._lock:
            line = self._lines.setdefault(session, Line())
            if len(line.runs) >= MOST_RUNS:
                raise TooManyRunsError(
                    f"{MOST_RUNS} segmentations of yours are at work or wait already. Wait until "
                    "one of them has ended, or stop them."
                )
            run = Run(line)
            line.runs.add(run)
            return run

    def _end(self, session: Hashable, run: Run) -> None:
        with self._lock:
            run.line.runs.discard(run)
            if not run.line.runs:
                del self._lines[session]


@cache
def sessions() -> Sessions:
    """Those of this process."""
    return Sessions()
