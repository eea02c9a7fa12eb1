"""The goals of each shipped checkpoint, set before its next training, and what was measured.

    python -m benchmarks.bars
    python -m benchmarks.bars --write   # onto the cards, too

`bars.json` holds the goals, with the day and the commit on which they were set; its history in git
shows that none was lowered afterwards. The measured values are those of the checkpoint's
`evaluation.json`.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from unet_hf.evaluation.record import write_json
from unet_hf.hub.card import CardOptions
from unet_hf.hub.goals import goal_rows
from unet_hf.hub.layout import CARD_NAME, EVALUATION_NAME, SHIPPED, TRAINING_NAME
from unet_hf.hub.records import read_record
from unet_hf.hub.save import write_card

BARS = Path(__file__).with_name("bars.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--write", action="store_true", help="put them on the cards")
    write = parser.parse_args().write
    print("| checkpoint | goal | measured | |\n| --- | --- | --- | --- |")
    for name, bar in json.loads(BARS.read_text(encoding="utf-8")).items():
        evaluation = read_record(SHIPPED / name / EVALUATION_NAME) or {}
        for goal, measured, reached in goal_rows("; ".join(bar["goals"]), evaluation):
            print(f"| `{name}` | {goal} | {measured} | {reached} |")
        if write:
            put_on_card(name, bar)


def put_on_card(name: str, bar: dict[str, Any]) -> None:
    folder = SHIPPED / name
    training = read_record(folder / TRAINING_NAME) or {}
    write_json(folder / TRAINING_NAME, training | card_texts(bar))
    text = (folder / CARD_NAME).read_text(encoding="utf-8")
    write_card(folder, CardOptions(name), text)


def card_texts(bar: dict[str, Any]) -> dict[str, str]:
    """The options of a training that bring these goals onto its card."""
    note = f"on {bar['date']}, at commit `{bar['commit'][:12]}` of unet_hf"
    return {"goals": "; ".join(bar["goals"]), "goals_note": f"{note}, {bar['relation']}"}


if __name__ == "__main__":
    main()
