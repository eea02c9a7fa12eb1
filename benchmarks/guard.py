"""Did anything get slower? `python -m benchmarks.guard`, in a few minutes.

Measures what guarded.py lists and holds it against what ratios.json keeps of machines of this
kind: how many times as fast as the usual way, which share is the convolutions, how many times less
memory. Never times, which are the machine's own. Counts have a limit, whatever is kept. What
misses is measured again, with more rounds; if it misses again it is named, and the exit status is
1. `--record`, on a machine that does nothing else, keeps what is measured. There is a set of ratios
for each set of instructions and number of threads; it is chosen by what the CPU has, and printed.

`--cpu_seconds` takes seconds of the processor, all threads together, instead of the clock's: for a
machine that does something else, too. These ratios are other ones, and a set of their own.
"""

import argparse
import json
import os
import platform
import sys
from pathlib import Path

import torch

from unet_hf.engine.precision import isa_cap
from unet_hf.files import write_text

from . import measuring
from .guarded import MEASURES, Figure, Measure

KEPT = Path(__file__).with_name("ratios.json")
MORE = 3  # times the rounds, where something is suspected or recorded


def main(arguments: list[str] | None = None) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--record", action="store_true", help="keep the ratios of this machine")
    parser.add_argument("--cpu_seconds", action="store_true", help="on a machine that is busy")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args(arguments)

    kind = machine_kind()
    if options.cpu_seconds:
        os.environ[measuring.CPU_SECONDS] = "1"
        kind += ", CPU seconds"
    machines = json.loads(KEPT.read_text("utf-8"))
    if options.record:
        figures, misses = check(MEASURES, {}, MORE * options.rounds)
        kept = {name: round(one.value, 3) for name, one in figures.items() if one.at_most is None}
        machines[kind] = measuring.machine() | {"ratios": kept}
        write_text(KEPT, json.dumps(machines, indent=2, sort_keys=True) + "\n")
    elif kind in machines:
        print(f"Held against the ratios of: {kind}.", flush=True)
        kept = machines[kind]["ratios"]
        figures, misses = check(MEASURES, kept, options.rounds)
    else:
        print(
            f"Nothing is kept of machines like this one ({kind}), so nothing was compared. "
            f"Kept are: {'; '.join(machines)}. `python -m benchmarks.guard --record`, while it "
            "does nothing else, keeps its ratios; with --cpu_seconds also while it is busy."
        )
        return 0
    print(measuring.table(("what", "measured", "kept", "allowed"), rows(figures, kept)))
    for name, miss in misses.items():
        print(f"\nMISSED {name}: {miss}.")
    if not misses:
        print("\nRecorded." if options.record else "\nNothing got slower.")
    print(f"{kind}; kept with PyTorch {machines[kind]['torch']} on {machines[kind]['processor']}.")
    found = {name: figure.value for name, figure in figures.items()}
    measuring.write_json(options.json, {"kind": kind, "figures": found, "misses": misses})
    return 1 if misses else 0


def rows(figures: dict[str, Figure], kept: dict[str, float]) -> list[list[str]]:
    return [
        [
            name,
            f"{one.value:.4g}",
            f"{kept[name]:.4g}" if name in kept else "",
            f"{one.tolerance:.0%} less" if one.at_most is None else f"at most {one.at_most:g}",
        ]
        for name, one in figures.items()
    ]


def check(
    measures: list[Measure], kept: dict[str, float], rounds: int
) -> tuple[dict[str, Figure], dict[str, str]]:
    """Figures, and sentences on those that twice were not what they should be, by name."""
    found: dict[str, Figure] = {}
    misses: dict[str, str] = {}
    for measure in measures:
        figures = measure(rounds)
        if suspected := judge(figures, kept):
            figures = measure(MORE * rounds)
            again = judge(figures, kept)
            misses |= {name: again[name] for name in suspected if name in again}
        found |= figures
    for name in kept.keys() - found.keys():
        misses[name] = "is kept, but no longer measured; if that is meant, record anew"
    return found, misses


def judge(figures: dict[str, Figure], kept: dict[str, float]) -> dict[str, str]:
    judged = {name: fault(figure, kept.get(name)) for name, figure in figures.items()}
    return {name: sentence for name, sentence in judged.items() if sentence}


def fault(figure: Figure, kept: float | None) -> str | None:
    """What is wrong with a figure, if anything; a ratio that is not kept is as it should be."""
    value, tolerance = figure.value, figure.tolerance
    if figure.at_most is not None:
        much = value > figure.at_most
        return f"{value:,.0f}, where {figure.at_most:,.0f} are allowed" if much else None
    if kept is None or value >= kept * (1 - tolerance):
        return None
    return f"{value:.3g}, {1 - value / kept:.0%} less than {kept:.3g}; {tolerance:.0%} are allowed"


def machine_kind() -> str:
    """What ratios depend on: the instructions that oneDNN may use, and the number of threads."""
    able = {
        "amx_fp16": torch.cpu._is_amx_fp16_supported,
        "amx": torch.cpu._is_amx_tile_supported,
        "avx512_bf16": torch.cpu._is_avx512_bf16_supported,
        "avx512": torch.cpu._is_avx512_supported,
        "avx2": torch.cpu._is_avx2_supported,
    }
    best = next((name for name, supported in able.items() if supported()), platform.machine())
    cap = f" capped to {isa_cap()}" if isa_cap() else ""
    return f"{best}{cap}, {torch.get_num_threads()} threads"


if __name__ == "__main__":
    sys.exit(main())
