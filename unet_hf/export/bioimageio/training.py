"""What a model was trained on, as the zoo describes a data set."""

from typing import Any

from ...hub.records import MADE_WITH, CheckpointRecords
from .licence import SPDX
from .wording import allowed_name, one_line

FORMAT_VERSION = "0.3.0"


def training_data(records: CheckpointRecords) -> dict[str, Any]:
    """Returns {"training_data": ...}, or nothing where no data set is on record."""
    training = records.training or {}
    data = (training.get(MADE_WITH) or {}).get("data") or {}
    if not data.get("name"):
        return {}
    on_hub = bool(data.get("on_hub"))
    split = f", split {data['split']}" if data.get("split") else ""
    note = training.get("dataset_note") or f"{data['name']}{split}"
    described: dict[str, Any] = {
        "type": "dataset",
        "format_version": FORMAT_VERSION,
        "name": allowed_name(f"Training data {data['name']}"),
        "description": one_line(note),
    }
    if license := SPDX.get((data.get("license") or "").lower()):
        described["license"] = license
    if on_hub:
        described["source"] = f"https://huggingface.co/datasets/{data['name']}"
    return {"training_data": described}
