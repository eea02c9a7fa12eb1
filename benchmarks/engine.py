"""How fast the network itself runs: `python -m benchmarks.engine`.

Side by side in one process, round after round: the network as PyTorch runs it and as the engine
does, in float32, in the precision that this CPU is good at, and in int8. "ceiling" is the time of
the engine's own convolutions, each alone and at its best, over the time of the whole. It says what
the rest costs, and not whether another way of convolving is faster: see `benchmarks.layers`.
Weights are random: they do not matter to the time.
"""

import argparse
import json
import resource
import statistics
import time
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
from unet_hf.evaluation.machine import processor

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
        print(table(about, {width: widths[width]}), flush=True)
    if options.json:
        options.json.write_text(json.dumps(about | {"widths": widths}, indent=2) + "\n")
    if options.docs:
        update(DOCS, table(about, widths))


def table(about: dict[str, Any], widths: dict[int, dict[str, Any]]) -> str:
    """In Markdown, with a sentence on where it was measured."""
    lines = [
        "{size} x {size} px, {threads} threads of {processor}, PyTorch {torch}; median "
        "[min .. max] of {rounds} rounds, ratios round by round.".format(**about),
        "",
        "| width | network | ms | times as fast | share of the ceiling | page faults |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for width, rows in widths.items():
        for name, row in rows.items():
            low, middle, high = row["milliseconds"]
            share = f"{100 * row['ceiling']:.0f} %" if row["ceiling"] else ""
            ratio = "{1:.2f} [{0:.2f} .. {2:.2f}]".format(*row["ratio"])
            lines.append(
                f"| {width} | {name} | {middle:.0f} [{low:.0f} .. {high:.0f}] | {ratio} | {share} "
                f"| {row['page_faults']:,} |"
            )
    return "\n".join(lines)


def update(path: Path, text: str) -> None:
    """Replaces what stands between the two marks."""
    before, rest = path.read_text("utf-8").split(MARKS[0])
    _, after = rest.split(MARKS[1])
    path.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}", "utf-8")


@torch.inference_mode()
def measure(width: int, size: int, rounds: int, half: str) -> dict[str, dict[str, Any]]:
    """Name -> times, ratios to the first, share of the ceiling, page faults a run."""
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
        **{name: lambda engine=engine: engine(image) for name, engine in engines.items()},
    }
    for way in ways.values():
        way()
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    faults: dict[str, list[int]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            before = page_faults()
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
            faults[name].append(page_faults() - before)
    first = next(iter(ways))
    return {
        name: {
            "milliseconds": spread([1000 * value for value in values]),
            "ratio": spread([a / b for a, b in zip(seconds[first], values, strict=True)]),
            "ceiling": ceiling(engines[name], image) / statistics.median(values)
            if name in engines
            else None,
            "page_faults": int(statistics.median(faults[name])),
        }
        for name, values in seconds.items()
    }


def ceiling(engine: Engine, image: torch.Tensor) -> float:
    """Seconds of all convolutions of one run, each at its best."""
    total = 0.0
    convolutions = INT8 if isinstance(engine, Int8Engine) else USUAL
    originals = {kind: vars(kind)[name] for kind, name in convolutions.items()}

    def timed(original: Callable) -> Callable:
        def run(*arguments: Any) -> Any:
            nonlocal total
            best = float("inf")
            for _ in range(ALONE):
                started = time.perf_counter()
                result = original(*arguments)
                best = min(best, time.perf_counter() - started)
            total += best
            return result

        return run

    for kind, name in convolutions.items():
        setattr(kind, name, timed(originals[kind]))
    try:
        engine(image)
    finally:
        for kind, name in convolutions.items():
            setattr(kind, name, originals[kind])
    return total


# The methods that only convolve.
USUAL = {Convolution: "add", UpConvolution: "multiply"}
INT8 = {Int8Convolution: "__call__"}


def page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def spread(values: list[float]) -> tuple[float, float, float]:
    return min(values), statistics.median(values), max(values)


if __name__ == "__main__":
    main()
