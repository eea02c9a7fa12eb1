"""Adds to the shipped evaluation.json what newer versions measure, too.

    python -m benchmarks.later_fields --data data
    python -m benchmarks.later_fields --data data --models unet-nuclei

A checkpoint is evaluated again on its validation split, at its stored threshold. If its scores are
those of the record, the bins of its calibration and the threshold `few_missed` are added; all other
figures stay as they are, and the card is written again. If not, nothing is written.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from unet_hf import UNet, shipped_checkpoints
from unet_hf.data.open import open_split
from unet_hf.data.options import DataOptions
from unet_hf.evaluation.evaluate import evaluate
from unet_hf.evaluation.record import write_json
from unet_hf.evaluation.summary import Evaluation
from unet_hf.hub.card import CardOptions
from unet_hf.hub.layout import CARD_NAME, EVALUATION_NAME, SHIPPED
from unet_hf.hub.records import CheckpointRecords
from unet_hf.hub.save import write_card

from .across import OWN

TOLERANCE = 1e-4  # of a score, on a CPU with other instructions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the data sets")
    parser.add_argument("--models", nargs="+", choices=OWN, default=shipped_checkpoints())
    options = parser.parse_args()
    for name in options.models:
        record = CheckpointRecords.read(SHIPPED / name).evaluation
        if record is None:
            raise SystemExit(f"{name} has no {EVALUATION_NAME} of these weights. Nothing was done.")
        config = DataOptions(dataset_name=str(options.data / OWN[name]))
        pairs, _ = open_split(config, "validation")
        model = UNet.from_pretrained(name)
        # The objects stay as they are: without their ids, they are not measured again.
        found = evaluate(model, (replace(pair, instances=None) for pair in pairs), model.threshold)
        completed = with_later_fields(name, record, found)
        write_json(SHIPPED / name / EVALUATION_NAME, completed)
        card = SHIPPED / name / CARD_NAME
        write_card(SHIPPED / name, CardOptions(name), card.read_text(encoding="utf-8"))
        print(f"{name}: {completed['few_missed']}", flush=True)


def with_later_fields(name: str, record: dict[str, Any], found: Evaluation) -> dict[str, Any]:
    """The record with the new fields; ends the program if the scores are others."""
    pairs = {
        "mean IoU": (record["mean_iou"], found.mean_iou),
        "pixel accuracy": (record["pixel_accuracy"], found.pixel_accuracy),
        "calibration error": (
            record["calibration"]["expected_error"],
            found.calibration["expected_error"],
        ),
    }
    names = [row["name"] for row in record["images"]], [row["name"] for row in found.images]
    for score, (stored, seen) in pairs.items():
        if abs(stored - seen) > TOLERANCE or names[0] != names[1]:
            raise SystemExit(
                f"{name}: {score} is {seen:.5f}, stored is {stored:.5f}, on "
                f"{len(names[1])} images (stored: {len(names[0])}). These are not the images of "
                f"{EVALUATION_NAME}. Nothing was written for it."
            )
    calibration = record["calibration"] | {"per_bin": found.calibration["per_bin"]}
    return record | {"calibration": calibration, "few_missed": found.few_missed}


if __name__ == "__main__":
    main()
