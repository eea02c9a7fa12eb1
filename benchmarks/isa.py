"""Whether the engine pays on older CPUs, too: `python -m benchmarks.isa`.

A CPU can be told to hide its newer instructions from the libraries that look for them: oneDNN,
which convolves; PyTorch's own kernels; MKL, which multiplies matrices. All three are kept to the
same set here, and so is either side: PyTorch running the network as usual in float32, and the
engine in the precision that "auto" takes under that cap. A cap above what the CPU has changes
nothing. It is still this CPU: its clock, caches and memory are not those of an older one.

Each cap has processes of its own, in turns; within one, both sides take turns as in
`benchmarks.engine`.
"""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from unet_hf.engine.precision import best_precision

from .engine import measure
from .measuring import in_own_process, on_this_machine, spread, table, write_json

CAPS = ("AVX2", "AVX512_CORE", "AVX512_CORE_BF16", "DEFAULT")  # as oneDNN calls them
GOALS = {"AVX2": 1.5, "AVX512_CORE": 1.5}  # times as fast as PyTorch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--caps", nargs="+", choices=CAPS, default=list(CAPS))
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--size", type=int, default=512, help="side of the image, px")
    parser.add_argument("--rounds", type=int, default=5, help="in each process")
    parser.add_argument("--turns", type=int, default=2, help="processes for each cap and width")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()

    print(
        f"{options.size} x {options.size} px, {on_this_machine()}; median [lowest .. highest] of "
        f"{options.turns} x {options.rounds} rounds, ratios round by round.",
        flush=True,
    )
    figures = {}
    for width in options.widths:
        request = {"width": width, "size": options.size, "rounds": options.rounds}
        seen: dict[str, list[dict[str, Any]]] = {cap: [] for cap in options.caps}
        for _ in range(options.turns):
            for cap, runs in seen.items():
                with kept_to(cap):
                    runs.append(in_own_process("benchmarks.isa", **request))
        figures[width] = seen
        print(report(width, seen), flush=True)
    write_json(options.json, {"size": options.size, "widths": figures})


def report(width: int, seen: dict[str, list[dict[str, Any]]]) -> str:
    head = ["width", "cap", "auto is", "usual, ms", "auto, ms", "times as fast", "float32", "goal"]
    rows = []
    for cap, runs in seen.items():
        times_as_fast = over_runs(runs, "auto", "ratio")
        goal = ""
        if cap in GOALS:
            goal = f"{GOALS[cap]}: {'met' if times_as_fast[1] >= GOALS[cap] else 'missed'}"
        rows.append(
            [
                str(width),
                cap,
                runs[0]["precision"],
                in_words(over_runs(runs, "usual", "milliseconds"), 0),
                in_words(over_runs(runs, "auto", "milliseconds"), 0),
                in_words(times_as_fast, 2),
                in_words(over_runs(runs, "float32", "ratio"), 2),
                goal,
            ]
        )
    return table(head, rows)


def over_runs(runs: list[dict[str, Any]], way: str, figure: str) -> tuple[float, float, float]:
    """Lowest of the lowest, median of the medians, highest of the highest."""
    lows, middles, highs = zip(*(run[way][figure] for run in runs), strict=True)
    return min(lows), spread(middles)[1], max(highs)


def in_words(figures: tuple[float, float, float], digits: int) -> str:
    low, middle, high = (f"{figure:.{digits}f}" for figure in figures)
    return f"{middle} [{low} .. {high}]"


@contextmanager
def kept_to(cap: str) -> Iterator[None]:
    """Processes started within know no newer instructions."""
    settings = {"ONEDNN_MAX_CPU_ISA": cap}
    if cap != "DEFAULT":
        newer = "avx2" if cap == "AVX2" else "avx512"
        settings |= {"ATEN_CPU_CAPABILITY": newer, "MKL_ENABLE_INSTRUCTIONS": newer.upper()}
    names = ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS")
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name in settings:
            del os.environ[name]
        os.environ.update(before)


def run(width: int, size: int, rounds: int) -> dict[str, Any]:
    """In this process: what `benchmarks.engine` says of the three ways that matter here."""
    precision = best_precision(torch.device("cpu"))
    rows = measure(width, size, rounds, precision)
    return {
        "precision": precision,
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "usual": rows["as usually run"],
        "float32": rows["engine, float32"],
        "auto": rows[f"engine, {precision}"],
    }


if __name__ == "__main__":
    main()
