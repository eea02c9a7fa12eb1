"""Tracks as files: the layout of the Cell Tracking Challenge, and a table for napari."""

import io
import os
import shutil
import uuid
from pathlib import Path

import numpy as np

from ..errors import ConfigError
from ..files import HIDDEN_PREFIX, write_atomically, write_text
from .tracks import Tracks, renumbered

LARGEST_ID = 2**16 - 1  # of a mask of 16 bits, which the challenge asks for


def save_challenge(tracks: Tracks, folder: Path) -> Path:
    """Writes `mask000.tif ...` and `res_track.txt` as the Cell Tracking Challenge reads them.

    Masks are uint16, compressed by zlib, in track ids. A line of the text is "L B E P": track,
    first frame, last frame, parent or 0. A track of the challenge has no gaps: after a gap it goes
    on under a new id, whose parent is the old one. Such ids follow the last track's.

    The folder gets its name when all files are in it. If it exists, each file in it is replaced
    as a whole, the text last, and masks of a longer film are removed.

    Returns:
        The folder.

    Raises:
        ConfigError: There are more than 65,535 ids, or `folder` is a file.
    """
    pieces = _Pieces(tracks)
    if len(pieces.lines) > LARGEST_ID:
        raise ConfigError(
            f"There are {len(pieces.lines):,} tracks, and masks of 16 bits hold {LARGEST_ID:,}. "
            "Leave out small objects before linking, or save fewer frames."
        )
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file. Name a folder, which may exist or not.")
    digits = max(3, len(str(len(tracks.frames) - 1)))
    folder.parent.mkdir(parents=True, exist_ok=True)
    new = folder.with_name(f"{HIDDEN_PREFIX}{uuid.uuid4().hex}")
    into = folder if folder.exists() else new
    try:
        into.mkdir(exist_ok=True)
        (into / "res_track.txt").unlink(missing_ok=True)  # of other masks
        names = {f"mask{frame:0{digits}d}.tif" for frame in range(len(tracks.frames))}
        for frame, name in enumerate(sorted(names)):
            _write_mask(into / name, pieces.mask(frame))
        for old in into.glob("mask*.tif"):
            if old.name not in names and old.stem[4:].isdigit():
                old.unlink()
        lines = (" ".join(map(str, line)) + "\n" for line in pieces.lines)
        write_text(into / "res_track.txt", "".join(lines))
        if into is new:
            os.replace(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder


def _write_mask(path: Path, mask: np.ndarray) -> None:
    import tifffile

    def write(temporary: Path) -> None:
        # No date and no name of a program: the same tracks give the same bytes.
        tifffile.imwrite(temporary, mask, compression="zlib", metadata=None, software=False)

    write_atomically(path, write)


class _Pieces:
    """Tracks, cut at their gaps. lines: (id, first, last, parent) of each piece, sorted by id."""

    def __init__(self, tracks: Tracks) -> None:
        self._tracks = tracks
        self._numbers: list[np.ndarray] = []  # of each frame's objects
        ends: dict[int, list[int]] = {}  # id -> first, last, parent
        newest = np.concatenate([[0], tracks.id])  # of each track, the piece that was seen last
        count = len(tracks)
        for frame, objects in enumerate(tracks.frames):
            for track in objects.tracks.tolist():
                number = int(newest[track])
                if number not in ends:
                    parent = int(newest[tracks.parent[track - 1]])
                    ends[number] = [frame, frame, parent]
                elif ends[number][1] == frame - 1:
                    ends[number][1] = frame
                else:
                    count += 1
                    newest[track] = count
                    ends[count] = [frame, frame, number]
            self._numbers.append(newest[objects.tracks])
        self.lines = [(number, *ends[number]) for number in sorted(ends)]

    def mask(self, frame: int) -> np.ndarray:
        """Draws the masks of a frame, (H, W) uint16."""
        ids = self._tracks.frames[frame].ids
        labels = self._tracks.labels[frame]
        return renumbered(labels, ids, self._numbers[frame]).astype(np.uint16)


def save_table(tracks: Tracks, path: Path) -> Path:
    """Writes `Tracks.table` as CSV; numbers have seven digits at most."""
    table = tracks.table()
    text = io.StringIO()
    text.write(",".join(table) + "\n")
    for row in zip(*(values.tolist() for values in table.values()), strict=True):
        cells = (f"{value:.7g}" if isinstance(value, float) else str(value) for value in row)
        text.write(",".join(cells) + "\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())
    return path
