"""Runs a package as a reader of its description would, to be compared with the checkpoint."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ...network.tiling import TileGeometry, mirrored
from ..onnx_file import Inputs, Outputs, Run, load_onnx
from .names import ONNX, RDF, TORCHSCRIPT
from .tensors import INPUT, OUTPUT, apply_steps
from .torchscript import load_torchscript, run_torchscript


def load_package_onnx(path: Path) -> Run:
    content, rdf = _read(path, ONNX)
    network = load_onnx(content)
    return _runner(rdf, lambda image: network({INPUT: image})[OUTPUT])


def load_package_torchscript(path: Path) -> Run:
    content, rdf = _read(path, TORCHSCRIPT)
    network = load_torchscript(content)
    return _runner(rdf, lambda image: run_torchscript(network, image))


def _read(path: Path, name: str) -> tuple[bytes, dict[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name), yaml.safe_load(archive.read(RDF))


def _runner(rdf: dict[str, Any], network: Callable[[np.ndarray], np.ndarray]) -> Run:
    """What `check_parity` calls: an image of any size, scaled to 0 ... 1, as the other formats
    take it. It becomes pixels of a file again, and then goes the way that `rdf` describes."""
    described = rdf["config"]["unet_hf"]
    classes, scale = len(described["classes"]), described["pixel_scale"]
    geometry = TileGeometry(**described["geometry"])
    margin = geometry.halo if geometry.padding == "valid" else 0
    steps = rdf["inputs"][0]["preprocessing"]

    def run(inputs: Inputs) -> Outputs:
        image = apply_steps(steps, inputs["image"] / scale)
        height, width = image.shape[2:]
        rows, columns = (
            mirrored(-margin, geometry.input_size(side) - margin, side) for side in (height, width)
        )
        predicted = network(np.ascontiguousarray(image[:, :, rows][:, :, :, columns]))
        predicted = predicted[:, :, :height, :width]
        outputs = {"probabilities": predicted[:, :classes]}
        if predicted.shape[1] > classes:
            outputs["object_maps"] = predicted[:, classes:]
        return outputs

    return run
