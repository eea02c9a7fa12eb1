"""How labelled images are related to the training of a checkpoint that is evaluated on them."""

from pathlib import Path
from typing import Any

from ..hub.records import MADE_WITH, CheckpointRecords


def relation_to_training(dataset: dict[str, Any], evidence: CheckpointRecords) -> dict[str, bool]:
    """Whether these very images chose the checkpoint, or were trained on.

    A folder may lie elsewhere on this machine, so only the last part of a name counts.
    """
    before = evidence.evaluation or {}
    trained = ((evidence.training or {}).get(MADE_WITH) or {}).get("data") or {}

    def is_of(other: dict[str, Any]) -> bool:
        names = [Path(one.get("name") or "").name for one in (other, dataset)]
        return names[0] == names[1] and other.get("split") == dataset["split"]

    chosen = bool(before.get("chosen_on_this_split")) and is_of(before["dataset"])
    # Splits that were divided into folds are joined in their name.
    splits = [trained, *({**trained, "split": name} for name in trained_splits(trained))]
    return {"chosen_on_this_split": chosen, "trained_on": any(map(is_of, splits))}


def trained_splits(trained: dict[str, Any]) -> list[str]:
    """Names of the splits that were trained on, "train + validation" with folds."""
    return (trained.get("split") or "").split(" + ")
