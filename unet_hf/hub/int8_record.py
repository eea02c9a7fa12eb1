"""`int8.json`: what a calibration found, kept beside the weights it belongs to."""

import json
import re
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from ..engine.calibration import Calibration, rounded_numbers
from ..engine.int8 import Values
from ..errors import CalibrationError
from ..files import write_text
from ..hashes import weights_sha256
from .layout import INT8_NAME, WEIGHTS_NAME
from .records import STAMP, read_record, stamp


def write_record(folder: Path, record: dict[str, Any]) -> None:
    """int8.json, one line for each list of numbers."""
    text = json.dumps(record, indent=2)
    text = re.sub(r"\[[^][]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    write_text(folder / INT8_NAME, text + "\n")


def record_of(calibration: Calibration, folder: Path) -> dict[str, Any]:
    """What is kept beside the weights in `folder`."""
    values = {
        name: {key: rounded_numbers(numbers) for key, numbers in vars(seen).items()}
        for name, seen in calibration.values.items()
    }
    return {STAMP: stamp(folder), "images": calibration.images, "values": values}


def read_calibration(folder: Path) -> Calibration | None:
    """The calibration stored beside the weights in `folder`; None without one for these weights.

    Raises:
        CalibrationError: The record is there, but damaged.
    """
    record = read_record(folder / INT8_NAME)
    if record is None or record.get(STAMP) != stamp(folder):
        return None
    try:
        values = {
            name: Values(*(torch.tensor(seen[key]) for key in ("low", "high", "mean")))
            for name, seen in record["values"].items()
        }
        images = int(record["images"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CalibrationError(
            f"{INT8_NAME} does not hold the ranges of a network. Restore it from its source, or "
            "calibrate again."
        ) from error
    weights = safetensors.torch.load_file(folder / WEIGHTS_NAME)
    return Calibration(values, images, weights_sha256(weights))
