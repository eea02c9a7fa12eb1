"""The program behind `processes.forked_python`.

forked_python.py serve DESCRIPTOR ADDRESS   forks for whoever asks at this socket
forked_python.py run ADDRESS ARGUMENTS...   asks, and is for its starter what was forked
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import sys
from pathlib import Path

# What takes long to import and reads nothing from the environment that a test gives.
PRELOADED = (
    "torch", "torch._dynamo", "torch._inductor", "torch.distributed.fsdp", "torch.utils.data",
    "numpy", "pandas", "pyarrow.parquet", "scipy.io", "scipy.ndimage", "skimage.measure",
    "skimage.segmentation", "sklearn.ensemble", "PIL.Image", "tifffile", "imagecodecs",
    "safetensors.torch", "httpx", "fsspec", "dill", "multiprocess", "xxhash", "yaml", "jinja2",
    "tqdm.auto", "typer", "psutil",
)  # fmt: skip
LENGTH = struct.Struct("!I")
STATUS = struct.Struct("!i")


# ---------------------------------------------------------------------------- who asks


def run(address: str, arguments: list[str]) -> int:
    """Has the server fork; exit status, or the end by the signal that ended the other."""
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        asked = {"arguments": arguments, "environment": dict(os.environ), "folder": str(Path.cwd())}
        message = json.dumps(asked).encode()
        socket.send_fds(server, [LENGTH.pack(len(message))], [0, 1, 2])
        server.sendall(message)
        (process,) = STATUS.unpack(_receive(server, STATUS.size))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: os.kill(process, number))
        (status,) = STATUS.unpack(_receive(server, STATUS.size))
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


# ---------------------------------------------------------------------------- who forks


def serve(listener: socket.socket) -> dict | None:
    """Forks until standard input ends. In each child: what was asked of it."""
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # a fork would copy all that a collection touches
    ended, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    waiting: dict[int, socket.socket] = {}  # by the process that is waited for
    while True:
        ready = select.select([0, listener, ended, *waiting.values()], [], [])[0]
        for process, asker in waiting.items():
            if asker in ready:
                os.kill(process, signal.SIGKILL)  # who started it is gone
        if ended in ready:
            os.read(ended, 1024)
            for process in [*waiting]:
                done, status = os.waitpid(process, os.WNOHANG)
                if done:
                    with contextlib.suppress(OSError):  # nobody may be left to hear it
                        waiting.pop(process).sendall(STATUS.pack(os.waitstatus_to_exitcode(status)))
        if listener in ready:
            asker, _ = listener.accept()
            try:
                head, streams, _, _ = socket.recv_fds(asker, LENGTH.size, 3)
                asked = json.loads(_receive(asker, *LENGTH.unpack(head)))
            except (OSError, struct.error):  # killed before it had asked
                asker.close()
                continue
            process = os.fork()
            if process == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for one in (listener, asker, *waiting.values()):
                    one.close()
                os.close(ended)
                os.close(tell)
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
                    os.close(stream)
                return asked
            for stream in streams:
                os.close(stream)
            waiting[process] = asker
            with contextlib.suppress(OSError):  # killed meanwhile: the next look ends the process
                asker.sendall(STATUS.pack(process))
        if 0 in ready:
            for process in waiting:
                os.kill(process, signal.SIGKILL)
            return None


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            raise ConnectionError("The other end was closed.")
        received += part
    return received


# ---------------------------------------------------------------------------- what is forked


def become(arguments: list[str], environment: dict[str, str], folder: str) -> None:
    """What `python ARGUMENTS` does, in a process that has imported a lot already."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        line_by_line = name == "stderr" or os.isatty(number) or "PYTHONUNBUFFERED" in environment
        stream = open(number, mode, buffering=1 if line_by_line else -1, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    import numpy
    import torch

    numpy.random.seed()
    torch.set_num_threads(int(environment.get("OMP_NUM_THREADS") or os.cpu_count()))
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:0] = [path for path in paths if path not in sys.path]
    way, *rest = arguments
    if way == "-m":
        import runpy

        name, *rest = rest
        sys.argv = [name, *rest]
        sys.path.insert(0, folder)
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    elif way == "-c":
        import types

        code, *rest = rest
        sys.argv = ["-c", *rest]
        sys.path.insert(0, "")
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        exec(compile(code, "<string>", "exec"), main.__dict__)
    else:
        import runpy

        sys.argv = arguments
        sys.path.insert(0, str(Path(way).resolve().parent))
        runpy.run_path(way, run_name="__main__")


class Status:
    """How this process ends; by `leave`, which is quicker than clearing all of PyTorch away."""

    number = 0

    def leave(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.number)


def main() -> None:
    status = Status()
    atexit.register(status.leave)  # the first to be registered is the last to be called
    sys.path.pop(0)  # this folder, whose names are nobody's modules
    with socket.socket(fileno=int(sys.argv[2])) as listener:
        asked = serve(listener)
    if asked is None:
        return shutil.rmtree(Path(sys.argv[3]).parent, ignore_errors=True)
    try:
        become(**asked)
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            atexit.unregister(status.leave)
        status.number = end.code or 0
        raise
    except BaseException:
        atexit.unregister(status.leave)
        raise


if __name__ == "__main__":
    if sys.argv[1] == "run":
        sys.exit(run(sys.argv[2], sys.argv[3:]))
    main()
