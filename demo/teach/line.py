"""Who teaches next: one at a time, in the order in which they came."""

import threading
from functools import cache

from unet_hf.errors import UNetError

MOST_WAITING = 8  # behind the one at work: about as many minutes
TOO_MANY = (
    "{} visitors wait to teach already. Try again in some minutes, or run the demo on your own "
    "machine. Your strokes stay."
)


class TooManyWaitError(UNetError):
    """The line is too long."""


class Line:
    """The process that teaches, for one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tickets: list[object] = []  # the first one has its turn

    def join(self) -> object:
        """A ticket, to be given back by `leave`. Raises `TooManyWaitError`."""
        with self._lock:
            if len(self._tickets) > MOST_WAITING:
                raise TooManyWaitError(TOO_MANY.format(MOST_WAITING))
            ticket = object()
            self._tickets.append(ticket)
            return ticket

    def ahead(self, ticket: object) -> int:
        """How many come before this ticket; 0: it is its turn."""
        with self._lock:
            return self._tickets.index(ticket)

    def leave(self, ticket: object) -> None:
        """Whoever has had their turn, or does not want to wait any longer."""
        with self._lock:
            if ticket in self._tickets:
                self._tickets.remove(ticket)


@cache
def line() -> Line:
    """That of this process."""
    return Line()
