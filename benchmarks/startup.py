"""How long it takes until there is something to see: `python -m benchmarks.startup`.

Fresh processes take turns, round after round; a first round, which brings the files into the
system's memory, is not counted. Seconds are those since a process was started, the interpreter's
own included, and "beyond torch" is what they exceed the `import torch` of the same round by. An
engine is ready when it has packed its weights and taken its memory: its construction and first
call, less the fastest of later calls. The demo is ready when its page answers.
"""

import argparse
import http.client
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from . import measuring
from .measuring import answer_of, clock, in_own_process, served, table, written

SIDE = 512  # px
STEADY = 5  # later calls of an engine
TORCH = "import torch"
COMPILERS = ("torch._inductor", "torch.utils.cpp_extension", "triton", "numba", "Cython")
PROGRAM = """
import time
import torch
{more}
ended = time.monotonic()  # the system's clock, which the process that waits reads, too
import json
from benchmarks.startup import compilers
print(json.dumps([ended, compilers()]))
"""
FIRST_RESULT = f"""
import numpy
from unet_hf import UNet
UNet.from_pretrained("unet-isbi").segment(numpy.zeros(({SIDE}, {SIDE}), numpy.uint8))
"""


@dataclass
class Step:
    """Something to wait for."""

    measure: Callable[[], tuple[float, list[str] | None]]  # seconds, and `compilers` if known
    goal: float | None = None  # seconds
    beyond_torch: bool = False  # so the goal is meant
    seconds: list[float] = field(default_factory=list)
    compilers: list[str] | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 64], help="of engines")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()

    steps = {
        TORCH: Step(lambda: program("")),
        "import torch, unet_hf": Step(lambda: program("import unet_hf"), 0.3, beyond_torch=True),
        f"from_pretrained, first result at {SIDE} x {SIDE}": Step(
            lambda: program(FIRST_RESULT), 0.5, beyond_torch=True
        ),
        **{f"engine ready, width {width}": Step(engine(width), 4.0) for width in options.widths},
        "the demo's page answers": Step(demo, 6.0),
    }
    for number in range(options.rounds + 1):
        for step in steps.values():
            seconds, step.compilers = step.measure()
            if number:
                step.seconds.append(seconds)
    print(
        f"{measuring.on_this_machine()}; seconds, median [min .. max] of {options.rounds} rounds.\n"
    )
    print(table(("what", "seconds", "beyond torch", "goal", "compiled by"), rows(steps)))
    measuring.write_json(
        options.json,
        {
            name: {"seconds": step.seconds, "goal": step.goal, "compilers": step.compilers}
            for name, step in steps.items()
        },
    )


def rows(steps: dict[str, Step]) -> list[list[str]]:
    found = []
    for name, step in steps.items():
        beyond = [a - b for a, b in zip(step.seconds, steps[TORCH].seconds, strict=True)]
        judged = beyond if step.beyond_torch else step.seconds
        goal = ""
        if step.goal:
            reached = statistics.median(judged) <= step.goal
            goal = f"{step.goal:g} s: {'reached' if reached else 'MISSED'}"
        found.append(
            [
                name,
                written(step.seconds),
                written(beyond) if step.beyond_torch else "",
                goal,
                "" if step.compilers is None else ", ".join(step.compilers) or "nothing",
            ]
        )
    return found


def program(more: str) -> tuple[float, list[str]]:
    """Imports torch, and does more."""
    started = time.monotonic()
    ended, compiling = answer_of(PROGRAM.format(more=more))
    return ended - started, compiling


def compilers() -> list[str]:
    """What could have compiled code, in this process or started by it."""
    found = [name for name in COMPILERS if name in sys.modules]
    started = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return [*found, "a program that was run"] if started else found


def engine(width: int) -> Callable[[], tuple[float, list[str]]]:
    return lambda: tuple(in_own_process("benchmarks.startup", width=width))


def run(width: int) -> tuple[float, list[str]]:
    """Seconds that an engine of this width takes to be ready, in this process."""
    import torch

    from unet_hf import UNet
    from unet_hf.engine.engine import Engine
    from unet_hf.engine.precision import best_precision

    model = UNet(base_channels=width).eval()
    image = torch.randn(1, 1, SIDE, SIDE)
    precision = best_precision(torch.device("cpu"))
    made: list[Engine] = []
    ready = clock(lambda: made.append(Engine(model, precision))) + clock(
        lambda: made[0](image, whole=True)
    )
    steady = min(clock(lambda: made[0](image, whole=True)) for _ in range(STEADY))
    return ready - steady, compilers()


def demo() -> tuple[float, None]:
    started = time.monotonic()
    with served() as (url, _):
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"The demo's page answered with {answer.status}.")
        return time.monotonic() - started, None


if __name__ == "__main__":
    main()
