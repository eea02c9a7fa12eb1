"""Which kernels convolve fastest here, layer by layer: `python -m benchmarks.layers`.

Each 3x3 layer of our network in float32, in one run: as the engine computes it in a whole image
(oneDNN in channels last, or Winograd's way), by oneDNN in its own blocked layout, which the
neighbouring layers would have to keep, and by ONNX Runtime within the whole network, as its
profiler tells (left out where it is not installed). Milliseconds are the least of all rounds.
"best" is the fastest of them: their sum is what a network could reach that takes the best kernel
for each layer.

`ONEDNN_VERBOSE=1` in the environment makes oneDNN say which implementation it takes, and when it
changes a layout. `benchmarks.engine` takes its ceiling from here.
"""

import argparse
import json
import math
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unet_hf import UNet
from unet_hf.engine.engine import Engine, Layer
from unet_hf.engine.layers import SkipConvolution
from unet_hf.errors import ExportError
from unet_hf.export import export

from .measuring import clock, counts_cpu_seconds, on_this_machine, table, write_json

COLUMNS = ("engine", "blocked", "onnxruntime")
Seconds = dict[str, float]  # by column


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--size", type=int, default=512, help="side of the image, px")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    print(f"{options.size} x {options.size} px, {on_this_machine()}", flush=True)
    widths = {}
    for width in options.widths:
        widths[width] = measure(width, options.size, options.rounds)
        print(f"\nwidth {width}\n\n{report(widths[width])}", flush=True)
    write_json(options.json, {"size": options.size, "rounds": options.rounds, "widths": widths})


@torch.inference_mode()
def measure(width: int, size: int, rounds: int) -> dict[str, Seconds]:
    """Returns the least seconds of each layer, by its name and shape."""
    torch.manual_seed(0)
    model = UNet(base_channels=width).eval()
    least: dict[str, Seconds] = {}
    ways = {}
    engine = Engine(model, "float32")
    for name, layer, channels, side in layers_of(engine, size):
        shape = f"{name}: {channels} to {layer.out_channels}, {side} px"
        ways[shape] = (in_engine(engine, layer, channels, side), in_blocks(channels, layer, side))
        least[shape] = {}
    elsewhere = in_onnxruntime(model, size)
    for _ in range(rounds + 1):  # the first round takes memory and packs weights
        for shape, pair in ways.items():
            for column, way in zip(COLUMNS, pair, strict=False):
                keep_less(least[shape], column, clock(way))
        if elsewhere:
            for shape, seconds in zip(least, elsewhere(), strict=True):
                keep_less(least[shape], "onnxruntime", seconds)
    return least


def fastest(layers: dict[str, Seconds]) -> float:
    """Returns the seconds of all layers, each with the fastest of its kernels."""
    return sum(min(seconds.values()) for seconds in layers.values())


def kernels_of(layers: dict[str, Seconds]) -> list[str]:
    """Returns which kernels were measured for every layer."""
    return [column for column in COLUMNS if all(column in row for row in layers.values())]


def keep_less(seconds: Seconds, column: str, value: float) -> None:
    seconds[column] = min(seconds.get(column, math.inf), value)


def layers_of(engine: Engine, size: int) -> list[tuple[str, Any, int, int]]:
    """Returns (name, layer, channels of its input, side of the image) in the order of a run."""
    layers, channels = [], 1
    for level, pair in enumerate(engine.contracting):
        for part, layer in enumerate(pair, 1):
            layers.append((f"down {level}.{part}", layer, channels, size >> level))
            channels = layer.out_channels
    for level, (_, *pair) in zip(
        reversed(range(len(engine.expansive))), engine.expansive, strict=True
    ):
        for part, layer in enumerate(pair, 1):
            # The first one convolves the skip connection and the upsampled map.
            channels = (2 if part == 1 else 1) * layer.out_channels
            layers.append((f"up {level}.{part}", layer, channels, size >> level))
    return layers


def in_engine(engine: Engine, layer: Layer, channels: int, side: int) -> Callable[[], object]:
    """As a part of a whole image, and not merged with the upsampling before it."""
    out = torch.empty(1, side, side, layer.out_channels)
    parts = 2 if isinstance(layer, SkipConvolution) else 1
    images = [torch.randn(1, side, side, channels // parts) for _ in range(parts)]
    return partial(engine.fastest_way(layer, out).write, out, *images)


def in_blocks(channels: int, layer: Layer, side: int) -> Callable[[], object]:
    """oneDNN, whose input is already in the layout that its convolutions give each other."""
    image = torch.randn(1, channels, side, side).to_mkldnn()
    if channels > 1:
        image = _in_blocks(torch.randn(channels, channels, 1, 1), image, 0)()
    return _in_blocks(torch.randn(layer.out_channels, channels, 3, 3), image, 1)


def _in_blocks(weight: Tensor, image: Tensor, padding: int) -> Callable[[], Tensor]:
    settings = ([padding] * 2, [1, 1], [1, 1], 1)
    packed = torch._C._nn.mkldnn_reorder_conv2d_weight(weight.to_mkldnn(), *settings, image.shape)
    return partial(torch.mkldnn_convolution, image, packed, torch.zeros(len(weight)), *settings)


def in_onnxruntime(model: UNet, size: int) -> Callable[[], list[float]] | None:
    """Returns what gives the seconds of each 3x3 convolution in one run, as they follow."""
    if counts_cpu_seconds():
        print("ONNX Runtime is left out: its profiler tells times of the clock alone.")
        return None
    try:
        import onnxruntime
    except ImportError:
        print("ONNX Runtime is left out: pip install onnxruntime")
        return None
    try:
        with tempfile.TemporaryDirectory() as folder:
            content = export(model, Path(folder), "onnx").path.read_bytes()
    except ExportError as error:
        print(error)
        return None
    image = {"image": torch.randn(1, 1, size, size).numpy()}
    image |= {"mean": torch.zeros(1).numpy(), "std": torch.ones(1).numpy()}

    def run() -> list[float]:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.enable_profiling = True
        with tempfile.TemporaryDirectory() as folder:
            options.profile_file_prefix = str(Path(folder, "profile"))
            session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
            for _ in range(2):
                session.run(None, image)
            events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
        kernels = [
            event["dur"] * 1e-6
            for event in events
            if event.get("args", {}).get("op_name") == "Conv" and "head" not in event["name"]
        ]
        return kernels[len(kernels) // 2 :]  # of the second run

    return run


def report(layers: dict[str, Seconds]) -> str:
    """In Markdown, with the sum of each column."""
    columns = kernels_of(layers)
    rows = []
    for shape, seconds in layers.items():
        values = [seconds[column] for column in columns]
        rows.append([shape, *(f"{1e3 * value:.1f}" for value in [*values, min(values)])])
    sums = [sum(row[column] for row in layers.values()) for column in columns]
    rows.append(["sum", *(f"{1e3 * value:.0f}" for value in [*sums, fastest(layers)])])
    return table(["layer", *(f"{column}, ms" for column in columns), "best, ms"], rows)


if __name__ == "__main__":
    main()
