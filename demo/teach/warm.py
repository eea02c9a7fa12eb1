"""One process for all visitors that has imported everything: for whoever teaches next.

A process of each visitor who has painted would be 300 MB for each of them, as long as Gradio
remembers their session.
"""

import threading
from functools import cache

from .process import TeachProcess

IDLE = 600.0  # seconds after the last stroke of anybody


class Warm:
    """At most one process that waits for a job."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: TeachProcess | None = None
        self._end: threading.Timer | None = None

    def start(self) -> None:
        """Somebody may teach soon."""
        with self._lock:
            self._keep()
            if self._process is None or not self._process.is_alive():
                self._process = TeachProcess()
            self._end = threading.Timer(IDLE, self.end)
            self._end.daemon = True
            self._end.start()

    def take(self) -> TeachProcess:
        """A process for one job, which is the caller's to end."""
        with self._lock:
            self._keep()
            process, self._process = self._process, None
        return process if process is not None and process.is_alive() else TeachProcess()

    def end(self) -> None:
        """Nobody is about to teach."""
        with self._lock:
            self._keep()
            process, self._process = self._process, None
        if process is not None:
            process.end()

    def _keep(self) -> None:
        """It is not ended after all."""
        if self._end is not None:
            self._end.cancel()


@cache
def warm() -> Warm:
    """That of this process."""
    return Warm()
