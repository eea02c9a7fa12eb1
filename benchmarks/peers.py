"""What people use today, beside the engine: `python -m benchmarks.peers`.

Two tables, each of one image, batch 1. "peers" has the networks of others at their defaults, as
they are usually run (float32, PyTorch as it comes), and how many times as long as the engine they
take: different networks, so what each is worth on a data set is another question. "runtimes" has
one network of ours, pixels in and probabilities out, in everything that runs it.

Each has a process of its own, since the way memory is kept belongs to a process, and a runtime's
threads like to wait awake. They are asked for one image in turn, round after round. MONAI
(`pip install monai`), ONNX Runtime and OpenVINO are left out where they are not installed.
"""

import argparse
import importlib.util
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from unet_hf import UNet
from unet_hf.engine.backend import logits_function
from unet_hf.engine.precision import best_precision, checked_precision
from unet_hf.errors import ExportError
from unet_hf.export import export
from unet_hf.export.formats import format_named

from .apart import Prepare, in_turns_apart
from .measuring import on_this_machine, ratios, spread, table, write_json, written
from .peer_networks import MilesialUNet, NNUNet, ResNet34UNet

CPU = torch.device("cpu")
Run = Callable[[], object]  # computes one image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64], help="of the engine")
    parser.add_argument("--precisions", nargs="+", default=["float32", "auto"], help="or int8")
    parser.add_argument("--size", type=int, default=512, help="side of the image, px")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    if options.size < 256 or options.size % 128:
        parser.error(f"--size {options.size}: nnU-Net takes multiples of 128, from 256 on.")
    chosen = (checked_precision(one, CPU) for one in options.precisions)
    options.precisions = list(dict.fromkeys(chosen))

    print(
        f"{options.size} x {options.size} px, {on_this_machine()}; median [lowest .. highest] of "
        f"{options.rounds} rounds, ratios round by round.",
        flush=True,
    )
    figures = {name: TABLES[name](options) for name in options.tables}
    write_json(options.json, {"size": options.size, "rounds": options.rounds} | figures)


# ----------------------------------------------------------------------------------- networks


def monai_basic_unet() -> nn.Module:
    """Its defaults, in two dimensions."""
    from monai.networks.nets import BasicUNet

    return BasicUNet(spatial_dims=2, in_channels=1, out_channels=2)


def monai_unet() -> nn.Module:
    """As in MONAI's tutorials on segmentation in two dimensions."""
    from monai.networks.nets import UNet as MonaiUNet

    widths, strides = (16, 32, 64, 128, 256), (2, 2, 2, 2)
    return MonaiUNet(2, 1, 2, channels=widths, strides=strides, num_res_units=2)


PEERS: dict[str, Callable[[], nn.Module]] = {
    "milesial/Pytorch-UNet": MilesialUNet,
    "nnU-Net, plain, 2D": NNUNet,
    "segmentation_models.pytorch, ResNet-34": ResNet34UNet,
    "MONAI BasicUNet": monai_basic_unet,
    "MONAI UNet": monai_unet,
}


def cost(build: Callable[[], nn.Module], size: int) -> tuple[int, int]:
    """Parameters, and floating-point operations of one image; nothing is computed for it."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        network = build().eval()
        network(torch.empty(1, 1, size, size))
    return sum(map(Tensor.numel, network.parameters())), counter.get_total_flops()


# -------------------------------------------------------------------- ways to compute an image


def random_image(size: int) -> Tensor:
    torch.manual_seed(0)
    return torch.randn(1, 1, size, size)


def as_usually_run(build: Callable[[], nn.Module], size: int) -> Run:
    network, image = build().eval(), random_image(size)
    return torch.inference_mode()(lambda: network(image))


def our_network(width: int) -> UNet:
    torch.manual_seed(0)
    return UNet(base_channels=width).eval()


def in_pytorch(width: int, size: int, layout: torch.memory_format) -> Run:
    network, image = our_network(width).to(memory_format=layout), random_image(size)
    return torch.inference_mode()(lambda: network(image).softmax(dim=1))


def in_engine(width: int, size: int, precision: str) -> Run:
    model, image = our_network(width), random_image(size)
    if precision == "int8":
        model.calibrate([image[0, 0].numpy()])
    engine = logits_function(model, precision)
    return lambda: engine(image, whole=True).softmax(dim=1)


def exported_inputs(size: int) -> dict[str, np.ndarray]:
    one = np.ones(1, np.float32)
    return {"image": random_image(size).numpy(), "mean": 0 * one, "std": one}


def in_onnxruntime(path: Path, size: int) -> Run:
    return partial(format_named("onnx").loads[0](path), exported_inputs(size))


def in_openvino(path: Path, size: int, **settings: Any) -> Run:
    import openvino

    settings |= {"INFERENCE_NUM_THREADS": torch.get_num_threads()}
    network = openvino.Core().compile_model(path, "CPU", settings)
    return partial(network, exported_inputs(size))


# ---------------------------------------------------------------------------------- the tables


def peers(options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    builds = dict(PEERS)
    if importlib.util.find_spec("monai") is None:
        print("MONAI's networks are left out: pip install monai")
        builds = {name: build for name, build in builds.items() if "MONAI" not in name}
    ways = {name: partial(as_usually_run, build, options.size) for name, build in builds.items()}
    for width in options.widths:
        for precision in options.precisions:
            name = engine_name(width, precision)
            builds[name] = partial(UNet, base_channels=width)
            ways[name] = partial(in_engine, width, options.size, precision)

    figures = {}
    for name, seconds in in_turns_apart(ways, options.rounds).items():
        parameters, operations = cost(builds[name], options.size)
        figures[name] = {"parameters": parameters, "operations": operations, "seconds": seconds}
    auto = best_precision(CPU)
    usual = auto if auto in options.precisions else options.precisions[-1]
    print(peers_report(figures, [engine_name(width, usual) for width in options.widths]))
    return figures


def peers_report(figures: dict[str, dict[str, Any]], ours: list[str]) -> str:
    """ours: Names of those that all are compared with."""
    rows = []
    for name, row in figures.items():
        seconds, operations = row["seconds"], row["operations"]
        slower = (spread(ratios(seconds, figures[one]["seconds"]))[1] for one in ours)
        rows.append(
            [
                name,
                f"{row['parameters'] / 1e6:.2f}",
                f"{operations / 1e9:.1f}",
                written(seconds, 1, unit=1e-3),
                f"{operations / spread(seconds)[1] / 1e9:.0f}",
                *(f"{times:.1f}" for times in slower),
            ]
        )
    head = ["network", "parameters, M", "GFLOP", "ms", "GFLOP/s"]
    return table([*head, *(f"times as long as {name}" for name in ours)], rows)


def runtimes(options: argparse.Namespace) -> dict[int, dict[str, list[float]]]:
    head = ["width", "the same network in", "ms", "times as fast"]
    widths, cells = {}, []
    for width in options.widths:
        with tempfile.TemporaryDirectory() as folder:
            ways = runtimes_of(width, options, Path(folder))
            seconds = widths[width] = in_turns_apart(ways, options.rounds)
        first = next(iter(seconds.values()))
        for name, values in seconds.items():
            faster = written(ratios(first, values))
            cells.append([str(width), name, written(values, 1, unit=1e-3), faster])
    print(table(head, cells))
    return widths


def runtimes_of(width: int, options: argparse.Namespace, folder: Path) -> dict[str, Prepare]:
    size = options.size
    ways = {
        "PyTorch, as usually run": partial(in_pytorch, width, size, torch.contiguous_format),
        "PyTorch, channels last": partial(in_pytorch, width, size, torch.channels_last),
    }
    paths = {}
    for kind in ("onnx", "openvino"):
        try:
            paths[kind] = export(our_network(width), folder, kind).path
        except ExportError as error:
            print(error)
    if "onnx" in paths:
        ways["ONNX Runtime"] = partial(in_onnxruntime, paths["onnx"], size)
    if "openvino" in paths:
        default = partial(in_openvino, paths["openvino"], size)
        ways["OpenVINO, float32"] = partial(default, INFERENCE_PRECISION_HINT="f32")
        ways["OpenVINO, as it comes"] = default  # half precision, where the CPU has it
    for precision in options.precisions:
        ways[f"the engine, {precision}"] = partial(in_engine, width, size, precision)
    return ways


def engine_name(width: int, precision: str) -> str:
    return f"ours, width {width}, {precision}"


TABLES = {"peers": peers, "runtimes": runtimes}


if __name__ == "__main__":
    main()
