"""`python -m unet_hf info`: what a checkpoint is, from its own files."""

import json
from typing import Any

from ..hub.describe import describe_checkpoint
from .options import add_checkpoint, command_parser, open_checkpoint


def run(arguments: list[str]) -> int:
    parser = command_parser(
        "info",
        "Prints what a checkpoint segments, what it was trained on, its licence and its scores, "
        "as far as its files say.",
    )
    add_checkpoint(parser)
    parser.add_argument("--speed", action="store_true", help="measure time and memory here, too")
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")
    given = parser.parse_args(arguments)
    model, folder = open_checkpoint(given)
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
