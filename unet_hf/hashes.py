"""Hashes that identify a model, its weights, or an image."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .images.image_data import ImageData
from .images.preprocessing import BAND_PIXELS
from .images.reading import ImageSource
from .network.network import Network

CHUNK_NUMBERS = 2**20  # numbers of a tensor that are copied at once


def model_sha256(model: Network) -> str:
    """Returns the SHA-256 of configuration and weights, which together decide a prediction.

    How objects are followed through a film is left out: it changes no prediction.
    """
    config = {name: value for name, value in model.config.items() if name != "tracking"}
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name, tensor in model.state_dict().items():
        digest.update(name.encode())
        rows = torch.atleast_1d(tensor)
        for part in rows.split(max(1, CHUNK_NUMBERS * len(rows) // rows.numel())):
            digest.update(part.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def weights_sha256(weights: Mapping[str, Tensor]) -> str:
    """Returns the SHA-256 of all weights, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(weights[name].cpu().contiguous().numpy())
    return digest.hexdigest()


def source_fingerprint(source: ImageSource | Any, image: ImageData) -> str:
    """Returns a SHA-256 that changes with the image, without reading it if it is a file.

    For a file it is that of its name, size and time, for a folder of those of all its files;
    otherwise it is that of the pixels.
    """
    digest = hashlib.sha256()
    if isinstance(source, (str, os.PathLike)):
        path = Path(os.fsdecode(source)).resolve()
        for part in [path, *sorted(path.rglob("*"))] if path.is_dir() else [path]:
            status = part.stat()
            digest.update(f"{part} {status.st_size} {status.st_mtime_ns}\n".encode())
    else:
        rows = max(1, BAND_PIXELS // image.width)
        digest.update(f"{image.pixels.shape} {image.dtype}".encode())
        for top in range(0, image.height, rows):
            digest.update(image.pixels[top : top + rows].tobytes())
    return digest.hexdigest()
