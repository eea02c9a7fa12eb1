"""Ports of this test process's own, below those that the system gives to whoever asks for any: a
port that was free a moment ago is still free when a server takes it."""

import itertools
import os
import random
import socket

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
GRADIO_FIRST = 7860 + 100 * WORKER  # where Gradio begins to look for one that it can have
# Where others begin who run these tests on this machine now, nobody knows.
_numbers = itertools.count(random.SystemRandom().randrange(20_000, 32_000))


def own_port() -> int:
    """For a program that must be told one: each is given out once."""
    for port in _numbers:
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("unreachable")
