"""The formats a U-Net is exported to: how each is written, and run again to be checked."""

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, ExportError, how_to_install
from ..unet import UNet

# Name of an input or output -> its values, in the order of the graph.
Inputs = dict[str, np.ndarray]
Outputs = dict[str, np.ndarray]
Run = Callable[[Inputs], Outputs]
LARGEST = 2**31 - 2**20  # bytes of weights: an ONNX file is one message, below 2 GiB
DESCRIPTION = "unet_hf"  # what it is called inside OpenVINO's files


@dataclass(frozen=True)
class Format:
    """write: (model, description, path); adds to the description what only it knows.

    packages: What has to be installed, and the extra that installs it.
    """

    suffix: str
    write: Callable[["UNet", dict[str, Any], Path], None]
    load: Callable[[Path], Run]
    packages: tuple[str, ...] = ()
    extra: str = "export"

    def check_packages(self) -> None:
        """Raises `ExportError` if one is not installed."""
        missing = [name for name in self.packages if importlib.util.find_spec(name) is None]
        if missing:
            raise ExportError(
                f"The export to {self.suffix} needs {' and '.join(missing)}, which is not "
                f"installed. {how_to_install(self.extra)}"
            )


def format_named(name: str) -> Format:
    """Raises `ConfigError`."""
    if name == "torch":
        raise ConfigError(
            "The format 'torch' (.pt2) was removed, because loading such a file may run code that "
            "it brings along. Export to 'onnx' instead."
        )
    if name not in FORMATS:
        raise ConfigError(f"There is no format {name!r}; there are {', '.join(FORMATS)}.")
    return FORMATS[name]


# -------------------------------------------------------------------------------------- ONNX


def write_onnx(model: "UNet", description: dict[str, Any], path: Path) -> None:
    import onnx

    from . import onnx_graph

    n_bytes = 4 * sum(weight.numel() for weight in model.parameters())
    if n_bytes > LARGEST:
        raise ExportError(
            f"The weights take {n_bytes / 2**30:.1f} GiB, an ONNX file holds less than 2. "
            "Train a network with a smaller base_channels."
        )
    description["opset"] = onnx_graph.OPSET
    built = onnx_graph.build(model, description)
    onnx.checker.check_model(built, full_check=True)
    onnx.save(built, path)


def load_onnx(path: Path) -> Run:
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))


# ---------------------------------------------------------------------------------- OpenVINO


def write_openvino(model: "UNet", description: dict[str, Any], path: Path) -> None:
    """path: of the .xml; the weights go into a .bin beside it."""
    import openvino

    intermediate = path.with_suffix(".onnx")
    write_onnx(model, description, intermediate)
    converted = openvino.Core().read_model(intermediate)
    converted.set_rt_info(json.dumps(description), [DESCRIPTION])
    openvino.save_model(converted, path, compress_to_fp16=False)
    intermediate.unlink()


def load_openvino(path: Path) -> Run:
    import openvino

    float32 = {"INFERENCE_PRECISION_HINT": "f32"}  # bfloat16 otherwise, where the CPU has it
    network = openvino.Core().compile_model(path, "CPU", float32)
    return lambda inputs: {output.any_name: values for output, values in network(inputs).items()}


FORMATS = {
    "onnx": Format(".onnx", write_onnx, load_onnx, ("onnx", "onnxruntime")),
    "openvino": Format(
        ".xml", write_openvino, load_openvino, ("onnx", "openvino"), extra="openvino"
    ),
}
