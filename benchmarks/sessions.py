"""Processes that end with the one that started them, together with all that they have started."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def session(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen]:
    """Starts a command in a session of its own, which ends with the block.

    It also ends if this process is killed, even by a signal that cannot be handled: then the pipe
    closes that a small shell waits for. options: As of `subprocess.Popen`.
    """
    process = subprocess.Popen(command, start_new_session=True, **options)
    watcher = subprocess.Popen(
        ["sh", "-c", f"read nothing; kill -s KILL -- -{process.pid}"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # of kill, where all of it has ended
        start_new_session=True,
    )
    try:
        yield process
    finally:
        watcher.stdin.close()
        watcher.wait()
        process.wait()
