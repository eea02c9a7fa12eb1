"""Tracks as files of the Cell Tracking Challenge."""

import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..errors import ConfigError
from ..files import HIDDEN_PREFIX, make_folder, write_atomically, write_text
from .frames import FrameObjects, renumbered

LARGEST_ID = 2**16 - 1  # of a mask of 16 bits, which the challenge asks for


def save_challenge(
    frames: Sequence[FrameObjects],
    ids: np.ndarray,
    parents: np.ndarray,
    labels: Sequence[np.ndarray] | np.ndarray,
    folder: Path,
) -> None:
    """Writes tracks as files, see `Tracks.save`. ids, parents: (n,) of the tracks."""
    pieces = _Pieces(frames, dict(zip(ids.tolist(), parents.tolist(), strict=True)))
    if pieces.largest > LARGEST_ID:
        raise ConfigError(
            f"The largest of {len(pieces.lines):,} ids is {pieces.largest:,}, and masks of 16 bits "
            f"hold {LARGEST_ID:,}. Leave out small objects before linking, or save fewer frames."
        )
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file. Name a folder, which may exist or not.")
    digits = max(3, len(str(len(frames) - 1)))
    make_folder(folder.parent)
    new = folder.with_name(f"{HIDDEN_PREFIX}{uuid.uuid4().hex}")
    into = folder if folder.exists() else new
    try:
        into.mkdir(exist_ok=True)
        (into / "res_track.txt").unlink(missing_ok=True)  # of other masks
        names = {f"mask{frame:0{digits}d}.tif" for frame in range(len(frames))}
        for frame, name in enumerate(sorted(names)):
            mask = renumbered(labels[frame], frames[frame].ids, pieces.of_objects[frame])
            write_labels(into / name, mask.astype(np.uint16))
        for old in into.glob("mask*.tif"):
            if old.name not in names and old.stem[4:].isdigit():
                old.unlink()
        lines = (" ".join(map(str, line)) + "\n" for line in pieces.lines)
        write_text(into / "res_track.txt", "".join(lines))
        if into is new:
            os.replace(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def write_labels(path: Path, labels: np.ndarray) -> None:
    """Writes (H, W) integers as TIFF, completely or not at all."""
    import tifffile

    def write(temporary: Path) -> None:
        # No date and no name of a program: the same labels give the same bytes.
        tifffile.imwrite(temporary, labels, compression="zlib", metadata=None, software=False)

    write_atomically(path, write)


class _Pieces:
    """Tracks, cut at their gaps.

    lines: (id, first, last, parent) of each piece, sorted by id.
    largest: The largest id.
    of_objects: For each frame, the pieces that its objects belong to, (n,) int64.
    """

    def __init__(self, frames: Sequence[FrameObjects], mothers: Mapping[int, int]) -> None:
        ends: dict[int, list[int]] = {}  # id -> first, last, parent
        self.largest = max(mothers, default=0)
        newest = np.arange(self.largest + 1)  # of each track, the piece that was seen last
        self.of_objects: list[np.ndarray] = []
        for frame, objects in enumerate(frames):
            for track in objects.tracks.tolist():
                number = int(newest[track])
                if number not in ends:
                    ends[number] = [frame, frame, int(newest[mothers[track]])]
                elif ends[number][1] == frame - 1:
                    ends[number][1] = frame
                else:
                    self.largest += 1
                    newest[track] = self.largest
                    ends[self.largest] = [frame, frame, number]
            self.of_objects.append(newest[objects.tracks])
        self.lines = [(number, *ends[number]) for number in sorted(ends)]
