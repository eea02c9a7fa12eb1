"""The network as TorchScript, byte for byte the same wherever it is written."""

import io
import re
import warnings
import zipfile
from pathlib import Path

import numpy as np
import torch

from ...unet import UNet
from .archive import write_archive
from .bare import Bare

# A class gets a number that counts the classes which the process has compiled so far.
COUNTED = re.compile(rb"___torch_mangle_\d+")
# Left out: where in the source a line came from, which are paths of this machine, and a hash of
# all that, by which PyTorch tells apart files that it has in memory.
LEFT_OUT = (".debug_pkl", "/.data/serialization_id")


def write_torchscript(model: UNet, path: Path) -> None:
    """Writes a file for `torch.jit.load`: normalised pixels in, see `Bare`, on any grid size."""
    side = model.geometry.input_size(model.geometry.multiple)
    example = torch.zeros(1, model.config["in_channels"], side, side, device=model.device)
    with torch.no_grad(), warnings.catch_warnings():
        # PyTorch offers torch.export instead, which the programs of the zoo do not read; and it
        # warns of the checks of the shape, which are not to be part of the graph.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        traced = torch.jit.trace(Bare(model).eval(), example, check_trace=False)
        frozen = torch.jit.freeze(traced)
        written = io.BytesIO()
        torch.jit.save(frozen, written)
    with zipfile.ZipFile(written) as archive:
        parts = {
            COUNTED.sub(b"___torch_mangle_0", name.encode()).decode(): archive.read(name)
            for name in archive.namelist()
            if not name.endswith(LEFT_OUT)
        }
    for name, content in parts.items():
        if name.endswith((".py", ".pkl")):
            parts[name] = COUNTED.sub(b"___torch_mangle_0", content)
    write_archive(path, parts, zipfile.ZIP_STORED)


def load_torchscript(content: bytes) -> "torch.jit.ScriptModule":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.load(io.BytesIO(content), map_location="cpu")


def run_torchscript(network: "torch.jit.ScriptModule", image: np.ndarray) -> np.ndarray:
    # For a few images, to optimise costs more than it saves.
    with torch.inference_mode(), torch.jit.optimized_execution(False):
        return network(torch.from_numpy(image)).numpy()
