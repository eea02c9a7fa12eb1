"""How fast the network itself runs: `python -m benchmarks.engine`.

Side by side in one process, round after round: the network as PyTorch runs it and as the engine
does, in float32, in the precision that this CPU is good at, and in int8.

"Own convolutions" is the time of the engine's convolutions, each alone and at its best, over the
time of the whole: it says what the rest costs. "Ceiling", in float32, is the time of a network that
takes the fastest kernel for each 3x3 layer, of all that `benchmarks.layers` measures in the same
run, over the time of the whole: it says how much faster a convolution by others could make it. The
transposed convolutions, which the engine computes as matrix products, are its own there, too. In
other precisions no other kernels are measured. Weights are random: they do not matter to the time.
"""

import argparse
import json
import resource
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from unet_hf import UNet
from unet_hf.engine.calibration import Observer
from unet_hf.engine.engine import Engine
from unet_hf.engine.int8 import Int8Convolution, Int8Engine
from unet_hf.engine.layers import Convolution, UpConvolution
from unet_hf.engine.precision import best_precision
from unet_hf.engine.winograd import WinogradConvolution
from unet_hf.evaluation.machine import processor

from . import layers, measuring

DOCS = Path(__file__).parent.parent / "docs" / "measured.md"
MARKS = ("<!-- python -m benchmarks.engine --docs -->", "<!-- until here -->")
ALONE = 7  # times each convolution is run by itself


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--size", type=int, default=512, help="side of the image, px")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--docs", action="store_true", help="put the table into docs/measured.md")
    options = parser.parse_args()

    half = best_precision(torch.device("cpu"))
    about = {
        "size": options.size,
        "rounds": options.rounds,
        "threads": torch.get_num_threads(),
        "processor": processor(),
        "torch": torch.__version__,
    }
    widths = {}
    for width in options.widths:
        widths[width] = measure(width, options.size, options.rounds, half)
        kernels = layers.measure(width, options.size, min(options.rounds, ALONE))
        about["kernels"] = ", ".join(layers.kernels_of(kernels))
        add_ceiling(widths[width]["engine, float32"], kernels)
        print(table(about, {width: widths[width]}), flush=True)
    if options.json:
        options.json.write_text(json.dumps(about | {"widths": widths}, indent=2) + "\n")
    if options.docs:
        update(DOCS, table(about, widths))


def table(about: dict[str, Any], widths: dict[int, dict[str, Any]]) -> str:
    """In Markdown, with a sentence on where it was measured."""
    lines = [
        "{size} x {size} px, {threads} threads of {processor}, PyTorch {torch}; median "
        "[min .. max] of {rounds} rounds, ratios round by round. Kernels of the ceiling: "
        "{kernels}.".format(**about),
        "",
        "| width | network | ms | times as fast | own convolutions | ceiling | page faults |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for width, rows in widths.items():
        for name, row in rows.items():
            low, middle, high = row["milliseconds"]
            shares = [
                f"{100 * row[share]:.0f} %" if row.get(share) else ""
                for share in ("own", "ceiling")
            ]
            ratio = "{1:.2f} [{0:.2f} .. {2:.2f}]".format(*row["ratio"])
            lines.append(
                f"| {width} | {name} | {middle:.0f} [{low:.0f} .. {high:.0f}] | {ratio} | "
                f"{' | '.join(shares)} | {row['page_faults']:,} |"
            )
    return "\n".join(lines)


def update(path: Path, text: str) -> None:
    """Replaces what stands between the two marks."""
    before, rest = path.read_text("utf-8").split(MARKS[0])
    _, after = rest.split(MARKS[1])
    path.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}", "utf-8")


@torch.inference_mode()
def measure(width: int, size: int, rounds: int, half: str) -> dict[str, dict[str, Any]]:
    """Name -> times, ratios to the first, page faults a run; of an engine also what its own
    convolutions take, in seconds, and their share of the time."""
    torch.manual_seed(0)
    model = UNet(base_channels=width).eval()
    usual = UNet(base_channels=width).eval()
    for parameter in usual.parameters():  # the layout that networks are usually run in
        parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)
    image = torch.randn(1, 1, size, size)
    engines = {f"engine, {one}": Engine(model, one) for one in dict.fromkeys(("float32", half))}
    observer = Observer(model)
    observer(image)
    engines["engine, int8"] = Int8Engine(model, observer.values())
    ways: dict[str, Callable[[], object]] = {
        "as usually run": lambda: usual(image),
        "channels last": lambda: model(image),
        **{
            name: lambda engine=engine: engine(image, whole=True)
            for name, engine in engines.items()
        },
    }
    for way in ways.values():
        way()
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    faults: dict[str, list[int]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            before = page_faults()
            started = measuring.now()
            way()
            seconds[name].append(measuring.now() - started)
            faults[name].append(page_faults() - before)
    first = next(iter(ways))
    found = {
        name: {
            "milliseconds": spread([1000 * value for value in values]),
            "ratio": spread([a / b for a, b in zip(seconds[first], values, strict=True)]),
            "page_faults": int(statistics.median(faults[name])),
        }
        for name, values in seconds.items()
    }
    for name, engine in engines.items():
        alone = own_convolutions(engine, image)
        share = sum(alone.values()) / statistics.median(seconds[name])
        found[name] |= {"alone": alone, "own": share}
    return found


def add_ceiling(row: dict[str, Any], kernels: dict[str, layers.Seconds]) -> None:
    """Adds the share of the ceiling to what `measure` found of the engine in float32."""
    reachable = layers.fastest(kernels) + row["alone"][UpConvolution.__name__]
    row["ceiling"] = 1000 * reachable / row["milliseconds"][1]


def own_convolutions(engine: Engine, image: torch.Tensor) -> dict[str, float]:
    """Seconds of the convolutions of one run, each at its best, by their kind."""
    convolutions = INT8 if isinstance(engine, Int8Engine) else USUAL
    totals = {kind.__name__: 0.0 for kind in convolutions}
    originals = {kind: vars(kind)[name] for kind, name in convolutions.items()}

    def timed(kind: type) -> Callable:
        original = originals[kind]

        def run(*arguments: Any) -> Any:
            best = float("inf")
            for _ in range(ALONE):
                started = measuring.now()
                result = original(*arguments)
                best = min(best, measuring.now() - started)
            totals[kind.__name__] += best
            return result

        return run

    for kind, name in convolutions.items():
        setattr(kind, name, timed(kind))
    try:
        engine(image, whole=True)
    finally:
        for kind, name in convolutions.items():
            setattr(kind, name, originals[kind])
    return totals


# The methods that only convolve.
USUAL = {Convolution: "add", WinogradConvolution: "write", UpConvolution: "multiply"}
INT8 = {Int8Convolution: "__call__"}


def page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def spread(values: list[float]) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)


if __name__ == "__main__":
    main()
