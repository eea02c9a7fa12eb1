"""`python -m unet_hf scope`: a checkpoint learns to tell images unlike those of its training."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..data.options import DATA_OPTIONS, public_name
from ..errors import ConfigError
from ..evaluation.update_card import (
    options_of_labelled_images,
    refuse_shipped,
    update_checkpoint_records,
)
from ..hub.scope_record import write_scope_record
from ..images.image_data import ImageData
from ..images.reading import read_image
from ..images.suffixes import IMAGE_SUFFIXES
from ..words import number_of
from .options import add_data_options, add_option, command_parser, open_checkpoint

OPTIONS = ("train_split", "validation_split", *DATA_OPTIONS)


def run(arguments: list[str]) -> int:
    given = parse(arguments)
    from ..data.open import open_data, pin_revision
    from ..evaluation.scope_measurement import measure_scope

    refuse_shipped(given.model)
    model, folder = open_checkpoint(given)
    config = pin_revision(options_of_labelled_images(given, folder, OPTIONS))
    foreign = {public_name(name): images_in(Path(name)) for name in given.foreign}
    record = measure_scope(model, open_data(config), config, folder, foreign)
    print(table(record))
    update_checkpoint_records(
        given, folder, lambda place: write_scope_record(place, record), "Training images described"
    )
    return 0


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = command_parser(
        "scope",
        "Describes the images of the training split as the checkpoint's first layers see them, and "
        "writes that beside the weights, so that every result says whether its image is unlike "
        "them. Without --dataset_name: the images of the checkpoint's own training. The data "
        "set's options are those of `python -m train`.",
    )
    parser.add_argument("--model", required=True, help="folder or Hub id")
    parser.add_argument("--revision", help="branch of a model on the Hub")
    text = "folders with images of other kinds: how many are told to be unlike goes on the card"
    add_option(parser, "foreign", text, nargs="+", default=[], metavar="FOLDER")
    add_option(parser, "create_pr", "on the Hub: as a pull request", action="store_true")
    add_data_options(parser, OPTIONS)
    return parser.parse_args(arguments)


def images_in(folder: Path) -> Iterator[ImageData]:
    """Yields all images beneath a folder. Raises `ConfigError` if there are none."""
    files = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in IMAGE_SUFFIXES]
    if not files:
        raise ConfigError(f"--foreign {folder}: there are no images.")
    return (read_image(path) for path in files)


def table(record: dict[str, Any]) -> str:
    """For a terminal."""
    dataset, own = record["dataset"], record["validation"]
    lines = [
        f"described {number_of(record['images'], 'image')} of {dataset['name']} "
        f"({dataset['train']})",
        f"told to be unlike them: {own['beyond']} of {own['images']} of {dataset['validation']}",
    ]
    lines += [
        f"  {other['beyond']} of {other['images']} of {other['name']}"
        for other in record["foreign"]
    ]
    return "\n".join(lines)
