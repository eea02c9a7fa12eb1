"""`python -m unet_hf evaluate`: a checkpoint's scores on labelled images, as a table, as JSON, and
on its card."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.options import DATA_OPTIONS, DataOptions
from ..errors import ConfigError
from ..evaluation.relation import relation_to_training
from ..evaluation.update_card import (
    options_of_labelled_images,
    refuse_shipped,
    update_checkpoint_records,
)
from ..files import write_text
from ..hub.card import membrane_proposal
from ..hub.expected_words import expected_words, how_expected
from ..hub.few_missed import why_none
from ..hub.layout import EVALUATION_NAME, SPEED_NAME, TRAINING_NAME
from ..hub.object_table import COLUMNS, count_words, object_rows, recipe_words, score_cell
from ..hub.records import (
    HASHES_KEY,
    CheckpointRecords,
    checkpoint_hashes,
    read_record,
)
from ..network.configuration import PRECISIONS
from ..words import number_of
from .evaluate_tracks import evaluate_films
from .options import add_data_options, add_option, command_parser, open_checkpoint

if TYPE_CHECKING:
    from ..evaluation.tally import Tally


def run(arguments: list[str]) -> int:
    given = parse(arguments)
    if given.tracks:
        return evaluate_films(given)
    if given.divisions is not None:
        raise ConfigError("--divisions is for films: add --tracks.")
    from ..evaluation.evaluate import evaluate_and_tally
    from ..evaluation.record import dataset_record, evaluation_record
    from ..evaluation.summary import CANDIDATES

    if given.update_card:
        refuse_shipped(given.model)
    if given.update_card and manner(given):
        raise ConfigError(
            "A card's scores are those of float32 without test-time augmentation, which every "
            "machine can repeat. Leave out --precision and --tta, or --update_card (--output "
            "writes these scores to a file of their own)."
        )
    model, folder = open_checkpoint(given)
    config, shown, split, pairs = labelled_images(given, folder)
    known = CheckpointRecords.read(folder)
    relation = relation_to_training(dataset_record(config, shown, split), known)
    candidates = CANDIDATES if relation["chosen_on_this_split"] else ()
    evaluation, tally = evaluate_and_tally(
        [(model, pairs)], model.threshold, candidates, given.precision, given.tta
    )
    record = evaluation_record(config, shown, split, evaluation) | relation
    record |= {
        HASHES_KEY: checkpoint_hashes(folder),
        "expected": expected(tally, relation, known, not manner(given)),
    }
    record["arguments"] = " ".join([record["arguments"], *manner(given)]).strip()
    print(table(record))
    if given.output:
        write_text(Path(given.output), json.dumps(record, indent=2) + "\n")
    if given.update_card:
        update_checkpoint_records(
            given, folder, lambda place: write_scores(place, record), "Scores measured again"
        )
    return 0


def write_scores(folder: Path, record: dict[str, Any]) -> None:
    """And the speed on this machine."""
    from ..evaluation.speed import measure_speed

    speed = measure_speed(folder) | {HASHES_KEY: checkpoint_hashes(folder)}
    write_text(folder / EVALUATION_NAME, json.dumps(record, indent=2) + "\n")
    write_text(folder / SPEED_NAME, json.dumps(speed, indent=2) + "\n")


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = command_parser(
        "evaluate",
        "Segments every image of a split and prints the scores, each with its 95 %% bootstrap "
        "interval over the images. Without --dataset_name: on the images that the checkpoint's "
        "own training was evaluated on. The data set's options are those of `python -m train`.",
    )
    parser.add_argument("--model", required=True, help="shipped name, folder or Hub id")
    parser.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    parser.add_argument("--split", default="validation")
    parser.add_argument("--output", help="write the scores to this JSON file, too")
    parser.add_argument(
        "--precision",
        type=precision_of_scores,
        choices=[name for name in PRECISIONS if name != "fast"],
        default="float32",
        help="of the network's arithmetic; auto: what the device is fast in (default: float32, "
        "as the scores on cards)",
    )
    text = "the mean over all eight turns and flips of each image: eight times as slow"
    parser.add_argument("--tta", action="store_true", help=text)
    text = "put scores and speed on the model's card: in its folder, or as a commit"
    add_option(parser, "update_card", text, action="store_true")
    text = "with --update_card, on the Hub: as a pull request"
    add_option(parser, "create_pr", text, action="store_true")
    text = (
        "score the tracks of films: --dataset_name is a folder of them in the layout of the Cell "
        "Tracking Challenge, and all of them are scored"
    )
    add_option(parser, "tracks", text, action="store_true")
    text = "with --tracks: how often cells divide, as in `track` (default: the checkpoint's)"
    add_option(parser, "divisions", text, type=float)
    add_data_options(parser, DATA_OPTIONS)
    return parser.parse_args(arguments)


def precision_of_scores(name: str) -> str:
    """Returns the precision; refuses "fast", by a sentence that argparse shows."""
    if name == "fast":
        raise argparse.ArgumentTypeError(
            "fast is int8 for some checkpoints on some CPUs and another precision elsewhere, and "
            "scores are of one. Take int8 for scores of int8, or leave it out for float32, as on "
            "cards."
        )
    return name


def labelled_images(
    given: argparse.Namespace, folder: Path
) -> tuple[DataOptions, str, str | None, Any]:
    """Options, the split in words, its name (None: what was held back), and its pairs."""
    from ..data.open import ValidationPairs, open_data, open_split, pin_revision

    training = read_record(folder / TRAINING_NAME) or {}
    if training.get("folds") and not given.dataset_name:
        raise ConfigError(
            f"{given.model} was cross-validated: which images a network was not trained on is "
            f"known to the training alone, and their scores are in its {EVALUATION_NAME}. Name "
            "other images with --dataset_name."
        )
    config = pin_revision(options_of_labelled_images(given, folder))
    if given.dataset_name:
        pairs, _ = open_split(config, given.split)
        return config, given.split, given.split, pairs
    data = open_data(config)
    held_back = data.validation.split == data.train.split
    split = None if held_back else data.validation.split
    return config, data.validation_name, split, ValidationPairs(data, config)


def manner(given: argparse.Namespace) -> list[str]:
    """What is not as on cards, as flags."""
    precision = [] if given.precision == "float32" else [f"--precision {given.precision}"]
    return [*precision, "--tta"] if given.tta else precision


def expected(
    tally: "Tally", relation: dict[str, bool], known: CheckpointRecords, as_on_cards: bool
) -> dict[str, Any] | None:
    """Estimates the scores on new images.

    On the images that have chosen the checkpoint, the training's own estimate is the better one,
    as it knows all steps. Without one, or for scores that are not made as on cards, only the
    threshold can be chosen again.
    """
    from ..evaluation.expected import expected_scores, held_out_scores

    if relation["chosen_on_this_split"]:
        by_training = (known.evaluation or {}).get("expected")
        if by_training and as_on_cards:
            return by_training
        return expected_scores([{0: tally}]) if len(tally.thresholds) > 1 else None
    if relation["trained_on"] or known.training is None:  # nobody knows what it was trained on
        return None
    return held_out_scores(tally)


def object_lines(objects: dict[str, Any]) -> list[str]:
    """The scores of single objects for a terminal: all with intervals, then a table by kind."""
    rows = [
        ["", "images", *COLUMNS.values()],
        *object_rows(objects, all_spreads=False),
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "",
        f"single objects ({recipe_words(objects['recipe'])}): {count_words(objects['all'])}",
        *(
            f"{title:{max(map(len, COLUMNS.values()))}}  {score_cell(objects['all'], name, True)}"
            for name, title in COLUMNS.items()
        ),
        *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows),
        "",
    ]


def few_missed_line(few: dict[str, Any], foreground: str) -> str:
    """Says at which threshold little is missed, or why at none."""
    most = f"at most {100 * few['share']:g} % of {foreground} missed on new images like these"
    if few["threshold"] is None:
        return f"{most}: no threshold promises it; {why_none(few)}"
    return f"{most}: threshold {few['threshold']}"


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
            f"{name} ({membrane_proposal(membrane)}) {number(membrane[key], intervals[key])}"
            for name, key in (("V_rand", "v_rand"), ("V_info", "v_info"))
        ]
    if record.get("objects"):
        lines += object_lines(record["objects"])
    cut = f", threshold {record['threshold']}" if record["threshold"] is not None else ""
    if estimate := record.get("expected"):
        lines.append(f"expected on new images: {expected_words(estimate)}")
        lines.append(how_expected(estimate))
    if few := record.get("few_missed"):
        lines.append(few_missed_line(few, [*record["iou"]][1]))
    dataset, error = record["dataset"], record["calibration"]["expected_error"]
    lines += [
        f"pixel accuracy {number(record['pixel_accuracy'])}, expected calibration error "
        f"{number(error)}",
        f"{number_of(len(record['images']), 'image')} of {dataset['name']} "
        f"({dataset['shown']}){cut}; {record['precision']}, "
        f"{'mean of eight views' if record['tta'] else 'one view'}; in "
        "brackets 95 % bootstrap intervals over the images",
    ]
    return "\n".join(lines)
