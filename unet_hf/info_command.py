"""`python -m unet_hf info`: what a checkpoint is, from its own files."""

import argparse
import json
from pathlib import Path
from typing import Any

from .evidence import MADE_WITH, Evidence
from .hub import find_checkpoint
from .layout import CARD_NAME
from .model_card import split_card


def run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m unet_hf info",
        description="Prints what a checkpoint segments, what it was trained on, its licence and "
        "its scores, as far as its files say.",
        allow_abbrev=False,
    )
    parser.add_argument("model", help="shipped name, folder or Hub id")
    parser.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    parser.add_argument("--subfolder", help="where in the repository it lies")
    parser.add_argument("--speed", action="store_true", help="measure time and memory here, too")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    given = parser.parse_args(arguments)
    facts = describe(given.model, revision=given.revision, subfolder=given.subfolder)
    if given.speed:
        from .speed import measure_speed

        where = {"revision": given.revision, "subfolder": given.subfolder}
        facts["speed here"] = measure_speed(find_checkpoint(given.model, **where))
    if given.json:
        print(json.dumps(facts, indent=2))
        return 0
    for name, value in facts.items():
        print(f"{name + ':':14} {_shown(value)}")
    return 0


def describe(source: str | Path, **hub: Any) -> dict[str, Any]:
    """Facts in the order they are shown; what is not known is left out.

    source, hub: As for `UNet.from_pretrained`. Raises `CheckpointError`, `ConfigError`.
    """
    from . import UNet

    model = UNet.from_pretrained(source, **hub)
    if model.origin.commit:
        hub["revision"] = model.origin.commit  # whatever is pushed meanwhile
    folder = find_checkpoint(source, evidence=True, **hub)
    config, evidence = model.config, Evidence.of(folder)
    card = folder / CARD_NAME
    metadata = split_card(card.read_text(encoding="utf-8"))[0] if card.is_file() else {}
    made_with = (evidence.training or {}).get(MADE_WITH) or {}
    scores = evidence.evaluation or {}
    facts = {
        "model": str(source),
        "commit": model.origin.commit,
        "classes": dict(config["id2label"]),
        "channels": config["preprocessing"]["channels"],
        "normalization": config["preprocessing"]["normalization"],
        "threshold": model.threshold,
        "network": {
            key: config[key] for key in ("base_channels", "depth", "padding", "norm", "upsampling")
        },
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "licence": metadata.get("license_name") or metadata.get("license") or "not stated",
        "data": made_with.get("data"),
        "base model": made_with.get("base_model"),
        "scores": {"mean IoU": scores["mean_iou"], "images": len(scores["images"])}
        | {key: (scores["membrane"] or {}).get(key) for key in ("v_rand", "v_info")}
        if scores
        else None,
        "speed": evidence.speed and {k: v for k, v in evidence.speed.items() if k != "checkpoint"},
        "foreign": list(evidence.foreign) or None,
    }
    return {key: value for key, value in facts.items() if value is not None}


def _shown(value: Any) -> str:
    """One line of words."""
    if isinstance(value, dict):
        pairs = ((key, part) for key, part in value.items() if part is not None)
        return ", ".join(f"{key} {_shown(part)}" for key, part in pairs)
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
