"""`Job`: what an export is given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..unet import UNet


@dataclass(frozen=True)
class Job:
    """One export of one checkpoint.

    checkpoint: A folder with the model, its card, records and sample, as `save_checkpoint` writes
    it. description: Of `describe_export`; a format adds what only it knows. authors: Who made the
    weights, as `--author` takes them; empty: those of the card.
    """

    model: UNet
    checkpoint: Path
    description: dict[str, Any]
    authors: tuple[str, ...] = ()
