"""`python -m unet_hf evaluate`: a checkpoint's scores on labelled images, as a table, as JSON, and
on its card."""

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from unet_hf.errors import ConfigError
from unet_hf.evidence import MADE_WITH, STAMP, Evidence, read_record, stamp
from unet_hf.files import write_text
from unet_hf.hub import SHIPPED, find_checkpoint
from unet_hf.layout import CARD_NAME, EVALUATION_NAME, SPEED_NAME, TRAINING_NAME

from .arguments import DATA_OPTIONS, add_options
from .config import TrainingConfig


def run(arguments: list[str]) -> int:
    given = parse(arguments)
    from unet_hf import UNet

    from .evaluation import evaluate
    from .publish import evaluation_record

    if given.update_card and given.model in (path.name for path in SHIPPED.iterdir()):
        raise ConfigError(
            f"{given.model} ships with the package; its card is not yours to change. Save it to a "
            "folder of your own first."
        )
    token = given.hub_token
    model = UNet.from_pretrained(given.model, revision=given.revision, token=token)
    revision = model.origin.commit or given.revision  # whatever is pushed meanwhile
    folder = find_checkpoint(given.model, revision=revision, token=token, evidence=True)
    config, shown, split, pairs = labelled_images(given, folder)
    evaluation = evaluate(model, pairs, threshold=model.threshold)
    record = evaluation_record(config, shown, split, evaluation) | {STAMP: stamp(folder)}
    record |= relation_to_training(record, Evidence.of(folder))
    print(table(record))
    if given.output:
        write_text(Path(given.output), json.dumps(record, indent=2) + "\n")
    if given.update_card and Path(given.model).is_dir():
        write_evidence(folder, folder.resolve().name, record)
    elif given.update_card:
        print(f"pushed: {push_evidence(given, folder, record)}")
    return 0


def write_evidence(folder: Path, name: str, record: dict[str, Any]) -> None:
    """Scores, and the speed on this machine, into the folder and its card."""
    from unet_hf.model_card import CardOptions
    from unet_hf.saving import write_card
    from unet_hf.speed import measure_speed

    speed = measure_speed(folder) | {STAMP: stamp(folder)}
    write_text(folder / EVALUATION_NAME, json.dumps(record, indent=2) + "\n")
    write_text(folder / SPEED_NAME, json.dumps(speed, indent=2) + "\n")
    card = folder / CARD_NAME
    existing = card.read_text(encoding="utf-8") if card.is_file() else None
    write_card(folder, CardOptions(name), existing)


def push_evidence(given: argparse.Namespace, folder: Path, record: dict[str, Any]) -> str:
    """The same for a checkpoint on the Hub, as one commit; its address."""
    from unet_hf.publishing import push_folder

    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "checkpoint"
        shutil.copytree(folder, copy)  # the cache's files are not ours to write to
        write_evidence(copy, given.model, record)
        commit = push_folder(
            copy,
            given.model,
            token=given.hub_token,
            branch=given.revision,
            create_pr=given.create_pr,
            commit_message="Scores, measured anew",
        )
    return commit.pr_url or str(commit)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m unet_hf evaluate",
        description="Segments every image of a split and prints the scores, each with its 95 %% "
        "bootstrap interval over the images. Without --dataset_name: on the images that the "
        "checkpoint's own training was evaluated on. The data set's options are those of "
        "`python -m train`.",
        allow_abbrev=False,
    )
    parser.add_argument("--model", required=True, help="shipped name, folder or Hub id")
    parser.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--output", help="write the scores to this JSON file, too")
    for flag, text in (
        ("update_card", "put scores and speed on the model's card: in its folder, or as a commit"),
        ("create_pr", "with --update_card, on the Hub: as a pull request"),
    ):
        flags = dict.fromkeys((f"--{flag}", f"--{flag.replace('_', '-')}"))
        parser.add_argument(*flags, action="store_true", dest=flag, help=text)
    add_options(parser, DATA_OPTIONS)
    return parser.parse_args(arguments)


def labelled_images(
    given: argparse.Namespace, folder: Path
) -> tuple[TrainingConfig, str, str | None, Any]:
    """Options, the split in words, its name (None: what was held back), and its pairs."""
    from .data import open_data, open_split, validation_pairs

    if given.dataset_name:
        options = {name: getattr(given, name) for name in DATA_OPTIONS}
        config = TrainingConfig(**options, output_dir="unused")
        pairs, _ = open_split(config, given.split)
        return config, given.split, given.split, pairs
    record = read_record(folder / TRAINING_NAME)
    if record is None:
        raise ConfigError(
            f"{given.model} has no {TRAINING_NAME} that says what it was evaluated on. Name the "
            "images with --dataset_name and --split."
        )
    record.pop(MADE_WITH, None)
    config = TrainingConfig(**record | {"hub_token": given.hub_token})
    data = open_data(config)
    held_back = data.validation.split == data.train.split
    split = None if held_back else data.validation.split
    return config, data.validation_name, split, validation_pairs(data, config)


def relation_to_training(record: dict[str, Any], evidence: Evidence) -> dict[str, bool]:
    """Whether these very images chose the checkpoint, or were trained on."""
    before = evidence.evaluation or {}
    trained = ((evidence.training or {}).get(MADE_WITH) or {}).get("data") or {}

    def is_of(dataset: dict[str, Any]) -> bool:
        return all(dataset.get(key) == record["dataset"][key] for key in ("name", "split"))

    chosen = bool(before.get("chosen_on_this_split")) and is_of(before["dataset"])
    return {"chosen_on_this_split": chosen, "trained_on": is_of(trained)}


def table(record: dict[str, Any]) -> str:
    """The scores for a terminal."""

    def number(value: float | None, spread: list[float] | None = None) -> str:
        if value is None:
            return "absent"
        return f"{value:.4f}" + (f" [{spread[0]:.4f} .. {spread[1]:.4f}]" if spread else "")

    intervals, membrane = record["intervals"], record["membrane"]
    rows = [("", "IoU", "Dice")]
    rows += [
        (name, number(value, intervals["iou"][name]),
         number(record["dice"][name], intervals["dice"][name]))
        for name, value in record["iou"].items()
    ]  # fmt: skip
    rows.append(("mean", number(record["mean_iou"], intervals["mean_iou"]), ""))
    width = max(len(name) for name, *_ in rows)
    lines = [f"{name:{width}}  {iou:26}  {dice}".rstrip() for name, iou, dice in rows]
    if membrane:
        lines += [
            f"V_rand (thinned) {number(membrane['v_rand'], intervals['v_rand'])}",
            f"V_info (thinned) {number(membrane['v_info'], intervals['v_info'])}",
        ]
    cut = f", threshold {record['threshold']}" if record["threshold"] is not None else ""
    dataset, error = record["dataset"], record["calibration"]["expected_error"]
    lines += [
        f"pixel accuracy {number(record['pixel_accuracy'])}, expected calibration error "
        f"{number(error)}",
        f"{len(record['images'])} images of {dataset['name']} ({dataset['shown']}){cut}; in "
        "brackets 95 % bootstrap intervals over the images",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
