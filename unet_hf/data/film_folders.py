"""Reads films with the masks of some frames, in the layout of the Cell Tracking Challenge."""

import re
from pathlib import Path
from typing import Any

from ..errors import DatasetError
from .film_truth import TRACK_LINES, Divisions, divisions_of, read_track_lines
from .paired_folders import folders_in, pictures_in, table_of_pairs

FILM = re.compile(r"\d\d")
FRAME = re.compile(r"t(\d+)")
MASK = re.compile(r"man_seg_?(\d+)")
SLICE = re.compile(r"man_seg_?\d+_\d+")  # of a frame in three dimensions


def find_films(root: Path) -> tuple[dict[str, Any], list[str], dict[str, float]] | None:
    """Finds splits with the columns image and mask; None if the layout is another one.

    A film is a folder 01 of frames t000.tif ..., and the masks of some of them are
    01_GT/SEG/man_seg000.tif ..., in which the number is the object. Frames without a mask are left
    out: nothing is known of them. The last of several films is the split validation, as the frames
    of one film are alike. Also returns what was inferred, in words, and how often cells divide in a
    split, see `Divisions`, where the truth of its films has tracks with divisions.

    Raises:
        DatasetError: There are tracks but no masks, a mask without its frame, or frames in three
            dimensions.
    """
    names = film_names(root)
    if not names:
        return None
    films = {name: rows for name in names if (rows := _rows(root, name))}
    if not films:
        raise DatasetError(
            f"{root} holds films with tracks, but no masks: there is no {names[0]}_GT/SEG with "
            "man_seg000.tif and others. Markers in TRA may be smaller than the cells; if yours are "
            "whole cells, copy them to SEG under such names."
        )
    findings, splits = [], {"train": [], "validation": []}
    for name, rows in films.items():
        split = split_of(name, [*films])
        splits[split] += rows
        count = len(pictures_in(root / name, "*"))
        findings.append(
            f"{split}: film {name}, {len(rows)} of {count} frames, which have masks of objects"
        )
    rates, counted = _rates(root, {name: split_of(name, [*films]) for name in films})
    tables = {split: table_of_pairs(rows) for split, rows in splits.items() if rows}
    return tables, findings + counted, rates


def film_names(root: Path) -> list[str]:
    """Returns the names of films with a truth, e.g. ["01", "02"], in their order."""
    names = [folder.name for folder in folders_in(root) if FILM.fullmatch(folder.name)]
    return [name for name in names if (root / f"{name}_GT").is_dir()]


def split_of(name: str, films: list[str]) -> str:
    """Returns the split of a film: the last of several is for validation."""
    return "validation" if len(films) > 1 and name == films[-1] else "train"


def _rates(root: Path, splits: dict[str, str]) -> tuple[dict[str, float], list[str]]:
    """How often cells divide in each split, and words for it. splits: by the name of the film."""
    counted: dict[str, Divisions] = {}
    words = []
    for name, split in splits.items():
        path = root / f"{name}_GT" / TRACK_LINES
        if path.is_file():
            try:
                found = divisions_of(read_track_lines(path))
            except DatasetError as error:  # images and masks are as good as any
                words.append(f"how often cells divide is not known: {error}")
                continue
            counted[split] = counted.get(split, Divisions(0, 0)) + found
    rates = {split: found.rate for split, found in counted.items() if found.count}
    for split, found in counted.items():
        kept = "no rate is stored"
        if split in rates:
            kept = f"divisions {rates[split]:g}, which a training on it stores for `track`"
        chances = f"{found.count} of {found.chances:,} cells divide until the next frame"
        words.append(f"{split}: {chances}: {kept}")
    return rates, words


def _rows(root: Path, name: str) -> list[tuple[Path, Path]]:
    """(frame, mask) of each mask of a film."""
    frames = {
        int(found[1]): path
        for path in pictures_in(root / name, "*")
        if (found := FRAME.fullmatch(path.stem))
    }
    rows = []
    for mask in pictures_in(root / f"{name}_GT" / "SEG", "*"):
        if SLICE.fullmatch(mask.stem):
            raise DatasetError(
                f"{mask} is of a frame in three dimensions, and the network sees two. Save its "
                "slices as images and masks of one plane each."
            )
        if found := MASK.fullmatch(mask.stem):
            if int(found[1]) not in frames:
                raise DatasetError(
                    f"{mask} has no frame: there is no t{found[1]}.tif in {root / name}. Add it, "
                    "or remove the mask."
                )
            rows.append((frames[int(found[1])], mask))
    return rows
