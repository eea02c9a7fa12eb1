"""`python -m unet_hf calibrate`: makes a checkpoint ready for int8, if it loses little by it."""

import argparse
from dataclasses import asdict
from typing import Any

import numpy as np

from ..data.open import LabelledData
from ..data.options import DATA_OPTIONS, DataOptions, public_name
from ..engine.fast import MOST_LOST, MOST_OBJECTS_LOST, too_much_lost
from ..engine.precision import int8_weight_bits
from ..errors import CalibrationError, ConfigError
from ..evaluation.update_card import (
    options_of_labelled_images,
    refuse_shipped,
    update_checkpoint_records,
)
from ..hub.int8_record import losses, make_int8_record, write_int8_record
from ..images.image_data import ImageData
from ..unet import UNet
from ..words import number_of
from .options import add_data_options, add_option, command_parser, open_checkpoint

OPTIONS = ("train_split", "validation_split", *DATA_OPTIONS)


def run(arguments: list[str]) -> int:
    given = parse(arguments)
    from ..data.open import open_data, pin_revision

    refuse_shipped(given.model)
    model, folder = open_checkpoint(given)
    config = pin_revision(options_of_labelled_images(given, folder, OPTIONS))
    data = open_data(config)
    model.calibrate(typical_images(data, given.calibration_images))
    record = make_int8_record(model.calibration, folder) | measured(model, data, config)
    print(table(record))
    if reason := too_much_lost(losses(record)):
        raise CalibrationError(
            f"int8 is too coarse for this checkpoint: {reason}. Nothing was written. "
            "Other or more images to calibrate on (--calibration_images) may help; "
            "precision='auto' loses less."
        )
    update_checkpoint_records(
        given, folder, lambda place: write_int8_record(place, record), "Calibrated for int8"
    )
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = command_parser(
        "calibrate",
        "Learns on images of the training split what int8 needs to know, measures on the "
        "validation split what it costs, and writes both beside the weights and on the card, if "
        f"no score loses more than {MOST_LOST}, and the AP of objects no more than "
        f"{MOST_OBJECTS_LOST}. Without --dataset_name: on the images of the "
        "checkpoint's own training. The data set's options are those of `python -m train`.",
    )
    parser.add_argument("--model", required=True, help="folder or Hub id")
    parser.add_argument("--revision", help="branch of a model on the Hub")
    text = "how many images of the training split (default: 16)"
    add_option(parser, "calibration_images", text, type=int, default=16)
    add_option(parser, "create_pr", "on the Hub: as a pull request", action="store_true")
    add_data_options(parser, OPTIONS)
    return parser.parse_args(arguments)


def typical_images(data: "LabelledData", count: int) -> list[ImageData]:
    """Some of the training split, from all over it (of a stream: its first)."""
    from ..data.pairs import Pairs

    if count < 1:
        raise ConfigError(f"--calibration_images {count}: at least 1 is needed.")
    if not isinstance(data.train, Pairs):
        return [read().image for read in data.train.first(count)]
    positions = np.linspace(0, len(data.train) - 1, min(count, len(data.train)))
    return [data.train[int(position)].image for position in positions]


def measured(model: "UNet", data: "LabelledData", config: DataOptions) -> dict[str, Any]:
    """What int8 changes on the validation split, and the scores both ways."""
    from ..data.open import ValidationPairs
    from ..evaluation.evaluate import evaluate
    from ..evaluation.precision_loss import compare_precisions, main_scores

    def pairs() -> Any:
        return ValidationPairs(data, config)

    scores = {
        precision: main_scores(evaluate(model, pairs(), model.threshold, precision))
        for precision in ("float32", "int8")
    }
    return {
        "dataset": {
            "name": public_name(config.dataset_name),
            "train": data.train_name,
            "validation": data.validation_name,
            "revision": config.dataset_revision,
        },
        "rounding": asdict(compare_precisions(model, pairs(), "int8")),
        "scores": scores,
        "weight_bits": int8_weight_bits(),
    }


def table(record: dict[str, Any]) -> str:
    """For a terminal."""
    dataset, changes = record["dataset"], record["rounding"]
    lines = [
        f"calibrated on {number_of(record['images'], 'image')} of {dataset['name']} "
        f"({dataset['train']}); on {dataset['validation']} "
        f"{100 * changes['changed']:.3f} % of {changes['pixels']:,} "
        "pixels change class"
    ]
    for name, value in record["scores"]["float32"].items():
        lines.append(f"{name}: float32 {value:.5f}, int8 {record['scores']['int8'][name]:.5f}")
    return "\n".join(lines)
