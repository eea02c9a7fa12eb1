"""Every option of a training, once: the command line, the JSON beside the checkpoint and the
loop all read this dataclass."""

import argparse
import dataclasses
import json
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unet_hf.errors import ConfigError


def option(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass
class TrainingConfig:
    """Options of `python -m train`; each is a flag of the same name."""

    # ------------------------------------------------------------ data
    dataset_name: str = option("", "a Hub data set (org/name) or a local folder")
    dataset_config_name: str | None = option(None, "configuration of the data set")
    dataset_revision: str | None = option(None, "branch, tag or commit of a Hub data set")
    train_split: str = option("train", "split to train on")
    validation_split: str = option("validation", "split to evaluate on; never trained on")
    image_column: str | None = option(None, "column of the images; found by name if left out")
    label_column: str | None = option(None, "column of the masks; found by name if left out")
    instance_column: str | None = option(
        None,
        "column of instance ids for the border weights; 'none': connected components of the mask",
    )
    ignore_index: int = option(255, "mask value that neither trains nor counts")
    id2label: str | None = option(
        None, 'class names, as JSON or a JSON file: {"0": "background"}; else id2label.json'
    )

    colors: str | None = option(None, "class colours, '#rrggbb,#rrggbb' in the order of the ids")

    # ------------------------------------------------------------ network
    pretrained_model_name_or_path: str | None = option(None, "start from this checkpoint")
    preset: str = option("modern", "modern (same padding, batch norm) or paper (the 2015 network)")
    base_channels: int = option(16, "channels at full resolution; 16 gives 7.8 MB")
    depth: int = option(4, "number of poolings")
    dropout: float = option(0.1, "dropout at the end of the contracting path")

    # ------------------------------------------------------------ augmentation (paper, 3.1)
    elastic_std: float = option(10.0, "px; displacement of the 3 x 3 coarse grid; 0: none")
    rotation: float = option(180.0, "degrees; rotated by a uniform angle up to this")
    scale_range: float = option(1.25, "zoomed by a factor from 1/x to x; 1: none")
    flip: bool = option(True, "mirrored half of the time")
    gray_std: float = option(0.2, "std of random contrast and brightness, in image std; 0: none")
    noise_std: float = option(0.1, "highest std of Gaussian noise, in image std; 0: none")

    # ------------------------------------------------------------ loss (paper, eq. 1 and 2)
    border_weight: float = option(10.0, "w0: weight of the gaps between objects; 0: none")
    border_sigma: float = option(5.0, "px; how fast that weight falls with distance")
    class_balance: bool = option(True, "w_c: rare classes weigh more (inverse square root)")

    # ------------------------------------------------------------ optimisation
    resolution: int = option(256, "side of the training crops, px")
    train_batch_size: int = option(4, "crops a step")
    max_train_steps: int = option(5000, "optimiser steps")
    learning_rate: float = option(2e-3, "peak of the one-cycle schedule (AdamW)")
    weight_decay: float = option(1e-2, "of AdamW")
    max_grad_norm: float = option(1.0, "gradients are clipped to this norm")
    ema_decay: float = option(0.998, "of the averaged weights that are evaluated and saved")
    mixed_precision: str = option("auto", "auto, no or bf16; auto: bf16 where the device has it")
    seed: int = option(0, "of weights, crops and augmentation")
    dataloader_num_workers: int = option(1, "processes that prepare crops; 0: in this one")

    # ------------------------------------------------------------ evaluation and output
    validation_steps: int = option(500, "steps between evaluations")
    dataset_note: str | None = option(None, "what the data is, for the card")
    license: str = option("other", "licence of the weights, for the card (a Hub identifier)")
    license_name: str | None = option(None, "its name, if it is 'other'")
    license_note: str | None = option(None, "terms that the data puts on the weights, for the card")
    citation: str | None = option(None, "sources of the data, for the card")
    sample_image: str | None = option(
        None, "a picture that may be shipped; stored with its prediction as the checkpoint's sample"
    )
    output_dir: str = option("", "folder of the checkpoint")

    def __post_init__(self) -> None:
        if not self.dataset_name:
            raise ConfigError("--dataset_name is missing: a folder or a Hub data set 'org/name'.")
        if not self.output_dir:
            raise ConfigError("--output_dir is missing: the folder the checkpoint goes to.")
        if self.preset not in ("modern", "paper"):
            raise ConfigError(f"--preset {self.preset!r} is not known: modern or paper.")
        if self.mixed_precision not in ("auto", "no", "bf16"):
            raise ConfigError(
                f"--mixed_precision {self.mixed_precision!r} is not known: auto, no or bf16."
            )
        for name in ("train_batch_size", "max_train_steps", "resolution", "validation_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name} {getattr(self, name)} must be at least 1.")
        for name in ("elastic_std", "rotation", "gray_std", "noise_std", "border_weight"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"--{name} {getattr(self, name)} must be 0 or more.")
        if not self.scale_range >= 1:
            raise ConfigError(f"--scale_range {self.scale_range} must be 1 or more.")
        if not self.border_sigma > 0:
            raise ConfigError(f"--border_sigma {self.border_sigma} must be above 0.")
        if not 0 <= self.ema_decay < 1:
            raise ConfigError(f"--ema_decay {self.ema_decay} must be from 0 to below 1.")

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    def command(self, without: tuple[str, ...] = ()) -> str:
        """The command that repeats this training: every option that is not its default."""
        import shlex

        words = ["python", "-m", "train"]
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if value != item.default and item.name not in without:
                words += [f"--{item.name}", str(value)]
        return shlex.join(words)


def parse_arguments(arguments: list[str] | None = None) -> TrainingConfig:
    """The command line -> `TrainingConfig`. Dashes and underscores are both accepted."""
    parser = argparse.ArgumentParser(
        prog="python -m train",
        description="Trains a U-Net on pairs of images and masks and writes a checkpoint that "
        "UNet.from_pretrained loads.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--config", help="JSON file with any of the options below; flags win")
    for item in dataclasses.fields(TrainingConfig):
        flags = dict.fromkeys((f"--{item.name}", f"--{item.name.replace('_', '-')}"))
        parser.add_argument(
            *flags,
            dest=item.name,
            type=_parser_of(item.type),
            default=item.default,
            help=item.metadata["help"],
        )
    given = parser.parse_args(arguments)
    if given.config:
        parser.set_defaults(**_read_json(Path(given.config)))
        given = parser.parse_args(arguments)
    options = vars(given)
    options.pop("config")
    return TrainingConfig(**options)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        options = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"--config {path} cannot be read: {error}.") from error
    known = {item.name for item in dataclasses.fields(TrainingConfig)}
    if not isinstance(options, dict) or set(options) - known:
        extra = (
            sorted(set(options) - known) if isinstance(options, dict) else type(options).__name__
        )
        raise ConfigError(f"--config {path} has options that do not exist: {extra}.")
    return options


def _parser_of(annotation: Any) -> Any:
    """`int | None` -> int; booleans from the words people type."""
    if isinstance(annotation, types.UnionType):
        annotation = next(kind for kind in typing.get_args(annotation) if kind is not type(None))
    return _boolean if annotation is bool else annotation


def _boolean(text: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return words[text.lower()]
