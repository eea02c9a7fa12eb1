"""`rdf.yaml`: a model as the zoo describes it, as a plain mapping.

The specification: https://bioimage-io.github.io/spec-bioimage-io. Version 0.5.4 is the one of
2025 that programs read; there, documentation and covers are names of files, without hashes, so
that the hashes of all files stand together under `config`, `unet_hf`.
"""

from collections.abc import Mapping
from typing import Any

import torch

from ...hub.records import CheckpointRecords
from ...network.network import Network
from ..job import Job
from .names import (
    COVER,
    DOCUMENTATION,
    ONNX,
    SAMPLE_INPUT,
    SAMPLE_OUTPUT,
    TEST_INPUT,
    TEST_OUTPUT,
    TORCHSCRIPT,
)
from .tensors import input_tensor, output_tensor
from .training import training_data
from .wording import allowed_name, one_line

FORMAT_VERSION = "0.5.4"
PAPER = {
    "text": "O. Ronneberger, P. Fischer, T. Brox: U-Net: Convolutional Networks for Biomedical "
    "Image Segmentation. MICCAI 2015.",
    "doi": "10.1007/978-3-319-24574-4_28",
}
TAGS = ["unet", "2d", "semantic-segmentation", "pytorch", "unet_hf"]
TOLERANCE = 1e-3  # of the test's output, on other machines; as `verify` has it


def describe_model(
    job: Job,
    license: str,
    authors: list[dict[str, str]],
    scale: float,
    hashes: Mapping[str, str],
) -> dict[str, Any]:
    """The content of `rdf.yaml`.

    license: By its SPDX name. scale: What pixels of the test are multiplied by to be from 0 to 1.
    hashes: The SHA-256 of all other files of the package, by their names.
    """
    network = job.model

    def file(name: str) -> dict[str, str]:
        return {"source": name, "sha256": hashes[name]}

    tested = {"test_tensor": file(TEST_INPUT), "sample_tensor": file(SAMPLE_INPUT)}
    expected = {"test_tensor": file(TEST_OUTPUT), "sample_tensor": file(SAMPLE_OUTPUT)}
    return {
        "type": "model",
        "format_version": FORMAT_VERSION,
        "name": model_name(job),
        "description": model_description(network),
        "authors": authors,
        "cite": [dict(PAPER)],
        "license": license,
        "tags": list(TAGS),
        "covers": [COVER],
        "documentation": DOCUMENTATION,
        "inputs": [input_tensor(network, scale) | tested],
        "outputs": [output_tensor(network) | expected],
        "weights": {
            "onnx": file(ONNX) | {"opset_version": job.description["opset"]},
            "torchscript": file(TORCHSCRIPT)
            # All but one have to say which other they come from, though both are written from the
            # checkpoint.
            | {"pytorch_version": torch.__version__.partition("+")[0], "parent": "onnx"},
        },
        **training_data(CheckpointRecords.read(job.checkpoint)),
        "config": {
            "bioimageio": {
                "reproducibility_tolerance": [
                    {"absolute_tolerance": TOLERANCE, "relative_tolerance": TOLERANCE}
                ]
            },
            "unet_hf": job.description
            | {
                "pixel_scale": scale,
                "geometry": {
                    key: network.config[key] for key in ("depth", "padding", "upsampling")
                },
                "files": dict(hashes),
            },
        },
    }


def model_name(job: Job) -> str:
    title = job.model.title or job.description["source"] or " ".join(job.model.id2label.values())
    return allowed_name(title, end=" (U-Net)")


def model_description(network: Network) -> str:
    names = list(network.id2label.values())
    classes = ", ".join(names[:-1]) + f" and {names[-1]}"
    channels = "/".join(network.preprocessing.channels)
    told = "; it also tells touching objects apart" if network.object_channels else ""
    text = (
        f"A U-Net (Ronneberger, Fischer and Brox, 2015) that tells {classes} apart in {channels} "
        f"images{told}."
    )
    return one_line(text)
