"""What is known of a checkpoint: its classes, data, scores, licence and speed."""

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from unet_hf import UNet
from unet_hf.errors import CheckpointError
from unet_hf.hub.describe import describe_checkpoint
from unet_hf.hub.find import SHIPPED, find_checkpoint, shipped_checkpoints

from .taught import is_taught, taught_title


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
    origin = model.origin
    folder = origin.folder
    if origin.hub_id:
        try:  # of the very commit that was loaded; without a visitor's token
            folder = find_checkpoint(
                origin.hub_id,
                revision=origin.commit,
                subfolder=origin.subfolder,
                evidence=True,
                token=False,
            )
        except CheckpointError:
            return _without_evidence(model)
    try:
        return describe_checkpoint(model, folder, origin.commit)
    except (CheckpointError, OSError):
        return _without_evidence(model)


def _without_evidence(model: UNet) -> dict[str, Any]:
    config = model.config
    return {
        "classes": dict(config["id2label"]),
        "channels": config["preprocessing"]["channels"],
        "threshold": model.threshold,
        "licence": "not known here",
    }
