"""What a training leaves behind: a folder that `UNet.from_pretrained` loads."""

import json
from dataclasses import asdict
from pathlib import Path

from unet_hf import UNet
from unet_hf.files import write_text

from .config import TrainingConfig
from .data import LabelledData
from .evaluation import Evaluation


def write_checkpoint(
    folder: Path,
    model: UNet,
    config: TrainingConfig,
    data: LabelledData,
    evaluation: Evaluation,
    step: int,
) -> None:
    """config.json with the threshold chosen on the validation split, weights, evaluation.json."""
    model.config["threshold"] = evaluation.threshold
    model.save_pretrained(folder)
    evidence = {"step": step, **asdict(evaluation)}
    write_text(folder / "evaluation.json", json.dumps(evidence, indent=2) + "\n")
