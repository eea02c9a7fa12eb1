"""Memory that goes back to its level after a busy hour."""

import ctypes
import sys
from contextlib import suppress

M_ARENA_MAX = -8  # of glibc's malloc.h


def bound_arenas() -> None:
    """Lets all threads share two pools of memory.

    glibc gives each thread of the server a pool of its own, and what one visitor's result has
    left in one of them is of no use to the next visitor's.
    """
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):  # another C library has no such pools
        ctypes.CDLL("libc.so.6").mallopt(M_ARENA_MAX, 2)
