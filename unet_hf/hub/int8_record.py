"""Writes and reads `int8.json`: the result of a calibration, beside the weights it belongs to."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from ..engine.calibration import Calibration, rounded_numbers
from ..engine.int8 import ValueRange
from ..errors import CalibrationError
from ..files import write_text
from ..hashes import weights_sha256
from .layout import CONFIG_NAME, INT8_NAME, WEIGHTS_NAME
from .records import HASHES_KEY, checkpoint_hashes, read_record

MAX_VALUE = 1e30  # so that differences and products of two values stay finite in float32
SCORE_NAME = re.compile(r"\w[\w ]{0,39}")  # people are shown it, and anyone may have written it


def write_int8_record(folder: Path, record: dict[str, Any]) -> None:
    """Writes int8.json, with each list of numbers on one line."""
    text = json.dumps(record, indent=2)
    text = re.sub(r"\[[^][]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    write_text(folder / INT8_NAME, text + "\n")


def make_int8_record(calibration: Calibration, folder: Path) -> dict[str, Any]:
    """Makes the record of a calibration for the weights in `folder`."""
    values = {
        name: {key: rounded_numbers(numbers) for key, numbers in vars(seen).items()}
        for name, seen in calibration.values.items()
    }
    return {HASHES_KEY: checkpoint_hashes(folder), "images": calibration.images, "values": values}


def read_calibration(folder: Path, channels: Mapping[str, int]) -> Calibration | None:
    """Reads the calibration beside the weights in `folder`; None without one for these weights.

    channels: Number of channels of each feature map, see `engine.calibration.feature_maps`.

    Raises:
        CalibrationError: The record is there, but damaged.
    """
    record = read_record(folder / INT8_NAME)
    if record is None or record.get(HASHES_KEY) != checkpoint_hashes(folder):
        return None
    images = record.get("images")
    try:
        if type(images) is not int or images < 1:
            raise ValueError(f"its images are {images!r:.60}, expected is how many there were")
        values = _checked_values(record.get("values"), channels)
        lost = losses(record)
        if (bits := record.get("weight_bits")) not in (None, 7, 8):
            raise ValueError(f"its weight_bits are {bits!r:.60}, expected is 7 or 8")
    except ValueError as error:
        raise CalibrationError(
            f"{INT8_NAME} does not hold the ranges of this network: {error}. Restore it from its "
            "source, or calibrate again."
        ) from error
    weights = safetensors.torch.load_file(folder / WEIGHTS_NAME)
    return Calibration(values, images, weights_sha256(weights), lost, bits)


def losses(record: dict[str, Any]) -> dict[str, float]:
    """Returns by how much each score is lower in int8; empty if a record has no scores.

    Raises `ValueError` for scores that are none.
    """
    if (scores := record.get("scores")) is None:
        return {}
    try:
        exact, coarse = scores["float32"], scores["int8"]
        lost = {name: float(value) - float(coarse[name]) for name, value in exact.items()}
    except (TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError("its scores are not those of float32 and of int8") from error
    if odd := [name for name in lost if not SCORE_NAME.fullmatch(name)]:
        raise ValueError(f"{odd[0]!r:.60} is no name of a score")
    if not all(map(math.isfinite, lost.values())):
        raise ValueError("a score is no number")
    return lost


def _checked_values(recorded: Any, channels: Mapping[str, int]) -> dict[str, ValueRange]:
    """Checks the values of a record, which anyone may have written. Raises `ValueError`."""
    if not isinstance(recorded, dict) or recorded.keys() != channels.keys():
        names = set(recorded) if isinstance(recorded, dict) else set()
        wrong = sorted(names ^ channels.keys())[:3]
        raise ValueError(
            f"its values are not those of the {len(channels)} feature maps of {CONFIG_NAME}; "
            f"missing or unknown: {', '.join(name[:60] for name in wrong) or 'all'}"
        )
    values = {}
    for name, count in channels.items():
        parts = {}
        for key in ("low", "high", "mean"):
            numbers = recorded[name].get(key) if isinstance(recorded[name], dict) else None
            if not isinstance(numbers, list) or {type(n) for n in numbers} - {int, float}:
                raise ValueError(f"{key} of {name} is no list of numbers")
            if len(numbers) != count:
                raise ValueError(f"{key} of {name} has {len(numbers)} numbers for {count} channels")
            if max(map(abs, numbers)) > MAX_VALUE:
                raise ValueError(f"{key} of {name} holds a number beyond {MAX_VALUE:g}")
            parts[key] = torch.tensor(numbers, dtype=torch.float32)
        if (parts["low"] > parts["high"]).any():
            raise ValueError(f"low of {name} is above high")
        values[name] = ValueRange(**parts)
    return values
