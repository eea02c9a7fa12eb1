"""How far a long run is: a bar in a terminal, a line now and then elsewhere; on standard error."""

import sys
import time
from types import TracebackType

from tqdm.auto import tqdm

LINE_SECONDS = 30  # between two lines where no terminal shows a bar


class Progress:
    """Counts up to `total`, which is known from the start."""

    def __init__(self, total: int, unit: str, quiet: bool = False) -> None:
        """quiet: show nothing but what is said."""
        self.total, self.unit = total, unit
        self.done = 0
        self.quiet = quiet
        self.started = self.last_line = time.monotonic()
        self.bar = tqdm(total=total, unit=unit, disable=True if quiet else None, file=sys.stderr)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.bar.close()

    def step(self) -> None:
        """One more is done."""
        self.done += 1
        self.bar.update()
        now = time.monotonic()
        if self.bar.disable and not self.quiet and now - self.last_line >= LINE_SECONDS:
            self.last_line = now
            left = (now - self.started) / self.done * (self.total - self.done)
            self.say(f"{self.done} of {self.total} {self.unit}s, about {duration(left)} left")

    def part(self, done: int, total: int) -> None:
        """How far the one at hand is, if it takes several steps."""
        if total > 1:
            self.bar.set_postfix_str(f"tile {done} of {total}")

    def say(self, text: str) -> None:
        """A line of text, above the bar."""
        self.bar.write(text, file=sys.stderr)


def duration(seconds: float) -> str:
    """ "40 s", "7 min" or "2.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
