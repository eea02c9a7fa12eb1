"""`DataOptions`: where labelled images are, and how to read them."""

import dataclasses
import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from ..addresses import read_dataset_name
from ..errors import ConfigError
from ..options import option


def public_name(name: str) -> str:
    """The name of a data set or checkpoint as it may be published.

    Hub ids and relative paths stay. An absolute path is cut to the part below the working folder,
    or to its last part.
    """
    path = Path(name)
    if not path.is_absolute():
        return name
    working = Path.cwd()
    return path.relative_to(working).as_posix() if path.is_relative_to(working) else path.name


ALPHA_CHANNELS = ("drop", "keep")
MASK_ENCODINGS = ("ids", "binary", "colors", "instances", "ade20k")
OBJECTS = ("auto", "components", "none")
# The words that options take.
DATA_CHOICES = {
    "mask_encoding": MASK_ENCODINGS, "alpha_channel": ALPHA_CHANNELS, "objects": OBJECTS,
}  # fmt: skip


@dataclass
class DataOptions:
    """Where labelled images are, and how they are read; each is a flag of the same name."""

    dataset_name: str = option(
        "", "a Hub data set (org/name), a folder (imagefolder, images/ + masks/) or parquet"
    )
    dataset_config_name: str | None = option(None, "configuration of the data set")
    dataset_revision: str | None = option(None, "branch, tag or commit of a Hub data set")
    train_split: str = option("train", "split to train on")
    validation_split: str | None = option(
        None, "split to evaluate on, never trained on; by its usual names if left out"
    )
    train_val_split: float = option(
        0.15, "without a validation split: this share of the training images is held back"
    )
    balance_column: str | None = option(
        None, "column of kinds: one of n images gets a share of the crops by the root of n"
    )
    image_column: str | None = option(None, "column of the images; found by name if left out")
    label_column: str | None = option(None, "column of the masks; found by name if left out")
    instance_column: str | None = option(
        None,
        "column of instance ids for the border weights; 'none': connected components of the mask",
    )
    objects: str = option(
        "auto", "what tells objects of one class apart: the data's ids, if there are any, or "
        "membranes between them (not with the paper's preset); components: each 4-connected "
        "piece; none: nothing, and no network learns it",
    )  # fmt: skip
    mask_encoding: str | None = option(None, "how masks store classes; found out if left out")
    label_colors: str | None = option(
        None, 'color-coded masks: \'{"#ff0000": 1, "#000000": 0}\', as JSON or a JSON file'
    )
    ignore_index: int | None = option(
        None, "value of the stored masks that neither trains nor counts; found out if left out"
    )
    alpha_channel: str = option(
        "drop", "keep: what images call alpha is a channel, as near infrared beside RGB"
    )
    stack_page: int | None = option(
        None, "stacks with one mask each: the page the mask belongs to, counted from 0"
    )
    reduce_labels: bool = option(False, "stored 0 is ignored and every other id lowered by one")
    id2label: str | None = option(
        None, 'class names, as JSON or a JSON file: {"0": "background"}; else the data set\'s'
    )
    streaming: bool = option(False, "read a Hub data set while training, without storing it")
    max_validation_images: int | None = option(
        None, "evaluate on the first so many images; streaming: 200 unless given"
    )
    seed: int = option(0, "of weights, crops and augmentation")
    hub_token: str | None = field(
        default=None,
        repr=False,
        metadata={
            "help": "token to read and push with; better: `hf auth login` or HF_TOKEN",
            "volatile": True,
            "secret": True,
        },
    )

    def __post_init__(self) -> None:
        if not self.dataset_name:
            raise ConfigError(
                "--dataset_name is missing: a folder or a Hub data set 'org/name'. "
                "`python -m train --help` lists every option."
            )
        self.dataset_name, self.dataset_revision = read_dataset_name(
            self.dataset_name, self.dataset_revision
        )
        if self.balance_column and self.streaming:
            raise ConfigError(
                "--balance_column counts the images of each kind, and the images of a stream "
                "cannot be counted. Leave out one of --balance_column and --streaming."
            )
        for name, choices in DATA_CHOICES.items():
            self.check_choice(name, choices)
        self.check_numbers("max_validation_images", lambda value: value >= 1, "at least 1")
        self.check_numbers("stack_page", lambda value: value >= 0, "0 or more")
        self.check_numbers("seed", lambda value: value >= 0, "0 or more")
        self.check_numbers("train_val_split", lambda value: 0 < value < 1, "between 0 and 1")
        self.check_numbers("ignore_index", lambda v: -(2**15) <= v < 2**16, "from -32768 to 65535")

    @property
    def learns_cells(self) -> bool:
        """Whether cells between membranes are objects where no ids say otherwise."""
        return self.objects == "auto"

    def check_choice(self, name: str, choices: Collection[str]) -> None:
        """Checks that an option is one of `choices`, or None. Raises `ConfigError`."""
        value, choices = getattr(self, name), tuple(choices)
        if value is not None and value not in choices:
            raise ConfigError(
                f"--{name} {value!r} is not known: {', '.join(choices[:-1])} or {choices[-1]}."
            )

    def check_numbers(self, names: str, fits: Callable[[Any], bool], wanted: str) -> None:
        """Checks numeric options, named with spaces between them. Raises `ConfigError`."""
        for name in names.split():
            value = getattr(self, name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ConfigError(f"--{name} {value} must be a finite number.")
            if value is not None and not fits(value):
                raise ConfigError(f"--{name} {value} must be {wanted}.")

    def flags(
        self, only: Collection[str] | None = None, without: Collection[str] = ()
    ) -> list[str]:
        """Options that are not at their defaults, as words of a command line, without secrets."""
        words = []
        for item in dataclasses.fields(self):
            name, value = item.name, getattr(self, item.name)
            left_out = name in without or (only is not None and name not in only)
            unsaid = value is None or item.metadata.get("secret")
            if left_out or unsaid or value == self.default_of(item):
                continue
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
        return words

    def default_of(self, item: dataclasses.Field) -> Any:
        """Default value of an option."""
        return item.default

    def published(self) -> "DataOptions":
        """The same options with names that may be published, see `public_name`."""
        return dataclasses.replace(self, dataset_name=public_name(self.dataset_name))


# Options of the other commands; only the training splits the data itself.
DATA_OPTIONS = (
    "dataset_name", "dataset_config_name", "dataset_revision", "image_column", "label_column",
    "instance_column", "objects", "mask_encoding", "label_colors", "ignore_index", "reduce_labels",
    "alpha_channel", "stack_page",
    "id2label", "streaming", "max_validation_images", "hub_token",
)  # fmt: skip

# How long a process waits for another. The first one inspects the data, evaluates and downloads,
# which may take hours; the default, ten minutes with NCCL, would end the run.
PROCESS_TIMEOUT = timedelta(days=30)
