"""Who gets the network next: people before batches, and each visitor in turn.

The network computes one tile at a time. Between two tiles of a large image, and between two images
of a batch, those who wait get their turn: first a person whose session had none for the longest
time, and a batch where no person waits.
"""

import threading
from collections.abc import Callable
from enum import IntEnum
from functools import cache
from itertools import count

from .. import limits
from .runs import Run

# Options of Gradio's events, see `Turns` for what they wait for. Events with one `concurrency_id`
# share a number of threads, of which Gradio has 40 for all.
PREDICTS = {"concurrency_id": "network", "concurrency_limit": 8}
MEASURES = {"concurrency_id": "measures", "concurrency_limit": 2}  # counts objects, scores a mask
PARTS = {"concurrency_id": "parts", "concurrency_limit": 2}  # follows a slider: nobody waits long
ANSWERS = {"concurrency_id": "answers", "concurrency_limit": 2}  # what a stroke says
WATCHES = {"concurrency_id": "batches", "concurrency_limit": 16}  # tells how far a batch is
# Of any other event, such as reading an image or writing a file: for each event, over all visitors.
OTHERS_AT_ONCE = 4

LOOK_SECONDS = 0.1  # between two looks of somebody who waits at whether they still want to
# Of an image that is begun, the probabilities are in memory: so many pixels of all together, and
# a small image has always room.
BEGUN_PIXELS = 2 * limits.MAX_PIXELS
SMALL_PIXELS = 2048**2


class Urgency(IntEnum):
    """Who goes first; the lowest."""

    PERSON = 0
    BATCH = 1


class Turns:
    """The network, for one at a time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holder: Turn | None = None
        self._waiting: list[Turn] = []  # in the order in which they came
        self._begun: set[Turn] = set()
        self._number = count(1)

    def take(self, run: Run, pixels: int = 0, urgency: Urgency = Urgency.PERSON) -> "Turn":
        """`with turns.take(run) as turn:` waits for the network, and holds it.

        pixels: Of the image. Raises `StoppedError` when the run ends while it waits.
        """
        return Turn(self, run, pixels, urgency)

    @property
    def is_idle(self) -> bool:
        """Whether nobody has the network or waits for it."""
        with self._changed:
            return self._holder is None and not self._waiting

    def _next(self) -> "Turn | None":
        room = max(SMALL_PIXELS, BEGUN_PIXELS - sum(turn.pixels for turn in self._begun))
        able = [turn for turn in self._waiting if turn in self._begun or turn.pixels <= room]
        return min(able, key=lambda turn: (turn.urgency, turn.run.line.last_turn), default=None)

    def _wait(self, turn: "Turn") -> None:
        self._waiting.append(turn)
        try:
            while self._holder is not None or self._next() is not turn:
                self._changed.wait(LOOK_SECONDS)
                turn.run.check()
            self._holder = turn
            self._begun.add(turn)
            turn.run.line.last_turn = next(self._number)
        finally:
            self._waiting.remove(turn)
            self._changed.notify_all()

    def _release(self, turn: "Turn") -> None:
        if self._holder is turn:
            self._holder = None
            self._changed.notify_all()

    def enter(self, turn: "Turn") -> None:
        with self._changed:
            self._wait(turn)

    def leave(self, turn: "Turn") -> None:
        with self._changed:
            self._begun.discard(turn)
            self._release(turn)
            self._changed.notify_all()

    def give_way(self, turn: "Turn") -> None:
        """Lets others who are as urgent go first, and waits for the next turn."""
        with self._changed:
            if any(other.urgency <= turn.urgency for other in self._waiting):
                self._release(turn)
                self._wait(turn)


class Turn:
    """The place of one image among those who want the network."""

    def __init__(self, turns: Turns, run: Run, pixels: int, urgency: Urgency) -> None:
        self.turns, self.run, self.pixels, self.urgency = turns, run, pixels, urgency

    def __enter__(self) -> "Turn":
        self.run.check()
        self.turns.enter(self)
        return self

    def __exit__(self, *_: object) -> None:
        self.turns.leave(self)

    def reporting(
        self, progress: Callable[[int, int], None] | None = None
    ) -> Callable[[int, int], None]:
        """The `progress` of a prediction, which also ends a stopped run and gives way to others
        between two tiles."""
        finished = 0

        def report(done: int, total: int) -> None:
            nonlocal finished
            self.run.check()
            if progress is not None:
                progress(done, total)
            # Within a tile the engine's memory is in use: nobody else could go on.
            if finished < done < total:
                finished = done
                self.turns.give_way(self)

        return report


@cache
def turns() -> Turns:
    """Those of this process."""
    return Turns()
