"""`Tracks`: the result of linking, as tables, masks and files."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import ConfigError


@dataclass(frozen=True, eq=False)
class FrameObjects:
    """The n objects of a frame.

    ids: (n,) int64, their values in the frame that was linked, ascending.
    tracks: (n,) int64, the tracks that they belong to.
    areas: (n,) float64, pixels.
    centers: (n, 2) float64, y and x in pixels; the centre of the first pixel is (0, 0), as napari
        has it.
    """

    ids: np.ndarray
    tracks: np.ndarray
    areas: np.ndarray
    centers: np.ndarray


@dataclass(frozen=True, eq=False)
class Tracks:
    """The objects of a film, linked: a track is one cell, from its birth to its division or end.

    id: (n,) int64, 1 to n, in the order in which the tracks begin.
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

        The type is uint16, or uint32 if there are more than 65,535 tracks.

        Raises:
            ConfigError: There is no such frame.
        """
        if not 0 <= frame < len(self.frames):
            raise ConfigError(
                f"There is no frame {frame}: the film has {len(self.frames)}, counted from 0."
            )
        dtype = np.uint16 if len(self) < 2**16 else np.uint32
        objects = self.frames[frame]
        return renumbered(self.labels[frame], objects.ids, objects.tracks).astype(dtype)

    def table(self) -> dict[str, np.ndarray]:
        """Returns a row for each object of each frame: column name -> (rows,) array.

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
            "parent": self.parent[track - 1],
        }
        return {name: values[order] for name, values in columns.items()}

    def save(self, folder: str | Path) -> Path:
        """Writes the layout of the Cell Tracking Challenge; see `save_challenge`."""
        from .challenge import save_challenge

        return save_challenge(self, Path(folder))

    def save_table(self, path: str | Path) -> Path:
        """Writes `table()` as CSV, completely or not at all; napari opens it as tracks."""
        from .challenge import save_table

        return save_table(self, Path(path))


def renumbered(frame: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Returns a frame with other values, (H, W) int64. old: (n,) ascending, all that are in it."""
    if not len(old):
        return np.zeros(frame.shape, np.int64)
    index = np.searchsorted(old, frame.astype(np.int64)).clip(max=len(old) - 1)
    return np.where(frame == 0, 0, new[index])
