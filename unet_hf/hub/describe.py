"""Describes a checkpoint from its configuration and the records beside it."""

from pathlib import Path
from typing import Any

from ..network.network import Network
from .card import split_card
from .layout import CARD_NAME
from .records import HASHES_KEY, MADE_WITH, CheckpointRecords


def describe_checkpoint(model: Network, folder: Path, commit: str | None = None) -> dict[str, Any]:
    """Collects facts about a checkpoint, in the order they are shown; unknown ones are left out.

    folder: The files the model was loaded from, with the records where there are any.
    commit: The Hub's commit, if the checkpoint came from there.
    Raises `CheckpointError` if a record is damaged.
    """
    config, evidence = model.config, CheckpointRecords.read(folder)
    card = folder / CARD_NAME
    metadata = (
        split_card(card.read_text(encoding="utf-8", errors="replace"))[0] if card.is_file() else {}
    )
    made_with = (evidence.training or {}).get(MADE_WITH) or {}
    facts = {
        "title": model.title,
        "commit": commit,
        "classes": dict(config["id2label"]),
        "channels": config["preprocessing"]["channels"],
        "normalization": config["preprocessing"]["normalization"],
        "threshold": model.threshold,
        "objects": config.get("objects"),
        "tracking": config.get("tracking"),
        "object maps": list(model.object_channels),
        "network": {
            key: config[key]
            for key in ("base_channels", "max_channels", "depth", "padding", "norm", "upsampling")
            if key in config
        },
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "licence": metadata.get("license_name") or metadata.get("license") or "not stated",
        "data": made_with.get("data"),
        "base model": made_with.get("base_model"),
        "scores": _scores(evidence.evaluation) if evidence.evaluation else None,
        "speed": {key: value for key, value in (evidence.speed or {}).items() if key != HASHES_KEY},
        "records of other weights": list(evidence.stale),
    }
    return {key: value for key, value in facts.items() if value not in (None, "", {}, [])}


def _scores(evaluation: dict[str, Any]) -> dict[str, Any]:
    membrane = evaluation.get("membrane") or {}
    scores = {"mean IoU": evaluation["mean_iou"]}
    scores |= {name: membrane[key] for name, key in (("V_rand", "v_rand"), ("V_info", "v_info"))
               if key in membrane}  # fmt: skip
    if objects := evaluation.get("objects"):
        scores["AP of objects at IoU 0.5"] = objects["all"]["scores"]["ap50"]
    dataset = evaluation["dataset"]
    return scores | {
        "images": len(evaluation["images"]),
        "of": f"{dataset['name']} ({dataset['shown']})",
    }
