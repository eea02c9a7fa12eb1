"""`python -m unet_hf segment`: arguments and words; the work is `batch`'s."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from ..batch.dataset.options import DatasetOptions
from ..batch.options import DEVICES, BatchOptions
from ..batch.run import FAILED, segment_files
from ..batch.tables import RESULTS
from ..classes import split_names
from ..network.configuration import OBJECT_METHODS, PRECISIONS
from ..predict.outputs import DEFAULT_OUTPUTS, OBJECT_OUTPUTS, OUTPUTS, REMOVED
from ..predict.overlay import Look
from ..words import number_of
from .options import add_option, add_options, command_parser, outputs_reader, read_threshold

DESCRIPTION = """Segments images with a U-Net: files, folders and patterns into a folder, or a whole
data set into one that has masks beside its images. What is finished is not computed again: a run
that was stopped goes on when the same command is given again."""
# The fields of `BatchOptions`, `Look` and `DatasetOptions` that are options.
MODEL_OPTIONS = ("model", "revision", "threshold", "tile_size", "overwrite")
READ_OPTIONS = ("page", "axes", "channel", "level")
RUN_OPTIONS = ("jobs", "large", "device", "precision", "tta")
LOOK_OPTIONS = ("alpha", "hidden", "outline", "window")
OBJECT_OPTIONS = ("classes", "method", "seed", "min_size", "exclude_border", "pixel_size")
FILE_OPTIONS = (*READ_OPTIONS, "only", *LOOK_OPTIONS, *RUN_OPTIONS, *OBJECT_OPTIONS)
DATASET_OPTIONS = (
    "dataset_config_name", "dataset_revision", "split", "image_column", "push_to_hub", "private",
    "hub_token",
)  # fmt: skip


def run(arguments: list[str]) -> int:
    """0: all images are segmented; 1: some could not be."""
    parser = build_parser()
    given = vars(parser.parse_args(arguments))
    files, dataset = given.pop("files"), given.get("dataset_name")
    foreign, kind = (
        (FILE_OPTIONS, "files") if dataset else (DATASET_OPTIONS, "a data set (--dataset_name)")
    )
    if wrong := [name for name in foreign if name in given]:
        parser.error(f"--{wrong[0]} is for {kind}.")
    if bool(files) == bool(dataset):
        parser.error("name files and folders, or a data set with --dataset_name.")
    if dataset:
        if not (given.get("output") or given.get("push_to_hub")):
            parser.error("say where the masks go: --output, --push_to_hub, or both.")
        return _segment_dataset(DatasetOptions(**given))
    given.pop("dataset_name", None)
    if "output" not in given:
        parser.error("say where the results go: --output.")
    output, outputs = given.pop("output"), given.pop("only", DEFAULT_OUTPUTS)
    objects = {name: given.pop(name) for name in OBJECT_OPTIONS if name in given}
    if objects and not set(outputs) & set(OBJECT_OUTPUTS):
        parser.error(f"--{next(iter(objects))} is for objects: add e.g. --only mask,objects.")
    look = Look(**{name: given.pop(name) for name in LOOK_OPTIONS if name in given})
    options = BatchOptions(**given, outputs=outputs, objects=objects, look=look)
    return _segment_files(files, output, options)


def _segment_files(files: list[str], output: Path, options: BatchOptions) -> int:
    batch = segment_files(files, output, options)
    print(batch.summary())
    if batch.unlike:
        print(
            f"{number_of(batch.unlike, 'image')} of {batch.done} unlike the images this checkpoint "
            f"was trained on: see unlike_training in {RESULTS}, above 1"
        )
    print(f"areas: {output / RESULTS}")
    if batch.failures:
        print(f"failed: {output / FAILED}")
    return int(bool(batch.failures))


def _segment_dataset(options: DatasetOptions) -> int:
    from ..batch.dataset.segment import segment_dataset

    done = segment_dataset(options)
    if done is None:  # not the first of several processes
        return 0
    print(done.summary())
    return int(bool(done.failures))


def build_parser() -> argparse.ArgumentParser:
    """What is not given is left out: the dataclasses have the defaults, and what belongs to the
    other kind of input can be told."""
    parser = command_parser("segment", DESCRIPTION)
    add = partial(add_options, reading=READING, only_given=True)
    one = partial(add_option, default=argparse.SUPPRESS)

    group = parser.add_argument_group("model and results")
    add(group, BatchOptions, MODEL_OPTIONS)
    add(group, DatasetOptions, ["output"])

    group = parser.add_argument_group("files")
    text = "image files, folders (all images beneath) and patterns"
    group.add_argument("files", nargs="*", metavar="FILES", help=text)
    add(group, BatchOptions, READ_OPTIONS)
    text = f"what is written, with commas between (default: {','.join(DEFAULT_OUTPUTS)})"
    one(group, "only", text, type=outputs_reader(OUTPUTS, REMOVED), metavar=",".join(OUTPUTS))
    add(group, Look, LOOK_OPTIONS)
    add(group, BatchOptions, RUN_OPTIONS)

    text = f"With --only and one of {', '.join(OBJECT_OUTPUTS)}."
    group = parser.add_argument_group("objects of files", text)
    text = (
        'names or ids, with commas between, "a, b" in double quotes being one name (default: '
        "all but class 0)"
    )
    one(group, "classes", text, type=_names, metavar="A,B")
    text = (
        "watershed: splits what touches, where it narrows; learned: as the network was taught "
        "(default: what the checkpoint says)"
    )
    one(group, "method", text, choices=OBJECT_METHODS)
    text = "learned: how sure an object's deepest pixel must be (default: what the checkpoint says)"
    one(group, "seed", text, type=float, metavar="0-1")
    text = "leave out objects of fewer pixels (default: what the checkpoint says)"
    one(group, "min_size", text, type=partial(_whole, what="number of pixels"), metavar="N")
    text = "leave out what touches the border of the image"
    one(group, "exclude_border", text, action="store_true")
    text = 'with its unit, e.g. "0.25 um" (default: what the file says)'
    one(group, "pixel_size", text, metavar="SIZE")

    text = "Under `accelerate launch`, all processes share the work."
    group = parser.add_argument_group("data set", text)
    add(group, DatasetOptions, ("dataset_name", *DATASET_OPTIONS))
    return parser


def _page(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 0 on nor 'all'")
    return int(text)


def _whole(text: str, least: int = 0, what: str = "number") -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a {what} from {least} on")
    return int(text)


def _names(text: str) -> list[str]:
    try:
        return split_names(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _window(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not two numbers, BLACK,WHITE") from None


# How an option is read where the type of its field is not enough.
READING: dict[str, dict[str, Any]] = {
    "threshold": {"type": read_threshold, "metavar": "P"},
    "tile_size": {"metavar": "N"},
    "output": {"metavar": "FOLDER"},
    "page": {"type": _page, "metavar": "all|N"},
    "channel": {"type": _whole, "metavar": "K"},
    "level": {"type": _whole, "metavar": "L"},
    "alpha": {"metavar": "A"},
    "hidden": {"type": _names, "metavar": "A,B"},
    "window": {"type": _window, "metavar": "BLACK,WHITE"},
    "jobs": {"type": partial(_whole, least=1), "metavar": "N"},
    "device": {"choices": DEVICES},
    "precision": {"choices": PRECISIONS},
    "dataset_name": {"metavar": "NAME", "required": False},
    "dataset_config_name": {"metavar": "NAME"},
    "dataset_revision": {"metavar": "REV"},
    "image_column": {"metavar": "NAME"},
    "push_to_hub": {"metavar": "ORG/NAME"},
    "hub_token": {"metavar": "TOKEN"},
}
