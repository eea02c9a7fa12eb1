"""What lies beside a checkpoint's weights and was measured on them.

Each record names the bytes it speaks of (`stamp`). One that speaks of others counts as absent:
weights that were changed or replaced take no old figure with them.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .layout import (
    CONFIG_NAME,
    CURVE_NAME,
    EVALUATION_NAME,
    EXPECTED_NAME,
    INT8_NAME,
    SPEED_NAME,
    TRAINING_NAME,
    WEIGHTS_NAME,
)

STAMP = "checkpoint"  # key of the hashes in a record
MADE_WITH = "made_with"  # key of what a training ran on, in training.json


def stamp(folder: Path) -> dict[str, str]:
    """SHA-256 of the configuration and the weights in `folder`, as records carry them."""
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in (CONFIG_NAME, WEIGHTS_NAME)
    }


@dataclass(frozen=True)
class Evidence:
    """The records of one checkpoint; None or empty for what was not measured on it."""

    stamp: dict[str, str]
    evaluation: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    curve: list[dict[str, Any]] = field(default_factory=list)
    speed: dict[str, Any] | None = None
    int8: dict[str, Any] | None = None
    sample: dict[str, Any] | None = None
    foreign: tuple[str, ...] = ()  # records that are there, but speak of other bytes

    @classmethod
    def of(cls, folder: Path) -> "Evidence":
        """Reads the records in `folder`.

        Raises:
            CheckpointError: One is not JSON.
        """
        own = stamp(folder)
        found: dict[str, Any] = {}
        foreign = []
        for key, name in (
            ("evaluation", EVALUATION_NAME),
            ("training", TRAINING_NAME),
            ("speed", SPEED_NAME),
            ("int8", INT8_NAME),
            ("sample", EXPECTED_NAME),
        ):
            record = read_record(folder / name)
            if record is None:
                continue
            of = record.get(MADE_WITH) or {} if name == TRAINING_NAME else record
            if of.get(STAMP) == own:
                found[key] = record
            else:
                foreign.append(name)
        if "training" in found and (folder / CURVE_NAME).is_file():
            lines = (folder / CURVE_NAME).read_text(encoding="utf-8").splitlines()
            found["curve"] = [json.loads(line) for line in lines]
        return cls(own, **found, foreign=tuple(foreign))


def read_record(path: Path) -> dict[str, Any] | None:
    """A record, None where there is none. Raises `CheckpointError`."""
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_bytes())
    except ValueError as error:
        raise CheckpointError(
            f"{path.name} is not JSON ({error}). Restore it from its source, or delete it."
        ) from error
    if not isinstance(record, dict):
        raise CheckpointError(
            f"{path.name} holds a {type(record).__name__}, not a mapping. Restore it from its "
            "source, or delete it."
        )
    return record
