"""Writes and reads `scope.json`: how the training images look to the weights beside it."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch

from ..engine.scope import DIGITS, FEWEST_EXAMPLES, MOST_EXAMPLES, Scope, count_features
from ..errors import CheckpointError
from ..files import write_text
from ..hashes import weights_sha256
from ..network.network import Network
from .layout import SCOPE_NAME, WEIGHTS_NAME
from .records import HASHES_KEY, checkpoint_hashes, read_record

MAX_VALUE = 1e3  # of a logarithm

OF_OTHERS = (
    "was made for another configuration or other weights, and is not used. Make it again "
    "(`python -m unet_hf scope`), or delete it."
)

logger = logging.getLogger(__name__)


def make_scope_record(scope: Scope, folder: Path) -> dict[str, Any]:
    """Makes the record of a scope of the weights in `folder`."""
    examples = [[round(value, DIGITS) for value in row] for row in scope.examples.tolist()]
    return {HASHES_KEY: checkpoint_hashes(folder), "limit": scope.limit, "examples": examples}


def write_scope_record(folder: Path, record: dict[str, Any]) -> None:
    """Writes scope.json, with each list of numbers on one line."""
    text = json.dumps(record, indent=1)
    text = re.sub(r"\[[^][]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    write_text(folder / SCOPE_NAME, text + "\n")


def read_scope(folder: Path, model: Network) -> Scope | None:
    """Reads the scope of the weights in `folder`; None without one for these weights.

    Raises:
        CheckpointError: The record is there, but damaged.
    """
    record = read_record(folder / SCOPE_NAME)
    if record is None or record.get(HASHES_KEY) != checkpoint_hashes(folder):
        return None
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
    if type(limit) not in (int, float) or not 0 < limit < MAX_VALUE:
        raise ValueError(f"its limit is {limit!r:.60}, expected is a number above 0")
    if not isinstance(examples, list) or not FEWEST_EXAMPLES <= len(examples) <= MOST_EXAMPLES:
        raise ValueError(f"its examples are not {FEWEST_EXAMPLES} to {MOST_EXAMPLES} lists")
    for row in examples:
        if not isinstance(row, list) or {type(n) for n in row} - {int, float}:
            raise ValueError("an example is no list of numbers")
        if len(row) != features:
            raise ValueError(f"an example has {len(row)} numbers, expected are {features}")
        if not max(map(abs, row)) < MAX_VALUE:
            raise ValueError(f"an example holds a number that is not within {MAX_VALUE:g}")
    return Scope(np.array(examples, np.float64), float(limit))
