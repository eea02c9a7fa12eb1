"""What a visitor takes home of a film: tables and masks, how it was done, pictures, outlines."""

import json
import shlex
from pathlib import Path
from shutil import rmtree
from typing import Any

from unet_hf.errors import how_to_install
from unet_hf.files import write_atomically
from unet_hf.film import TrackedFilm

from ..server import archives
from ..server.checkpoints.taught import is_taught
from ..server.recipe import HOW_TAKEN_HOME, at_home
from .following import Asked
from .linked import Edits

LONGEST = 60  # letters of a film's name in those of its files
FILM = "film"  # what the visitor's film is called in the command that gives the same


def write_file(
    kind: str, film: TrackedFilm, folder: Path, asked: Asked, edits: Edits, left_out: list[str]
) -> Path:
    """Writes one file into an empty folder; returns its path. Its name begins with the film's, as
    downloads of several films lie in one folder.

    kind: "everything", see `pack_film`; "lineage", "outlines" (a zip) or "overlay", see
    `TrackedFilm.save`.
    """
    of = Path(film.name).stem[:LONGEST]
    if kind == "everything":
        return pack_film(film, folder / f"{of}_tracks.zip", asked, edits, left_out)
    film.save(folder, only=[kind])
    (made,) = folder.iterdir()
    if made.is_file():
        return made.rename(folder / f"{of}_{made.name}")
    packed = folder / f"{of}_{made.name}.zip"
    files = sorted(file.relative_to(folder).as_posix() for file in made.iterdir())
    write_atomically(packed, lambda file: archives.pack(folder, iter(files), file, {}))
    rmtree(made)
    return packed


def pack_film(
    film: TrackedFilm, path: Path, asked: Asked, edits: Edits, left_out: list[str]
) -> Path:
    """Writes what `TrackedFilm.save` does as a zip, with notes and the command; returns its path.

    left_out: A line for each file that is no image.
    """
    folder = path.with_suffix(".unpacked")
    try:
        film.save(folder)
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        names = (file.relative_to(folder).as_posix() for file in files)
        texts = {"reproduce.txt": reproduction(asked, bool(edits))}
        if edits:
            texts["corrections.json"] = json.dumps(edits, indent=1) + "\n"
        if notes := [*film.notes, *left_out]:
            texts["notes.txt"] = "\n".join(notes) + "\n"
        write_atomically(path, lambda file: archives.pack(folder, names, file, texts))
    finally:
        rmtree(folder, ignore_errors=True)
    return path


def reproduction(asked: Asked, edited: bool) -> str:
    """The command line that follows the film in the same way."""
    options: dict[str, Any] = {
        "model": at_home(asked.model),
        "threshold": asked.threshold,
        "axes": asked.axes,
        "channel": asked.channel,
        "divisions": asked.divisions,
        "seed": asked.seed,
        "min_size": asked.min_size,
        "pixel_size": asked.pixel_size or None,
        "frame_interval": asked.interval,
        "output": "out",
    }
    words = ["python", "-m", "unet_hf", "track", FILM]
    for name, value in options.items():
        words += [] if value is None else [f"--{name}", str(value)]
    lines = [
        f"# This follows the same film: a file or a folder of frames, {FILM!r}. It needs what",
        f"# finds objects. {how_to_install('objects')}",
    ]
    if is_taught(asked.model):
        lines += HOW_TAKEN_HOME.splitlines()
    if edited:
        lines += [
            "# What was corrected by hand is in corrections.json:",
            '# tracked.tracks.corrected(json.load(open("corrections.json"))) in Python.',
        ]
    return "\n".join([*lines, shlex.join(words)]) + "\n"
