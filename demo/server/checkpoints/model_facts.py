"""What is known of a checkpoint: its classes, data, scores, licence, speed, thresholds."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from unet_hf import UNet
from unet_hf.errors import CheckpointError
from unet_hf.hub.describe import describe_checkpoint
from unet_hf.hub.find import SHIPPED, find_checkpoint, shipped_checkpoints
from unet_hf.hub.records import CheckpointRecords

from .taught import is_taught, taught_title

FewMissed = dict[str, Any]  # "threshold" and "words"


@cache
def shipped_title(name: str) -> str:
    """What people call a checkpoint that ships; "" for others, whose files would be fetched."""
    if name not in shipped_checkpoints():
        return ""
    return json.loads((SHIPPED / name / "config.json").read_text("utf-8")).get("title", "")


def called(name: str) -> str:
    """A checkpoint's name as it may be read by others: of a taught one, its title."""
    return taught_title(name) if is_taught(name) else name


def title_of(name: str) -> str:
    """What people call a checkpoint."""
    return shipped_title(name) or called(name)


def model_choices(names: Iterable[str]) -> list[tuple[str, str]]:
    """For a list to choose from: "Cell nuclei · unet-nuclei", or the name alone."""
    return [
        (f"{title} · {name}" if (title := shipped_title(name)) else called(name), name)
        for name in names
    ]


def facts_of_model(model: UNet) -> dict[str, Any]:
    """See `unet_hf.hub.describe.describe_checkpoint`; evidence that cannot be had is left out."""
    try:
        return describe_checkpoint(model, _folder_with_records(model), model.origin.commit)
    except (CheckpointError, OSError):
        return _without_evidence(model)


def few_missed_of(model: UNet) -> FewMissed | None:
    """The threshold that bounds what is missed, and in words what it assumes; None without one.

    See `unet_hf.evaluation.few_missed`.
    """
    if model.origin is None or model.config["num_classes"] != 2:
        return None
    try:
        return _few_missed_in(_folder_with_records(model), model.id2label[1])
    except (CheckpointError, OSError):
        return None


@cache
def shipped_few_missed(name: str) -> FewMissed | None:
    """The same of a checkpoint that ships, without loading it; None for others."""
    if name not in shipped_checkpoints():
        return None
    config = json.loads((SHIPPED / name / "config.json").read_text("utf-8"))
    return _few_missed_in(SHIPPED / name, config["id2label"]["1"])


def _few_missed_in(folder: Path, class_name: str) -> FewMissed | None:
    record = (CheckpointRecords.read(folder).evaluation or {}).get("few_missed")
    if not record or record["threshold"] is None:
        return None
    words = (
        f"At most {round(100 * record['share'])} % of the pixels of {class_name} are expected to "
        "be missed; others are marked that are none. This holds in the mean, not in every image, "
        f"and only for images like the {record['images']} it was measured on."
    )
    return {"threshold": record["threshold"], "words": words}


def _folder_with_records(model: UNet) -> Path:
    """Raises `CheckpointError` if they cannot be had."""
    origin = model.origin
    if not origin.hub_id:
        return origin.folder
    # Of the very commit that was loaded; without a visitor's token.
    where = {"revision": origin.commit, "subfolder": origin.subfolder}
    return find_checkpoint(origin.hub_id, **where, evidence=True, token=False)


def _without_evidence(model: UNet) -> dict[str, Any]:
    config = model.config
    return {
        "classes": dict(config["id2label"]),
        "channels": config["preprocessing"]["channels"],
        "threshold": model.threshold,
        "licence": "not known here",
    }
