"""Progress reports of a prediction, which can also end it."""

import time
from collections.abc import Callable

PROGRESS_SECONDS = 0.25  # s between two reports within a tile that takes long

Progress = Callable[[int, int], None]


class TileProgress:
    """Calls `progress(done, total)` after each tile.

    Within a tile that takes long, it calls it again with the same numbers. What `progress` raises
    ends the prediction within the time of one layer.
    """

    def __init__(self, progress: Progress | None, total: int, done: int = 0) -> None:
        self.progress, self.total, self.done = progress, total, done
        self.latest = time.monotonic()

    def between_layers(self) -> None:
        """Reports again if the last report is long ago; called between two layers."""
        if time.monotonic() - self.latest > PROGRESS_SECONDS:
            self._report()

    def step(self) -> None:
        """Counts one more finished tile and reports it."""
        self.done += 1
        self._report()

    def _report(self) -> None:
        self.latest = time.monotonic()
        if self.progress is not None:
            self.progress(self.done, self.total)
