"""Each shipped checkpoint on each data set, failures included: `python -m benchmarks.across`.

    python -m benchmarks.across                       # the table of what is stored
    python -m benchmarks.across --data data           # measures, and prints it
    python -m benchmarks.across --data data --write   # also into across.json and onto the cards

Classes are compared by their meaning, see `MEANINGS`. A data set whose classes mean something that
a checkpoint does not tell is not scored, and the table says why.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unet_hf import UNet, shipped_checkpoints
from unet_hf.data.detect_encoding import IGNORE
from unet_hf.data.open import open_split
from unet_hf.data.options import DataOptions
from unet_hf.data.pairs import Pair
from unet_hf.errors import ImageError
from unet_hf.evaluation.machine import git_commit, processor
from unet_hf.evaluation.metrics import confusion_matrix, overlap_scores
from unet_hf.evaluation.record import write_json
from unet_hf.evaluation.uncertainty import overlap_intervals
from unet_hf.hub.card import CardOptions
from unet_hf.hub.layout import ACROSS_NAME, CARD_NAME, SHIPPED
from unet_hf.hub.records import HASHES_KEY, checkpoint_hashes
from unet_hf.hub.save import write_card

from .measuring import table

STORED = Path(__file__).with_name("across.json")
OWN = {
    "unet-isbi": "isbi2012",
    "unet-nuclei": "nuclei",
    "unet-phase": "phase",
    "unet-superalloy": "superalloy",
}
# Two classes are compared if they mean the same. A nucleus is only a part of a cell, and a membrane
# only what lies between two: those comparisons are loose, and this is a table of failures, too.
MEANINGS = {
    "cell": "inside",
    "nucleus": "inside",
    "membrane": "outside",
    "background": "outside",
}  # other classes mean themselves

Labels = dict[int, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", type=Path, help=f"folder with {', '.join(OWN.values())}")
    parser.add_argument("--models", nargs="+", choices=OWN, default=shipped_checkpoints())
    parser.add_argument("--write", action="store_true", help="store it, and put it on the cards")
    options = parser.parse_args()
    stored = json.loads(STORED.read_text("utf-8")) if STORED.is_file() else {}
    for name in options.models if options.data else ():
        stored[name] = measure(name, options.data)
        print(f"{name}: {len(stored[name]['rows'])} data sets", flush=True)
    print(matrix(stored))
    if options.write:
        STORED.write_text(json.dumps(stored, indent=2) + "\n", "utf-8")
        for name in options.models:
            put_on_card(name, stored[name])


def measure(name: str, data: Path) -> dict[str, Any]:
    """What across.json holds of one checkpoint."""
    model = UNet.from_pretrained(name)
    return {
        HASHES_KEY: checkpoint_hashes(SHIPPED / name),
        "commit": git_commit(),
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "rows": [
            {"dataset": dataset, "own": OWN[name] == dataset} | row_of(model, data / dataset)
            for dataset in OWN.values()
        ],
    }


def row_of(model: UNet, folder: Path) -> dict[str, Any]:
    """The score on the validation split of one data set, or why there is none."""
    pairs, names = open_split(DataOptions(dataset_name=str(folder)), "validation")
    labels = {int(index): name for index, name in names.items()}
    mapped = mapping(model.id2label, labels)
    if isinstance(mapped, str):
        return {"images": None, "classes": None, "mean_iou": None, "interval": None, "why": mapped}
    try:
        confusions = np.stack([compare(model, pair, mapped, len(labels)) for pair in pairs])
    except ImageError as error:
        why = " ".join(str(error).split())
        return {"images": None, "classes": None, "mean_iou": None, "interval": None, "why": why}
    there = {name: labels[mapped[index]] for index, name in model.id2label.items()}
    said = [name if name == other else f"{name} as {other}" for name, other in there.items()]
    return {
        "images": len(confusions),
        "classes": ", ".join(said),
        "mean_iou": overlap_scores(confusions.sum(0)).mean_iou,
        "interval": overlap_intervals(confusions)["mean_iou"],
        "why": None,
    }


def mapping(own: Labels, other: Labels) -> list[int] | str:
    """The class of the data for each of the checkpoint's, or why there is none."""
    means = {MEANINGS.get(name, name): index for index, name in other.items()}
    wanted = [MEANINGS.get(name, name) for name in own.values()]
    if set(wanted) == set(means):
        return [means[meaning] for meaning in wanted]
    return f"its classes {_listed(own)} are none of {_listed(other)}"


def compare(model: UNet, pair: Pair, mapped: list[int], classes: int) -> np.ndarray:
    """Counts pixels of one image by the classes of the data; see `confusion_matrix`."""
    mask = model.segment(pair.image, precision="float32").mask
    return confusion_matrix(pair.label, np.array(mapped)[mask], classes, IGNORE)


def matrix(stored: dict[str, dict[str, Any]]) -> str:
    """In Markdown, a row a checkpoint; its own data set is bold."""
    rows, reasons = [], []
    for name, record in sorted(stored.items()):
        cells = []
        for row in record["rows"]:
            if row["mean_iou"] is None:
                cells.append("-")
                reasons.append(f"`{name}` on {row['dataset']}: {row['why']}.")
            else:
                low, high = row["interval"]
                cell = f"{row['mean_iou']:.3f} [{low:.3f} .. {high:.3f}]"
                cells.append(f"**{cell}**" if row["own"] else cell)
        rows.append([f"`{name}`", *cells])
    lines = [table(["checkpoint", *OWN.values()], rows), ""]
    return "\n".join(lines + [f"- {reason}" for reason in reasons])


def put_on_card(name: str, record: dict[str, Any]) -> None:
    folder = SHIPPED / name
    write_json(folder / ACROSS_NAME, record)
    text = (folder / CARD_NAME).read_text(encoding="utf-8")
    write_card(folder, CardOptions(name), text)


def _listed(labels: Labels) -> str:
    names = [*labels.values()]
    return f"{', '.join(names[:-1])} and {names[-1]}"


if __name__ == "__main__":
    main()
