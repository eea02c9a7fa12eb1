"""Hands a data set over to the rivals: the pixels and labels that the training here sees."""

import json
from pathlib import Path

import numpy as np

from unet_hf.classes import is_membrane_data
from unet_hf.data.open import LabelledData, open_data, pin_revision
from unet_hf.data.options import DataOptions


def export(dataset: str, seed: int, folder: Path) -> None:
    """Writes both splits to a folder for `Task`; nothing if they are there.

    seed: That of the training: it draws the images that are held back where a data set has no
        validation split.
    """
    facts = folder / "facts.json"
    if facts.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    data = open_data(pin_revision(DataOptions(dataset_name=dataset, seed=seed)))
    names = list(data.id2label.values())
    record = {
        "classes": names,
        "membrane": is_membrane_data(dict(enumerate(names))),
        **{split: _write(data, split, folder) for split in ("train", "validation")},
    }
    first = next(iter(record["train"]))
    record["channels"] = int(np.load(folder / f"{first}.image.npy").shape[-1])
    facts.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


def _write(data: LabelledData, split: str, folder: Path) -> dict[str, str]:
    """Writes a split; returns the name of the image of each key."""
    names = {}
    for index, pair in enumerate(getattr(data, split)):
        key = f"{split}{index:04d}"
        names[key] = pair.name
        np.save(folder / f"{key}.image.npy", pair.image.pixels)
        np.save(folder / f"{key}.label.npy", pair.label)
        if pair.instances is not None and data.has_ids:
            np.save(folder / f"{key}.instances.npy", pair.instances)
    return names
