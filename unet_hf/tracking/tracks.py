"""`Tracks`: the result of linking, as tables, masks and files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..files import make_folder, write_text
from .challenge import save_challenge
from .corrections import corrected
from .frames import FrameObjects, renumbered

Measures = Mapping[str, Sequence[np.ndarray]]


@dataclass(frozen=True, eq=False)
class Tracks:
    """The objects of a film, linked: a track is one cell, from its birth to its division or end.

    id: (n,) int64, ascending. `link` numbers tracks from 1 to n in the order in which they begin.
    parent: (n,) int64, the track that divided into this one and another; 0 if none did.
    first, last: (n,) int64, frames from 0. A track may miss frames between.
    frames: The objects of each frame, with their tracks.
    shape: Height and width of the frames.
    labels: The frames that were linked, (H, W) integers each.
    """

    id: np.ndarray
    parent: np.ndarray
    first: np.ndarray
    last: np.ndarray
    frames: tuple[FrameObjects, ...] = field(repr=False)
    shape: tuple[int, int]
    labels: Sequence[np.ndarray] = field(repr=False)

    def __len__(self) -> int:
        return len(self.id)

    @property
    def divisions(self) -> int:
        """The number of tracks that end in a division."""
        return len(np.unique(self.parent[self.parent > 0]))

    def relabelled(self, frame: int) -> np.ndarray:
        """Returns the masks of a frame in track ids, (H, W).

        The type is uint16, or uint32 if an id is above 65,535.

        Raises:
            ConfigError: There is no such frame.
        """
        if not 0 <= frame < len(self.frames):
            raise ConfigError(
                f"There is no frame {frame}: the film has {len(self.frames)}, counted from 0."
            )
        dtype = np.uint16 if self.id.max(initial=0) < 2**16 else np.uint32
        objects = self.frames[frame]
        return renumbered(self.labels[frame], objects.ids, objects.tracks).astype(dtype)

    def corrected(self, edits: Iterable[Mapping[str, Any]]) -> "Tracks":
        """Returns the tracks with links cut and joined by hand, in the order of `edits`.

        `{"kind": "join", "from": [frame, object], "to": [frame, object]}` says that the earlier
        object became the later one. What the later one was linked to before is cut. If the earlier
        one has become another object, too, it divides into both.
        `{"kind": "cut", "object": [frame, object]}` says that this object begins a track. Frames
        count from 0, and an object has its number in `labels`.

        Tracks keep their ids where they begin as before, and new ones follow the last; so ids may
        have gaps.

        Raises:
            ConfigError: There is no such object, the first one is not in the earlier frame, they
                are joined already, the earlier one has two daughters, or the one to cut has no
                link.
        """
        frames, ids, parents = corrected(self.frames, self.id, self.parent, edits)
        seen = np.concatenate([objects.tracks for objects in frames])
        index = np.searchsorted(ids, seen)
        frame = np.repeat(np.arange(len(frames)), [len(objects.ids) for objects in frames])
        first, last = np.full(len(ids), len(frames)), np.zeros(len(ids), np.int64)
        np.minimum.at(first, index, frame)
        np.maximum.at(last, index, frame)
        return Tracks(ids, parents, first, last, frames, self.shape, self.labels)

    def table(self, measures: Measures | None = None) -> dict[str, np.ndarray]:
        """Returns a row for each object of each frame: column name -> (rows,) array.

        measures: More columns: name -> for each frame, a value for each of its objects, in the
        order of `FrameObjects.ids`.

        Columns: track_id, t (frame), y, x (pixels), area (pixels), parent (track id, 0 for none);
        the first four are what napari's tracks layer reads. Rows are sorted by track and frame.
        """
        counts = [len(objects.ids) for objects in self.frames]
        track = np.concatenate([objects.tracks for objects in self.frames])
        frame = np.repeat(np.arange(len(self.frames)), counts)
        centers = np.concatenate([objects.centers for objects in self.frames])
        areas = np.concatenate([objects.areas for objects in self.frames])
        order = np.lexsort([frame, track])
        columns = {
            "track_id": track,
            "t": frame,
            "y": centers[:, 0],
            "x": centers[:, 1],
            "area": areas.astype(np.int64),
            "parent": self.parent[np.searchsorted(self.id, track)],
        }
        for name, values in (measures or {}).items():
            columns[name] = np.concatenate(values)
        return {name: values[order] for name, values in columns.items()}

    def save(self, folder: str | Path) -> Path:
        """Writes the layout of the Cell Tracking Challenge; returns the folder.

        `mask000.tif ...` are uint16 in track ids, compressed by zlib. A line of `res_track.txt` is
        "L B E P": track, first frame, last frame, parent or 0. A track of the challenge has no
        gaps: after a gap it goes on under a new id, whose parent is the old one. Such ids follow
        the last track's.

        A new folder gets its name when all files are in it. In one that exists, each file is
        replaced as a whole, the text last, and masks of a longer film are removed.

        Raises:
            ConfigError: An id would be above 65,535, or `folder` is a file.
        """
        save_challenge(self.frames, self.id, self.parent, self.labels, Path(folder))
        return Path(folder)

    def save_table(self, path: str | Path, measures: Measures | None = None) -> Path:
        """Writes `table` as CSV, completely or not at all; returns the path.

        The first four columns are those of napari's tracks layer. Numbers have seven digits.
        """
        return write_table(self.table(measures), Path(path))


def write_table(columns: Mapping[str, np.ndarray], path: Path) -> Path:
    """Writes columns of equal length as CSV, see `Tracks.save_table`; returns the path."""
    lines = [",".join(columns)]
    for row in zip(*(values.tolist() for values in columns.values()), strict=True):
        cells = (f"{value:.7g}" if isinstance(value, float) else str(value) for value in row)
        lines.append(",".join(cells))
    make_folder(path.parent)
    write_text(path, "\n".join(lines) + "\n")
    return path
