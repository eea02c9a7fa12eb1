"""Writes and reads `scope.json`: how the training images look to the weights beside it."""

import base64
import json
import logging
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch

from ..engine.scope import (
    FEWEST_EXAMPLES,
    MOST_EXAMPLES,
    Scope,
    count_features,
    from_codes,
    to_codes,
)
from ..errors import CheckpointError
from ..files import write_text
from ..hashes import weights_sha256
from ..network.network import Network
from .layout import SCOPE_NAME, WEIGHTS_NAME
from .records import HASHES_KEY, checkpoint_hashes, read_record

VERSION = 2  # the first one, which wrote none, described images otherwise
MAX_LIMIT = 1e3

OF_OTHERS = (
    "was made for another configuration or other weights, and is not used. Make it again "
    "(`python -m unet_hf scope`), or delete it."
)

logger = logging.getLogger(__name__)


def make_scope_record(scope: Scope, folder: Path) -> dict[str, Any]:
    """Makes the record of a scope of the weights in `folder`."""
    return {
        HASHES_KEY: checkpoint_hashes(folder),
        "version": VERSION,
        "limit": scope.limit,
        "examples": _packed(scope.examples),
    }


def write_scope_record(folder: Path, record: dict[str, Any]) -> None:
    write_text(folder / SCOPE_NAME, json.dumps(record, indent=1) + "\n")


def read_scope(folder: Path, model: Network) -> Scope | None:
    """Reads the scope of the weights in `folder`; None without one for these weights.

    Raises:
        CheckpointError: The record is there, but damaged, or of another version.
    """
    record = read_record(folder / SCOPE_NAME)
    if record is None or record.get(HASHES_KEY) != checkpoint_hashes(folder):
        return None
    if record.get("version") != VERSION:
        raise CheckpointError(
            f"{SCOPE_NAME} is of another version of unet_hf, which described images otherwise. "
            "Make it again (`python -m unet_hf scope`), or delete it."
        )
    try:
        return _checked_scope(record, count_features(model))
    except ValueError as error:
        raise CheckpointError(
            f"{SCOPE_NAME} is not as unet_hf writes it: {error}. Restore it from its source, or "
            "delete it."
        ) from error


def read_own_scope(model: Network, folder: Path) -> Scope | None:
    """Reads the scope of the folder that a model was loaded from, if its weights are still those.

    One that cannot be used is told in the log, and the model does without it.
    """
    if not (folder / SCOPE_NAME).is_file():
        return None
    try:
        scope = read_scope(folder, model)
    except CheckpointError as error:
        logger.warning("%s Until then it is not used.", error)
        return None
    if scope is None:
        logger.warning("%s %s", SCOPE_NAME, OF_OTHERS)
        return None
    stored = safetensors.torch.load_file(folder / WEIGHTS_NAME)
    return scope if weights_sha256(stored) == weights_sha256(model.state_dict()) else None


def state_of(model: Network) -> tuple:
    """Returns a value that changes with the weights, except through `.data` or NumPy."""
    return tuple(
        (tensor.data_ptr(), None if tensor.is_inference() else tensor._version)
        for tensor in (*model.parameters(), *model.buffers())
    )


def _checked_scope(record: dict[str, Any], features: int) -> Scope:
    """Checks a record, which anyone may have written. Raises `ValueError`."""
    limit, examples = record.get("limit"), record.get("examples")
    if type(limit) not in (int, float) or not 0 < limit < MAX_LIMIT:
        raise ValueError(f"its limit is {limit!r:.60}, expected is a number above 0")
    if not isinstance(examples, str):
        raise ValueError("its examples are no text")
    return Scope(_unpacked(examples, features), float(limit))


def _packed(examples: np.ndarray) -> str:
    """Returns (n, features) examples as text: a byte for each number, zlib, base64."""
    return base64.b64encode(zlib.compress(to_codes(examples).tobytes(), 9)).decode()


def _unpacked(text: str, features: int) -> np.ndarray:
    """Raises `ValueError`."""
    most = MOST_EXAMPLES * features
    try:  # no more than could be right is unpacked
        content = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), most + 1)
    except (ValueError, zlib.error) as error:
        raise ValueError(f"its examples cannot be unpacked ({error})") from error
    if len(content) % features or not FEWEST_EXAMPLES * features <= len(content) <= most:
        raise ValueError(
            f"its examples are {len(content)} numbers, expected are {features} for each of "
            f"{FEWEST_EXAMPLES} to {MOST_EXAMPLES} images"
        )
    return from_codes(np.frombuffer(content, np.int8).reshape(-1, features))
