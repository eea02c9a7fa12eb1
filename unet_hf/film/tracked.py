"""`TrackedFilm`: the result of following a film, as tables and files."""

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..files import disk_faults_told, make_folder, write_text
from ..images.pixel_size import PixelSize
from ..tracking import Tracks
from ..tracking.lineage import lineage_svg
from ..tracking.summary import summary
from ..tracking.tracks import Measures, write_table
from .frames import Frames
from .outlines import write_outlines
from .outputs import (
    DEFAULT_FILM_OUTPUTS,
    LINEAGE,
    OUTLINES,
    SUMMARY,
    TABLE,
    TRACKS,
    checked_film_outputs,
)
from .overlay import write_overlay


@dataclass(frozen=True, eq=False)
class TrackedFilm:
    """A film whose objects are followed.

    tracks: See `Tracks`. pixel_size: Of the frames, if it is known. measures: The mean intensity
    of each object in each frame, in the numbers of the file: "intensity", or for several channels
    "intensity_0" and so on. notes: What was inferred.
    frames: The film itself. frame_interval: Seconds between two frames, if they are known.
    """

    name: str
    tracks: Tracks
    pixel_size: PixelSize | None
    measures: Measures
    notes: tuple[str, ...]
    frames: Frames = field(repr=False)
    frame_interval: float | None = None

    def summary(self) -> dict[str, np.ndarray]:
        """A row for each track, see `unet_hf.tracking.summary.summary`."""
        return summary(self.tracks, self.pixel_size, self.measures, self.frame_interval)

    def table(self) -> dict[str, np.ndarray]:
        """A row for each object of each frame, see `Tracks.table`, with its intensity.

        If the pixel size is known, y and x follow in its unit, e.g. y_um, x_um: programs such as
        TrackMate take positions in the unit of the image. If the time between frames is known,
        time_min is last, minutes since the first frame.
        """
        columns = self.tracks.table(self.measures)
        if size := self.pixel_size:
            columns[f"y_{size.ascii_unit}"] = columns["y"] * size.y
            columns[f"x_{size.ascii_unit}"] = columns["x"] * size.x
        if self.frame_interval:
            columns["time_min"] = columns["t"] * self.frame_interval / 60
        return columns

    def save(
        self, folder: str | os.PathLike, *, only: Collection[str] = DEFAULT_FILM_OUTPUTS
    ) -> Path:
        """Writes the result into `folder`, made if missing; each file completely or not at all.

        Args:
            only: What is written: "tables" (`tracks.csv` with a row for each track, `objects.csv`
                with one for each object of each frame), "masks" (`tracks/`, see `Tracks.save`),
                "lineage" (`lineage.svg`, who came from whom), "outlines" (`outlines/`, GeoJSON of
                each frame), "overlay" (`overlay.webp`, the film with the outlines in the colours
                of the tracks; `overlay.zip` of PNG where Pillow writes no WebP).

        Returns:
            The folder.

        Raises:
            ConfigError: `only` names something else, there are more than 65,535 tracks for the
                masks, or the disk takes no file. Files that are there are complete.
        """
        names, folder = checked_film_outputs(only), Path(folder)
        make_folder(folder)
        with disk_faults_told(folder, "The files that are there are complete."):
            for name in names:
                write_output(self, name, folder)
        return folder


def write_output(film: TrackedFilm, name: str, folder: Path) -> None:
    """Writes one of `FILM_OUTPUTS` into a folder; `OSError` is left to who knows the cure."""
    if name == "tables":
        write_table(film.table(), folder / TABLE)
        write_table(film.summary(), folder / SUMMARY)
    elif name == "masks":
        film.tracks.save(folder / TRACKS)
    elif name == "lineage":
        write_text(folder / LINEAGE, lineage_svg(film.tracks, film.name))
    elif name == "outlines":
        write_outlines(film.frames, film.tracks, folder / OUTLINES)
    else:
        write_overlay(film.frames, film.tracks, folder)
