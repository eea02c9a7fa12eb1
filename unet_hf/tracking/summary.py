"""`summary`: a row for each track, from where its objects were in each frame."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..files import write_text
from ..images.pixel_size import PixelSize
from .tracks import Tracks


def summary(tracks: Tracks, pixel_size: PixelSize | None = None) -> dict[str, np.ndarray]:
    """Measures each track.

    Columns: track_id; parent, 0 for none; first and last frame, from 0; frames in which it was
    seen; path_px, the length of the way through the centres of its objects; displacement_px, from
    the first centre to the last; speed_px, the path by the frames that it took (0 for a track of
    one frame); area_px, the mean. If the pixel size is known, the last four follow in its unit,
    e.g. path_um, area_um2.
    """
    table = tracks.table()
    of_track, count = table["track_id"], len(tracks)
    seen = np.bincount(of_track, minlength=count + 1)[1:]
    took = np.maximum(tracks.last - tracks.first, 1)
    columns = {
        "track_id": tracks.id,
        "parent": tracks.parent,
        "first": tracks.first,
        "last": tracks.last,
        "frames": seen,
    }
    scales = [("px", 1.0, 1.0)]
    if pixel_size:
        scales.append((pixel_size.ascii_unit, pixel_size.y, pixel_size.x))
    begins = np.searchsorted(of_track, tracks.id)
    ends = begins + seen - 1
    for unit, height, width in scales:
        y, x = table["y"] * height, table["x"] * width
        steps = np.hypot(np.diff(y), np.diff(x)) * (of_track[1:] == of_track[:-1])
        path = np.bincount(of_track[1:], steps, minlength=count + 1)[1:]
        area = np.bincount(of_track, table["area"], minlength=count + 1)[1:] / np.maximum(seen, 1)
        columns |= {
            f"path_{unit}": path,
            f"displacement_{unit}": np.hypot(y[ends] - y[begins], x[ends] - x[begins]),
            f"speed_{unit}": path / took,
            f"area_{unit}" + ("" if unit == "px" else "2"): area * height * width,
        }
    return columns


def save_summary(columns: Mapping[str, np.ndarray], path: Path) -> None:
    """Writes a table as CSV, completely or not at all. Numbers have seven digits."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*(values.tolist() for values in columns.values()), strict=True):
        writer.writerow(f"{cell:.7g}" if isinstance(cell, float) else cell for cell in row)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text.getvalue())
