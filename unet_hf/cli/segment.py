"""`python -m unet_hf segment`: arguments and words; the work is `batch`'s."""

import argparse
from pathlib import Path
from typing import Any

from ..network.configuration import PRECISIONS
from ..objects.instances import METHODS
from ..predict.outputs import OF_OBJECTS, OUTPUTS, USUAL

DESCRIPTION = """Segments images with a U-Net: files, folders and patterns into a folder, or a whole
data set into one that has masks beside its images. What is finished is not computed again: a run
that was stopped goes on when the same command is given again."""
# Options that belong to one of the two kinds of input, with what they are if not given.
FILE_OPTIONS = {
    "page": None, "axes": None, "channel": None, "level": 0, "only": USUAL, "jobs": 1,
    "device": "auto", "precision": "auto", "tta": False, "large": False,
    "alpha": 0.5, "hidden": (), "outline": False, "window": None,
    "classes": None, "method": None, "min_size": None, "exclude_border": None, "pixel_size": None,
}  # fmt: skip
LOOK_OPTIONS = ("alpha", "hidden", "outline", "window")
OBJECT_OPTIONS = ("classes", "method", "min_size", "exclude_border", "pixel_size")
DATASET_OPTIONS = {
    "dataset_config_name": None, "dataset_revision": None, "split": None, "image_column": None,
    "push_to_hub": None, "private": False, "hub_token": None,
}  # fmt: skip


def run(arguments: list[str]) -> int:
    """0: all images are segmented; 1: some could not be."""
    parser = build_parser()
    given = vars(parser.parse_args(arguments))
    own, other = (
        (DATASET_OPTIONS, FILE_OPTIONS)
        if given["dataset_name"]
        else (FILE_OPTIONS, DATASET_OPTIONS)
    )
    if foreign := [name for name in other if name in given]:
        kind = "files" if given["dataset_name"] else "a data set (--dataset_name)"
        parser.error(f"--{foreign[0]} is for {kind}.")
    if bool(given["files"]) == bool(given["dataset_name"]):
        parser.error("name files and folders, or a data set with --dataset_name.")
    options = own | given
    files, output = options.pop("files"), options.pop("output")
    if options["dataset_name"]:
        if not (output or options["push_to_hub"]):
            parser.error("say where the masks go: --output, --push_to_hub, or both.")
        return _segment_dataset(options, output)
    if not output:
        parser.error("say where the results go: --output.")
    del options["dataset_name"]
    of_objects = [name for name in OBJECT_OPTIONS if options[name] is not None]
    if of_objects and not set(options["only"]) & set(OF_OBJECTS):
        parser.error(f"--{of_objects[0]} is for objects: add e.g. --only mask,objects.")
    return _segment_files(files, output, options)


def _segment_files(files: list[str], output: Path, options: dict[str, Any]) -> int:
    from ..batch.item import BatchOptions
    from ..batch.run import FAILED, RESULTS, segment_files
    from ..predict.overlay import Look

    objects = {name: options.pop(name) for name in OBJECT_OPTIONS}
    objects = {name: value for name, value in objects.items() if value is not None}
    look = Look(**{name: options.pop(name) for name in LOOK_OPTIONS})
    outputs = options.pop("only")
    settings = BatchOptions(outputs=outputs, objects=objects, look=look, **options)
    batch = segment_files(files, output, settings)
    print(batch.summary())
    print(f"areas: {output / RESULTS}")
    if batch.failures:
        print(f"failed: {output / FAILED}")
    return int(bool(batch.failures))


def _segment_dataset(options: dict[str, Any], output: Path | None) -> int:
    from ..batch.dataset.options import DatasetOptions
    from ..batch.dataset.segment import segment_dataset

    done = segment_dataset(DatasetOptions(**options, output=output))
    if done is None:  # not the first of several processes
        return 0
    print(done.summary())
    return int(bool(done.failures))


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m unet_hf segment", description=DESCRIPTION, allow_abbrev=False
    )
    _add_model_options(parser.add_argument_group("model and results"))
    _add_file_options(parser.add_argument_group("files"))
    _add_object_options(
        parser.add_argument_group(
            "objects of files", f"With --only and one of {', '.join(OF_OBJECTS)}."
        )
    )
    _add_dataset_options(
        parser.add_argument_group(
            "data set", "Under `accelerate launch`, all processes share the work."
        )
    )
    return parser


def _add_model_options(group: argparse._ArgumentGroup) -> None:
    _add(group, "model", "shipped name, folder, or Hub id org/name", required=True)
    _add(group, "revision", "branch, tag or commit of the model")
    _add(
        group,
        "threshold",
        "two classes: class 1 begins above this probability (default: the checkpoint's)",
        type=float,
        metavar="P",
    )
    _add(
        group,
        "tile_size",
        "side of what the network sees at once, in pixels; less needs less memory (default: the "
        "checkpoint's; of images by windows, what 400 MB allow)",
        type=int,
        metavar="N",
    )
    _add(group, "output", "where the results go", type=Path, metavar="FOLDER")
    _add(
        group,
        "overwrite",
        "compute everything again, and replace files of the same names",
        action="store_true",
    )


def _add_file_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "files",
        nargs="*",
        metavar="FILES",
        help="image files, folders (all images beneath) and patterns",
    )
    # What was not given is left out, so that what belongs to the other kind can be told.
    left_out = {"default": argparse.SUPPRESS}
    text = "one page of those with several, counted from 0 (default: all)"
    _add(group, "page", text, type=_page, metavar="all|N", **left_out)
    _add(group, "axes", "what the axes of TIFF and NPY files are, e.g. CYX", **left_out)
    text = "one channel of those with several, counted from 0, as a gray image (default: all)"
    _add(group, "channel", text, type=_number, metavar="K", **left_out)
    text = "one resolution of pyramids (TIFF, OME-Zarr), counted from 0, the finest (default: 0)"
    _add(group, "level", text, type=_number, metavar="L", **left_out)
    text = f"what is written, with commas between (default: {','.join(USUAL)})"
    _add(group, "only", text, type=_outputs, metavar=",".join(OUTPUTS), **left_out)
    text = "strength of the overlay's colours, 0 to 1 (default: 0.5)"
    _add(group, "alpha", text, type=float, metavar="A", **left_out)
    text = "names or ids of classes that the overlay leaves out, with commas between"
    _add(group, "hidden", text, type=_names, metavar="A,B", **left_out)
    text = "the overlay has the borders of classes, two pixels thick, instead of their pixels"
    _add(group, "outline", text, action="store_true", **left_out)
    text = (
        "what the overlay draws black and white, in the image's own values (default: 8 bits as "
        "they are, others between their 0.5 and 99.5 percentiles)"
    )
    _add(group, "window", text, type=_window, metavar="BLACK,WHITE", **left_out)
    text = (
        "processes, each with a model and a share of the cores (default: 1 with all of them; "
        "probabilities are rounded otherwise on another number of cores, by about 1e-7)"
    )
    _add(group, "jobs", text, type=_jobs, metavar="N", **left_out)
    text = (
        "all images by windows, in flat memory, with masks as tiled TIFF (default: TIFF and NPY "
        "of more than 67 million pixels, unless objects are asked for); no overlay then"
    )
    _add(group, "large", text, action="store_true", **left_out)
    text = "default: a GPU if there is one"
    _add(group, "device", text, choices=("auto", "cpu", "cuda"), **left_out)
    text = "of the network's arithmetic (default: what the device is fast in)"
    _add(group, "precision", text, choices=PRECISIONS, **left_out)
    text = "the mean over all eight turns and flips of each image: eight times as slow"
    _add(group, "tta", text, action="store_true", **left_out)


def _add_object_options(group: argparse._ArgumentGroup) -> None:
    left_out = {"default": argparse.SUPPRESS}
    text = "names or ids, with commas between (default: all but class 0)"
    _add(group, "classes", text, type=_names, metavar="A,B", **left_out)
    text = "watershed: parts what touches, where it narrows (default: components)"
    _add(group, "method", text, choices=METHODS, **left_out)
    text = "leave out objects of fewer pixels (default: 0)"
    _add(group, "min_size", text, type=_size, metavar="N", **left_out)
    text = "leave out what touches the border of the image"
    _add(group, "exclude_border", text, action="store_true", **left_out)
    text = 'with its unit, e.g. "0.25 um" (default: what the file says)'
    _add(group, "pixel_size", text, metavar="SIZE", **left_out)


def _add_dataset_options(group: argparse._ArgumentGroup) -> None:
    left_out = {"default": argparse.SUPPRESS}
    _add(group, "dataset_name", "Hub id, folder or .parquet file", metavar="NAME")
    _add(group, "dataset_config_name", "its configuration", metavar="NAME", **left_out)
    _add(group, "dataset_revision", "its branch, tag or commit", metavar="REV", **left_out)
    _add(group, "split", "one split (default: all)", **left_out)
    text = "the column of images, if its name does not tell"
    _add(group, "image_column", text, metavar="NAME", **left_out)
    text = "push images and masks to this data set"
    _add(group, "push_to_hub", text, metavar="ORG/NAME", **left_out)
    _add(group, "private", "create it as a private one", action="store_true", **left_out)
    text = "by default that of `hf auth login`"
    _add(group, "hub_token", text, metavar="TOKEN", **left_out)


def _add(group: argparse._ArgumentGroup, name: str, text: str, **options: Any) -> None:
    """An option in both spellings."""
    flags = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
    group.add_argument(*flags, dest=name, help=text, **options)


def _page(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number from 0 on nor 'all'")
    return int(text)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return int(text)


def _outputs(text: str) -> tuple[str, ...]:
    asked = [part.strip() for part in text.split(",")]
    if unknown := [part for part in asked if part not in OUTPUTS]:
        raise argparse.ArgumentTypeError(
            f"there is no {unknown[0]!r}; there are {', '.join(OUTPUTS)}"
        )
    return tuple(output for output in OUTPUTS if output in asked)


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _window(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not two numbers, BLACK,WHITE") from None


def _size(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of pixels from 0 on")
    return int(text)


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)
