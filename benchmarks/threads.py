"""How much each further thread brings: `python -m benchmarks.threads`.

The engine at 512 x 512 in each precision that is fast here, and `model.segment` of an image in
tiles, with 1, 2, 4 ... threads. Each number of threads has a process of its own, since a pool of
threads stays as it was first made. They are asked for one run in turn, round after round, and
ratios are taken within a round. "of each thread" is the share of what it brought alone.
"""

import argparse
import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from unet_hf import UNet
from unet_hf.engine.engine import Engine
from unet_hf.engine.precision import best_precision
from unet_hf.evaluation.machine import processor

from .apart import in_turns_apart
from .measuring import ratios, table, write_json, written


@dataclass(frozen=True)
class Case:
    side: int  # of the image, px
    precision: str
    width: int | None = None  # of an engine; None: `model.segment` of unet-isbi

    def __str__(self) -> str:
        what = f"engine, width {self.width}" if self.width else "model.segment, unet-isbi"
        return f"{what}, {self.precision}, {self.side} x {self.side}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[], help="default: 1, 2, 4 ...")
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 64], help="of engines")
    parser.add_argument("--size", type=int, default=2048, help="of model.segment's image, px")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()

    precisions = list(dict.fromkeys(("float32", best_precision(torch.device("cpu")))))
    cases = [Case(512, precision, width) for width in options.widths for precision in precisions]
    cases += [Case(options.size, precision) for precision in precisions]
    counts = options.threads or up_to(cores())
    print(
        f"{cores()} cores of {processor()}, PyTorch {torch.__version__}; milliseconds, median "
        f"[min .. max] of {options.rounds} rounds, ratios round by round.\n"
    )
    times = {}
    for case in cases:
        ways = {count: partial(prepared, case, count) for count in counts}
        times[str(case)] = in_turns_apart(ways, options.rounds)
    head = ("what", "threads", "ms", f"times as fast as {counts[0]}", "of each thread")
    print(table(head, rows(times)))
    write_json(options.json, {"seconds": times})


def rows(times: dict[str, dict[int, list[float]]]) -> list[list[str]]:
    found = []
    for name, seconds in times.items():
        few, first = next(iter(seconds.items()))
        for count, values in seconds.items():
            faster = ratios(first, values)
            share = 100 * statistics.median(faster) * few / count
            found.append(
                [name, str(count), written(values, 1, 0.001), written(faster), f"{share:.0f} %"]
            )
    return found


def cores() -> int:
    """That this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def up_to(most: int) -> list[int]:
    """Powers of two below it, and itself."""
    return [2**power for power in range(most.bit_length()) if 2**power < most] + [most]


def prepared(case: Case, threads: int) -> Callable[[], object]:
    """In a process of its own: what it shall do when asked."""
    torch.set_num_threads(threads)
    if case.width:
        engine = Engine(UNet(base_channels=case.width).eval(), case.precision)
        tensor = torch.randn(1, 1, case.side, case.side)
        return lambda: engine(tensor, whole=True)
    model = UNet.from_pretrained("unet-isbi")
    image = np.random.default_rng(0).integers(0, 256, (case.side, case.side), dtype=np.uint8)
    return lambda: model.segment(image, precision=case.precision)


if __name__ == "__main__":
    main()
