"""A computation in a thread of its own, so that another can tell how far it is."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import Generic, TypeVar

Result = TypeVar("Result")
Report = Callable[[int, int], None]  # report(done, total)


class Computation(Generic[Result]):
    """Begins at once. compute: Is given a function that takes how much is done, and of how much."""

    def __init__(self, compute: Callable[[Report], Result]) -> None:
        self.done, self.total = 0, 0  # nothing is known as long as `total` is 0
        self._began = time.monotonic()
        self._future: Future[Result] = Future()
        # What Gradio and `spaces` know of the request goes along.
        work = (self._work, compute)
        threading.Thread(
            target=copy_context().run, args=work, name="segmenting", daemon=True
        ).start()

    def has_ended(self, seconds: float) -> bool:
        """Waits for so long at most."""
        return bool(wait([self._future], seconds).done)

    def result(self) -> Result:
        """What it gave; raises what it raised."""
        return self._future.result()

    @property
    def seconds_left(self) -> float | None:
        """As fast as it was so far; None while there is too little to tell from."""
        taken = time.monotonic() - self._began
        if not self.done or taken < 1:
            return None
        return taken * (self.total - self.done) / self.done

    def _work(self, compute: Callable[[Report], Result]) -> None:
        try:
            self._future.set_result(compute(self._report))
        except BaseException as error:
            self._future.set_exception(error)

    def _report(self, done: int, total: int) -> None:
        if not self.total:  # whatever it waited for is no measure of its speed
            self._began = time.monotonic()
        self.done, self.total = done, total
