"""Python in a process of its own, without the seconds that importing PyTorch takes.

    subprocess.run([*forked_python(), "-m", "train", ...], env=..., capture_output=True)

does what `[sys.executable, "-m", "train", ...]` does: a module, a script or `-c` and its code, with
this environment, working folder and streams, and with this exit status; signals reach it, too. It
is forked from a server, one for all processes of the tests, that has imported what all of them
need: see `forked_python.py`. Nothing of Hugging Face or of this project is imported before the
fork, so both read the environment that was given.

A test that is about starting, about memory or about a variable that PyTorch reads when it is
loaded starts `sys.executable`.
"""

import functools
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

SHARED = "UNET_HF_TESTS_PYTHON"  # its server's address
PROGRAM = Path(__file__).with_name("forked_python.py")


def forked_python() -> list[str]:
    """The beginning of a command."""
    # -I, -S: the program itself needs nothing but what comes with Python.
    return [sys.executable, "-I", "-S", str(PROGRAM), "run", _server()]


def share_server() -> None:
    """Starts the server for this process and for those that it starts from now on."""
    os.environ[SHARED] = _server()


@functools.cache
def _server() -> str:
    """Starts the server unless one is shared; its address. It ends with who started it."""
    if shared := os.environ.get(SHARED):
        return shared
    address = str(Path(tempfile.mkdtemp(prefix="tests_"), "python"))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    _server.process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "serve", str(listener.fileno()), address],
        stdin=subprocess.PIPE,  # it ends with this
        pass_fds=[listener.fileno()],
        env=environment | {"OMP_NUM_THREADS": "1"},
    )
    listener.close()
    return address
