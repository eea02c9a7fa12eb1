"""Tracks of true films in the layout of the Cell Tracking Challenge: their lines, and how often
cells divide."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DatasetError

TRACK_LINES = Path("TRA", "man_track.txt")  # in 01_GT


@dataclass(frozen=True)
class Divisions:
    """How often cells divide.

    count: Divisions. chances: Cells in frames that have a next one, in which each of them goes on,
    divides or vanishes.
    """

    count: int
    chances: int

    def __add__(self, other: "Divisions") -> "Divisions":
        return Divisions(self.count + other.count, self.chances + other.chances)

    @property
    def rate(self) -> float:
        """Divisions by cell and frame, as `unet_hf.tracking.link` takes it: three digits."""
        return float(f"{self.count / max(self.chances, 1):.3g}")


def read_track_lines(path: Path) -> np.ndarray:
    """Reads lines "L B E P": track, first frame, last frame, parent or 0. Returns (n, 4) int64.

    Raises:
        DatasetError: It is something else, or cannot be read.
    """
    try:
        rows = [[int(word) for word in line.split()] for line in path.read_text().splitlines()]
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read ({error}). {_expected()}") from error
    rows = [row for row in rows if row]
    for row in rows:
        if len(row) != 4 or not (row[0] > 0 and 0 <= row[1] <= row[2] and row[3] >= 0):
            raise DatasetError(f"{path} has the line {' '.join(map(str, row))!r}. {_expected()}")
    return np.array(rows, np.int64).reshape(-1, 4)


def divisions_of(lines: np.ndarray) -> Divisions:
    """Counts the divisions of a film. lines: (n, 4), see `read_track_lines`.

    A parent of two or more tracks has divided. A parent of one goes on after a gap.
    """
    if not len(lines):
        return Divisions(0, 0)
    _, first, last, parent = lines.T
    _, heirs = np.unique(parent[parent > 0], return_counts=True)
    followed = np.minimum(last, last.max() - 1) - first + 1  # frames that have a next one
    return Divisions(int((heirs > 1).sum()), int(followed.sum()))


def _expected() -> str:
    return (
        "A line of it is four whole numbers: a track, its first and last frame, counted from 0, "
        "and its parent or 0."
    )
