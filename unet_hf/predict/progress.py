"""How far a prediction is, said to whom asked; and the moments at which he may end it."""

import time
from collections.abc import Callable

SILENCE = 0.25  # s, after which a long tile says that it is still at work

Progress = Callable[[int, int], None]


class Reporter:
    """Calls `progress(done, total)` after each tile, and within one that takes long again with the
    numbers of the last: what it raises ends the prediction, within a layer's time."""

    def __init__(self, progress: Progress | None, total: int, done: int = 0) -> None:
        self.progress, self.total, self.done = progress, total, done
        self.latest = time.monotonic()

    def pause(self) -> None:
        """Between two layers."""
        if time.monotonic() - self.latest > SILENCE:
            self._say()

    def step(self) -> None:
        """One more tile is done."""
        self.done += 1
        self._say()

    def _say(self) -> None:
        self.latest = time.monotonic()
        if self.progress is not None:
            self.progress(self.done, self.total)
