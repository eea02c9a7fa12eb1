"""`threshold="few_missed"`: the threshold of `evaluation.json` that bounds how much is missed.

`unet_hf.evaluation.few_missed` chooses it, and says what is bounded.
"""

import math
from collections.abc import Mapping
from typing import Any

import safetensors.torch

from ..errors import CheckpointError, ConfigError
from ..hashes import weights_sha256
from ..words import number_of
from .find import find_checkpoint
from .layout import EVALUATION_NAME, WEIGHTS_NAME
from .records import CheckpointRecords

NAME = "few_missed"


def settled_threshold(model: Any, threshold: float | str | None) -> float | None:
    """Returns the number that a threshold's name stands for; numbers and None stay.

    model: A `UNet`. Its evaluation.json is fetched from the commit on the Hub it was loaded from.

    Raises:
        ConfigError: There is no such name, or the checkpoint has no threshold of that name.
    """
    if not isinstance(threshold, str):
        return threshold
    if threshold != NAME:
        raise ConfigError(f"threshold={threshold!r} is neither a number from 0 to 1 nor {NAME!r}.")
    if len(model.id2label) != 2:
        raise ConfigError(
            f"threshold={NAME!r} needs exactly two classes, but this network has "
            f"{len(model.id2label)}. Leave it out: the most probable class wins."
        )
    if model.origin is None:
        raise ConfigError(_nowhere("This network was not loaded from a checkpoint"))
    record = _record(model)
    if record is None:
        raise ConfigError(_nowhere(f"{model.origin.source} has no {EVALUATION_NAME} that says one"))
    if record["threshold"] is None:
        raise ConfigError(
            f"{model.origin.source} has no threshold {NAME!r}: {why_none(record)}. Give a number."
        )
    return record["threshold"]


def why_none(record: Mapping[str, Any]) -> str:
    """Says why a record has no threshold, without a full stop."""
    least = math.ceil(1 / record["share"]) - 1 if record["share"] > 0 else math.inf
    if record["images"] < least:
        images = number_of(record["images"], "image")
        return f"{images} {'is' if record['images'] == 1 else 'are'} too few, it takes {least}"
    return "too much is missed at every threshold that was tried"


def _record(model: Any) -> dict[str, Any] | None:
    """Reads what was measured on the model's weights; None if nothing was, or they changed."""
    origin = model.origin
    folder = origin.folder
    try:
        if origin.hub_id:  # a model is loaded without its records
            where = {"revision": origin.commit, "subfolder": origin.subfolder}
            folder = find_checkpoint(origin.hub_id, evidence=True, **where)
        evaluation = CheckpointRecords.read(folder).evaluation or {}
    except CheckpointError as error:
        raise ConfigError(f"threshold={NAME!r} cannot be read: {error}") from error
    stored = weights_sha256(safetensors.torch.load_file(folder / WEIGHTS_NAME))
    if stored != weights_sha256(model.state_dict()):
        raise ConfigError(_nowhere("The weights have changed since the checkpoint was loaded"))
    return evaluation.get(NAME)


def _nowhere(reason: str) -> str:
    return (
        f"{reason}, so there is no threshold {NAME!r}. Give a number, or measure it on at least 9 "
        "labelled images: `python -m unet_hf evaluate --model FOLDER --dataset_name DATA "
        "--update_card`."
    )
