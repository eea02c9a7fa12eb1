"""Reads `TrainingConfig` from the command line and a JSON file."""

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from unet_hf.cli.options import add_options
from unet_hf.errors import ConfigError
from unet_hf.files import parse_json
from unet_hf.hub.records import MADE_WITH
from unet_hf.options import fits_annotation

from ..config import TrainingConfig
from ..presets import CHOICES, DEFAULTS_SHOWN, NEW

START = "pretrained_model_name_or_path"


def parse_arguments(arguments: list[str] | None = None) -> TrainingConfig:
    """Parses the command line. Dashes and underscores are both accepted.

    Flags win over `--config`, or, when a training is resumed, over its `training.json`; these win
    over the defaults of the dataclass.
    """
    parser = argparse.ArgumentParser(
        prog="python -m train",
        description="Trains a U-Net on pairs of images and masks and writes a checkpoint that "
        "UNet.from_pretrained loads. `python -m train check` looks at the data alone, "
        "`python -m unet_hf evaluate` scores a finished checkpoint.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", help="JSON file with any of the options below; flags win")
    add_options(
        parser,
        TrainingConfig,
        [item.name for item in dataclasses.fields(TrainingConfig)],
        choices=CHOICES,
        presets=DEFAULTS_SHOWN,
    )
    given = parser.parse_args(arguments)
    base = Path(given.config) if given.config else None
    if base is None and given.resume_from_checkpoint and given.output_dir:
        written = Path(given.output_dir) / "training.json"
        base = written if written.is_file() else None
    if base is not None:
        defaults = read_json(base)
        # The checkpoint to resume from is taken only from the command line.
        defaults.pop("resume_from_checkpoint", None)
        # A new training: null was written where no start was planned yet, and says a new network.
        if not given.resume_from_checkpoint and defaults.get(START, NEW) is None:
            defaults[START] = NEW
        parser.set_defaults(**defaults)
        given = parser.parse_args(arguments)
    options = vars(given)
    options.pop("config")
    config = TrainingConfig(**options)
    config.check_output()
    return config


def read_json(path: Path, what: str = "--config") -> dict[str, Any]:
    """Reads options from a JSON file and checks their types. Raises `ConfigError` naming `what`."""
    try:
        options = parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{what} {path} cannot be read: {error}.") from error
    if not isinstance(options, dict):
        raise ConfigError(f"{what} {path} holds a {type(options).__name__}, not a mapping.")
    annotations = {item.name: item.type for item in dataclasses.fields(TrainingConfig)}
    options.pop(MADE_WITH, None)  # a record, not an option
    if extra := sorted(set(options) - set(annotations)):
        raise ConfigError(f"{what} {path} has options that do not exist: {', '.join(extra)}.")
    for name, value in options.items():
        if not fits_annotation(annotations[name], value):
            raise ConfigError(
                f"{what} {path}: {name} is {value!r}, a {type(value).__name__}; the flag's help "
                "says what is expected."
            )
    return options
