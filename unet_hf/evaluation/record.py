"""Makes `evaluation.json`: scores, and everything needed to repeat them."""

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..data.options import DATA_OPTIONS, DataOptions, public_name
from .summary import Evaluation


def evaluation_record(
    config: DataOptions, shown: str, split: str | None, evaluation: Evaluation
) -> dict[str, Any]:
    """Makes the content of `evaluation.json`, without the hashes of the checkpoint.

    shown: The split in words.
    split: Its name; None for the images that the training held back.
    """
    options = shlex.join(config.published().flags(only=DATA_OPTIONS))
    return {
        "dataset": dataset_record(config, shown, split),
        # Arguments after `python -m unet_hf evaluate --model NAME`; without a split it finds the
        # images that were held back.
        "arguments": f"{options} --split {split}" if split else "",
        **asdict(evaluation),
    }


def dataset_record(config: DataOptions, shown: str, split: str | None) -> dict[str, Any]:
    """Says which images were evaluated on; see `evaluation_record`."""
    return {
        "name": public_name(config.dataset_name),
        "config": config.dataset_config_name,
        "shown": shown,
        "split": split,
        "revision": config.dataset_revision,
    }


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Writes a record as indented JSON."""
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
