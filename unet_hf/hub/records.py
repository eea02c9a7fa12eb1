"""Reads the records beside a checkpoint's weights: what was measured on them.

Each record holds the SHA-256 of the files it was measured on. A record of other files is stale and
counts as absent, so that changed weights never show an old figure.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from ..files import parse_json
from .layout import (
    ACROSS_NAME,
    CONFIG_NAME,
    CURVE_NAME,
    EVALUATION_NAME,
    EXPECTED_NAME,
    INT8_NAME,
    MAX_EVIDENCE_BYTES,
    MAX_INT8_BYTES,
    SCOPE_NAME,
    SPEED_NAME,
    TRAINING_NAME,
    WEIGHTS_NAME,
)
from .record_fields import wrong_field

HASHES_KEY = "checkpoint"  # key of the hashes in a record
MADE_WITH = "made_with"  # key of what a training ran on, in training.json


def checkpoint_hashes(folder: Path) -> dict[str, str]:
    """Computes the SHA-256 of the configuration and the weights in `folder`, by file name."""
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in (CONFIG_NAME, WEIGHTS_NAME)
    }


@dataclass(frozen=True)
class CheckpointRecords:
    """The records of one checkpoint; None or empty for what was not measured on it."""

    hashes: dict[str, str]
    evaluation: dict[str, Any] | None = None
    across: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    curve: list[dict[str, Any]] = field(default_factory=list)
    speed: dict[str, Any] | None = None
    int8: dict[str, Any] | None = None
    scope: dict[str, Any] | None = None
    sample: dict[str, Any] | None = None
    stale: tuple[str, ...] = ()  # names of stale records: measured on other files

    @classmethod
    def read(cls, folder: Path) -> "CheckpointRecords":
        """Reads the records in `folder`.

        Raises:
            CheckpointError: One is not JSON, or not as this package writes it.
        """
        own = checkpoint_hashes(folder)
        found: dict[str, Any] = {}
        stale = []
        for key, name in (
            ("evaluation", EVALUATION_NAME),
            ("across", ACROSS_NAME),
            ("training", TRAINING_NAME),
            ("speed", SPEED_NAME),
            ("int8", INT8_NAME),
            ("scope", SCOPE_NAME),
            ("sample", EXPECTED_NAME),
        ):
            record = read_record(folder / name)
            if record is None:
                continue
            holder = record.get(MADE_WITH) if name == TRAINING_NAME else record
            if isinstance(holder, dict) and holder.get(HASHES_KEY) == own:
                found[key] = _checked(name, record)
            else:
                stale.append(name)
        if "training" in found and (folder / CURVE_NAME).is_file():
            lines = _content(folder / CURVE_NAME).splitlines()
            found["curve"] = [
                _checked(CURVE_NAME, _parsed(f"{CURVE_NAME}, line {number},", line))
                for number, line in enumerate(lines, start=1)
            ]
        return cls(own, **found, stale=tuple(stale))


def read_record(path: Path) -> dict[str, Any] | None:
    """Reads the record in a JSON file, None where there is no file. Raises `CheckpointError`."""
    if not path.is_file():
        return None
    return _parsed(path.name, _content(path))


def _content(path: Path) -> bytes:
    size = path.stat().st_size
    small = path.name in (INT8_NAME, SCOPE_NAME)
    limit = MAX_INT8_BYTES if small else MAX_EVIDENCE_BYTES
    if size > limit:
        raise CheckpointError(
            f"{path.name} has {size / 1e6:.1f} MB, and no record has more than {limit / 1e6:.0f}. "
            "It was not read. Restore it from its source, or delete it."
        )
    return path.read_bytes()


def _parsed(where: str, content: bytes) -> dict[str, Any]:
    try:
        record = parse_json(content)
    except ValueError as error:
        raise CheckpointError(
            f"{where} is not JSON ({error}). Restore it from its source, or delete it."
        ) from error
    if not isinstance(record, dict):
        raise CheckpointError(
            f"{where} holds a {type(record).__name__}, not a mapping. Restore it from its "
            "source, or delete it."
        )
    return record


def _checked(name: str, record: dict[str, Any]) -> dict[str, Any]:
    if fault := wrong_field(name, record):
        raise CheckpointError(
            f"{name} is not as unet_hf writes it: {fault}. Restore it from its source, or delete "
            "it."
        )
    return record
