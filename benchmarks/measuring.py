"""What the measurements share: taking turns, spreads, tables, memory, and processes to measure."""

import json
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unet_hf.evaluation.machine import processor

from .sessions import session

# A variable of the environment, which the processes that are started to be measured inherit.
CPU_SECONDS = "UNET_HF_BENCHMARKS_CPU_SECONDS"
ROOT = Path(__file__).parent.parent

# ------------------------------------------------------------------------------------- times


def counts_cpu_seconds() -> bool:
    return bool(os.environ.get(CPU_SECONDS))


def now() -> float:
    """Seconds of the clock; of the processor, all threads together, where `CPU_SECONDS` is set."""
    return time.process_time() if counts_cpu_seconds() else time.perf_counter()


def clock(work: Callable[[], object]) -> float:
    """Seconds, see `now`."""
    started = now()
    work()
    return now() - started


def in_turns(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way, round by round, so that a machine whose speed drifts slows all alike.

    The first call of each is not counted: it takes memory and packs weights.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name].append(clock(way))
    return seconds


def ratios(slow: Iterable[float], fast: Iterable[float]) -> list[float]:
    """How many times as fast, round by round."""
    return [a / b for a, b in zip(slow, fast, strict=True)]


# ----------------------------------------------------------------------------------- figures


def spread(values: Iterable[float]) -> tuple[float, float, float]:
    """Lowest, median, highest."""
    values = list(values)
    return min(values), statistics.median(values), max(values)


def written(values: Iterable[float], digits: int = 2, unit: float = 1) -> str:
    """As "median [lowest .. highest]", in that unit: 0.001 writes seconds as milliseconds."""
    low, middle, high = (f"{value / unit:.{digits}f}" for value in spread(values))
    return f"{middle} [{low} .. {high}]"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def machine() -> dict[str, Any]:
    """What a figure was measured on."""
    import torch

    return {
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def on_this_machine() -> str:
    return "{threads} threads of {processor}, PyTorch {torch}".format(**machine())


def write_json(path: Path | None, figures: dict[str, Any]) -> None:
    """Beside what they were measured on; nothing where no file was asked for."""
    if path:
        path.write_text(json.dumps(machine() | figures, indent=2) + "\n", "utf-8")


# ------------------------------------------------------------------------------------ memory


def page_faults() -> int:
    """Of this process so far, those that the disk had no part in."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def megabytes(name: str, process: int | str = "self") -> float:
    """Memory of a process, of 2**20 bytes; Linux tells. name: VmRSS, or VmHWM for the peak.

    (`getrusage` would count the peak of the process that this one was started from.)
    """
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", status).group(1)) / 2**10


def forget_peak(process: int | str = "self") -> None:
    """VmHWM counts from here."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


# --------------------------------------------------------------------------------- processes


def in_own_process(module: str, **request: Any) -> Any:
    """What `run(**request)` of that module returns, as JSON, called in a process of its own.

    Raises `SystemExit` with what the process wrote, if it fails.
    """
    program = (
        f"import json, sys; from {module} import run; "
        "print(json.dumps(run(**json.loads(sys.argv[1]))))"
    )
    return answer_of(program, json.dumps(request))


def answer_of(program: str, *arguments: str) -> Any:
    """The last line that this Python program prints, read as JSON. Raises as `in_own_process`."""
    command = [sys.executable, "-c", program, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with session(command, text=True, **pipes) as process:
        output, errors = process.communicate()
    if process.returncode:
        raise SystemExit(errors or f"A process to be measured ended with {process.returncode}.")
    return json.loads(output.splitlines()[-1])


@contextmanager
def served() -> Iterator[tuple[str, int]]:
    """`python app.py` on a free port: its address, and the id of its process."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-u", "app.py", "--no-browser", "--port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        for line in server.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                break
        else:
            raise SystemExit("The demo ended before its page was there; what it wrote is above.")
        yield found.group(), server.pid
    finally:
        server.terminate()
        server.wait()
