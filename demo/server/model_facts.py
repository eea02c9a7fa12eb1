"""What is known of a checkpoint: its classes, data, scores, licence and speed."""

from typing import Any

from unet_hf import UNet
from unet_hf.errors import CheckpointError
from unet_hf.hub.describe import describe_checkpoint
from unet_hf.hub.find import find_checkpoint


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
