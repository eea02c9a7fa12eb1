"""`python -m unet_hf track`: a film to its objects, followed through time."""

import argparse
import inspect
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..batch.options import DEVICES, found_device
from ..batch.progress import Progress
from ..errors import ConfigError
from ..film.interval import read_interval
from ..film.outputs import DEFAULT_FILM_OUTPUTS, FILM_OUTPUTS
from ..network.configuration import OBJECT_METHODS, PRECISIONS
from ..tracking import link
from .options import (
    add_option,
    command_parser,
    open_checkpoint,
    outputs_reader,
    read_threshold,
)

DESCRIPTION = """Segments the frames of a film and follows their objects. A run that was stopped or
killed goes on when the same command is given again."""
WORDS = {
    "tables": ("tracks", "objects of each frame"),
    "masks": ("masks in the layout of the Cell Tracking Challenge",),
    "lineage": ("who came from whom",),
    "outlines": ("outlines of each frame",),
    "overlay": ("the film with outlines", "the film with outlines, as PNG"),
}  # of the files in `FILM_OUTPUTS`
LINKING = {
    "divisions": "how often cells divide, as a share of the cells of a frame; 0: never",
    "gaps": "frames in which an object may be missing and still be the same afterwards",
    "max_distance": "how far from its expected place an object may be, in sizes of it",
    "position_spread": "how far it usually is from there, in sizes of it",
    "area_spread": "how much its area usually changes from frame to frame: 0.2 for 20 %%",
    "turnover": "chance that an object vanishes or appears in a frame, away from the border",
}
SEGMENTING = ("axes", "channel", "threshold", "tile_size", "precision")
OBJECTS = ("method", "seed", "min_size", "pixel_size")


def run(arguments: list[str]) -> int:
    given = _parser().parse_args(arguments)
    device = found_device(given.device)  # before a checkpoint is downloaded
    model = open_checkpoint(given)[0].to(device)
    options = vars(given)

    def chosen(names: Any) -> dict[str, Any]:
        return {name: options[name] for name in names if name in options}

    bar: Progress | None = None
    with ExitStack() as stack:

        def progress(done: int, frames: int) -> None:
            nonlocal bar
            bar = bar or stack.enter_context(Progress(frames, "frame"))
            while bar.done < done:
                bar.step()

        try:
            tracked = model.track(
                given.film,
                output=given.output,
                objects=chosen(OBJECTS),
                linking=chosen(LINKING),
                frame_interval=given.frame_interval,
                only=given.only,
                progress=progress,
                **chosen(SEGMENTING),
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt("stopped. The same command goes on.") from None
    for note in tracked.notes:
        print(f"note: {note}")
    if tracked.frame_interval is None:
        print(
            "speeds are for each frame: the film does not say how much time lies between two; "
            "--frame_interval says it"
        )
    tracks = tracked.tracks
    print(f"{len(tracks.frames)} frames, {len(tracks)} tracks, {tracks.divisions} divisions")
    for output in given.only:
        for path, words in zip(FILM_OUTPUTS[output], WORDS[output], strict=True):
            if (given.output / path).exists():
                print(f"{words}: {given.output / path}")
    return 0


def _interval(text: str) -> float:
    try:
        return read_interval(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("track", DESCRIPTION)
    parser.add_argument(
        "film", help="a stack, an animation, or a folder with an image for each frame"
    )
    parser.add_argument("--model", required=True, help="shipped name, folder or Hub id")
    parser.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    parser.add_argument("--output", required=True, type=Path, help="folder for the results")

    def add(name: str, text: str, **keywords: Any) -> None:
        add_option(parser, name, text, default=argparse.SUPPRESS, **keywords)

    text = f"what is written, with commas between (default: {','.join(DEFAULT_FILM_OUTPUTS)})"
    reader, names = outputs_reader(FILM_OUTPUTS), ",".join(FILM_OUTPUTS)
    add_option(parser, "only", text, type=reader, metavar=names, default=DEFAULT_FILM_OUTPUTS)
    text = "time between two frames, e.g. 5min, 300s or 0.5h (default: as the file says)"
    add_option(parser, "frame_interval", text, type=_interval)
    add_option(
        parser,
        "device",
        "auto: a GPU if there is one (default: auto)",
        choices=DEVICES,
        default="auto",
    )
    add("axes", "meaning of the axes of a stack, e.g. TYX (default: as the file says)")
    add("channel", "the only channel to use, counted from 0 (default: all)", type=int)
    text = "two classes: overrides the checkpoint's; or few_missed, as in `segment`"
    add("threshold", text, type=read_threshold)
    add("tile_size", "overrides the checkpoint's", type=int)
    add("precision", "(default: auto)", choices=PRECISIONS)
    add("method", "how objects are told apart (default: the checkpoint's)", choices=OBJECT_METHODS)
    add("seed", "method learned: how sure an object's deepest pixel must be", type=float)
    add("min_size", "leave out objects of fewer pixels (default: the checkpoint's)", type=int)
    add("pixel_size", 'with its unit, e.g. "0.25 um" (default: what the file says)')
    defaults = inspect.signature(link).parameters
    for name, text in LINKING.items():
        usual = defaults[name].default
        own = "the checkpoint's, otherwise " if name == "divisions" else ""
        add(name, f"{text} (default: {own}{usual})", type=type(usual))
    return parser
