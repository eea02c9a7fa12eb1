"""`python -m unet_hf info`: what a checkpoint is, from its own files."""

import argparse
import json
from typing import Any

from ..hub.describe import describe_checkpoint
from ..hub.find import find_checkpoint


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
    from ..unet import UNet

    model = UNet.from_pretrained(given.model, revision=given.revision, subfolder=given.subfolder)
    # Whatever is pushed meanwhile, this commit.
    where = {"revision": model.origin.commit or given.revision, "subfolder": given.subfolder}
    folder = find_checkpoint(given.model, evidence=True, **where)
    facts = {"model": given.model} | describe_checkpoint(model, folder, model.origin.commit)
    if given.speed:
        from ..evaluation.speed import measure_speed

        facts["speed here"] = measure_speed(folder)
    if given.json:
        print(json.dumps(facts, indent=2))
        return 0
    for name, value in facts.items():
        print(f"{name + ':':14} {_shown(value)}")
    return 0


def _shown(value: Any) -> str:
    """One line of words."""
    if isinstance(value, dict):
        pairs = ((key, part) for key, part in value.items() if part is not None)
        return ", ".join(f"{key} {_shown(part)}" for key, part in pairs)
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)
