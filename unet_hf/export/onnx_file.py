"""An ONNX file: written, and run again to be checked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ExportError
from ..unet import UNet

# Name of an input or output -> its values, in the order of the graph.
Inputs = dict[str, np.ndarray]
Outputs = dict[str, np.ndarray]
Run = Callable[[Inputs], Outputs]
LARGEST = 2**31 - 2**20  # bytes of weights: an ONNX file is one message, below 2 GiB


def write_onnx(
    model: "UNet", description: dict[str, Any], path: Path, *, bare: bool = False
) -> None:
    """Writes the network as an ONNX file; adds its opset to the description.

    bare: Without what comes before and after the network, see `onnx_graph.build`.
    """
    import onnx

    from . import onnx_graph

    n_bytes = 4 * sum(weight.numel() for weight in model.parameters())
    if n_bytes > LARGEST:
        raise ExportError(
            f"The weights take {n_bytes / 2**30:.1f} GiB, an ONNX file holds less than 2. "
            "Train a network with a smaller base_channels."
        )
    description["opset"] = onnx_graph.OPSET
    built = onnx_graph.build(model, description, bare=bare)
    onnx.checker.check_model(built, full_check=True)
    onnx.save(built, path)


def load_onnx(file: Path | bytes) -> Run:
    """Opens an ONNX file, or what is in one."""
    import onnxruntime
    import torch

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))
