"""`evaluation.json`: scores, and everything needed to repeat them."""

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..data.options import DATA_OPTIONS, DataOptions, public_name
from .evaluate import Evaluation


def evaluation_record(
    config: DataOptions, shown: str, split: str | None, evaluation: Evaluation
) -> dict[str, Any]:
    """What `evaluation.json` holds, the stamp apart.

    shown: The split in words. split: its name; None for what the training held back.
    """
    options = shlex.join(config.published().flags(only=DATA_OPTIONS))
    return {
        "dataset": {
            "name": public_name(config.dataset_name),
            "config": config.dataset_config_name,
            "shown": shown,
            "split": split,
            "revision": config.dataset_revision,
        },
        # After `python -m unet_hf evaluate --model NAME`, which finds what was held back itself.
        "arguments": f"{options} --split {split}" if split else "",
        **asdict(evaluation),
    }


def write_json(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
