"""Writes a package for the zoo: one zip, of which every byte follows from the checkpoint."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import tifffile
import yaml

from ...predict.overlay import to_display
from ...predict.segment import segment
from ...predict.segmentation import Segmentation
from ..description import describe_objects
from ..job import Job
from ..onnx_file import write_onnx
from .archive import write_archive
from .authors import find_authors
from .bare import expected_outputs
from .documentation import write_documentation
from .licence import spdx_license
from .names import (
    COVER,
    DOCUMENTATION,
    ONNX,
    RDF,
    SAMPLE_INPUT,
    SAMPLE_OUTPUT,
    TEST_INPUT,
    TEST_OUTPUT,
    TORCHSCRIPT,
)
from .picture import Picture, choose_picture
from .rdf import describe_model, model_description, model_name
from .torchscript import write_torchscript

COVER_SIDE = 320  # px of each half; the zoo asks for less than 500 kB


def write_package(job: Job, path: Path) -> None:
    """Writes the zip.

    Raises:
        ExportError: The licence keeps the weights out of the zoo, or nobody is named as author.
    """
    license = spdx_license(job.description["license"])
    authors = find_authors(job.authors, job.checkpoint)
    job.description["authors"] = ["; ".join(one.values()) for one in authors]
    if job.model.object_channels:
        job.description.update(describe_objects(job.model, logits=False))
    picture = choose_picture(job.model, job.checkpoint)
    result = segment(job.model, picture.image, precision="float32")
    write_onnx(job.model, job.description, path.with_name(ONNX), bare=True)
    write_torchscript(job.model, path.with_name(TORCHSCRIPT))
    parts = _tensors(job, picture, result)
    for name in (ONNX, TORCHSCRIPT):
        parts[name] = path.with_name(name).read_bytes()
        path.with_name(name).unlink()
    parts[COVER] = _cover(result)
    parts[DOCUMENTATION] = _documentation(job, picture).encode()
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}
    rdf = describe_model(job, license, authors, picture.scale, hashes)
    text = yaml.safe_dump(rdf, sort_keys=False, allow_unicode=True, width=100)
    write_archive(path, {RDF: text.encode()} | parts, zipfile.ZIP_DEFLATED)


def _documentation(job: Job, picture: Picture) -> str:
    return write_documentation(job, picture, model_name(job), model_description(job.model))


def _tensors(job: Job, picture: Picture, result: Segmentation) -> dict[str, bytes]:
    """The input and output to test with, and both as pictures that ImageJ opens."""
    output = np.concatenate(list(expected_outputs(result).values()))
    if job.model.geometry.padding == "valid":  # the network trims what needs mirrored pixels
        halo = job.model.geometry.halo
        output = output[:, halo:-halo, halo:-halo]
    pixels = picture.image.pixels.transpose(2, 0, 1)
    if pixels.dtype not in (np.uint8, np.uint16):  # ImageJ knows no other whole numbers
        pixels = pixels.astype(np.float32)
    return {
        TEST_INPUT: _npy(picture.tensor),
        TEST_OUTPUT: _npy(output[None]),
        SAMPLE_INPUT: _tiff(pixels),
        SAMPLE_OUTPUT: _tiff(output),
    }


def _npy(values: np.ndarray) -> bytes:
    written = io.BytesIO()
    np.save(written, np.ascontiguousarray(values, np.float32))
    return written.getvalue()


def _tiff(planes: np.ndarray) -> bytes:
    """(channels, height, width) uint8, uint16 or float32 as a hyperstack."""
    written = io.BytesIO()
    planes = np.ascontiguousarray(planes)
    tifffile.imwrite(written, planes, imagej=True, metadata={"axes": "CYX"})
    return written.getvalue()


def _cover(result: Segmentation) -> bytes:
    """The image, and beside it the same with its classes painted over: twice as wide as high."""
    halves = [PIL.Image.fromarray(to_display(result.image)).convert("RGB"), result.overlay(0.5)]
    side = min(halves[0].size)
    cover = PIL.Image.new("RGB", (2 * COVER_SIDE, COVER_SIDE))
    for index, half in enumerate(halves):
        square = half.convert("RGB").crop((0, 0, side, side))
        cover.paste(square.resize((COVER_SIDE, COVER_SIDE)), (index * COVER_SIDE, 0))
    written = io.BytesIO()
    cover.save(written, "PNG")
    return written.getvalue()
