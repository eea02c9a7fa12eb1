"""CPU seconds and memory of a process together with every process that it started.

Linux tells both in /proc. A rival runs in a session of its own, so that processes which prepare its
crops are counted, too, while they run and after they have ended.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..sessions import session

POLL = 0.5  # seconds between two looks at the processes
TOLERANCE = 1.1  # a rival that has used so many times its budget without an end is stopped
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def _processes(session: int) -> Iterator[list[str]]:
    """Yields what `/proc/PID/stat` says behind the name of each process of a session."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            if int(fields[3]) == session:
                yield fields


def cpu_seconds(session: int | None = None) -> float:
    """CPU seconds of a session so far, by default of this process's session.

    Those of children that have ended stand in their parent's figures.
    """
    found = _processes(os.getsid(0) if session is None else session)
    return sum(sum(map(int, fields[11:15])) for fields in found) / TICKS


def resident_megabytes(session: int) -> float:
    """Memory of all processes of a session, of 2**20 bytes; shared pages count for each."""
    return sum(int(fields[21]) for fields in _processes(session)) * PAGE / 2**20


@dataclass(frozen=True)
class Usage:
    """What a command took."""

    cpu_seconds: float
    peak_megabytes: float  # the highest of the looks, twice a second
    returncode: int
    stopped: bool  # because its budget was spent


def run_measured(
    command: Sequence[str],
    environment: dict[str, str],
    log: Path,
    trained: Path,
    budget: float,
    grace: float = 60.0,
) -> Usage:
    """Runs a command and measures it; stops it if it trains for much longer than its budget.

    trained: A file that the command writes when its training has ended; predictions are free.
    budget: CPU seconds of the training.
    grace: CPU seconds more, as one step of a large network takes many seconds.
    """
    used = peak = 0.0
    stopped = False
    with (
        log.open("w") as output,
        session(command, env=environment, stdout=output, stderr=output) as process,
    ):
        while process.poll() is None:
            used = max(used, cpu_seconds(process.pid))
            peak = max(peak, resident_megabytes(process.pid))
            if used > budget * TOLERANCE + grace and not trained.exists():
                stopped = True
                break
            time.sleep(POLL)
    return Usage(used, peak, process.returncode, stopped)
