"""`summary`: a row for each track, from where its objects were in each frame."""

import numpy as np

from ..images.pixel_size import PixelSize
from .tracks import Measures, Tracks


def summary(
    tracks: Tracks,
    pixel_size: PixelSize | None = None,
    measures: Measures | None = None,
    frame_interval: float | None = None,
) -> dict[str, np.ndarray]:
    """Measures each track.

    Columns: track_id; parent, 0 for none; first and last frame, from 0; frames in which it was
    seen; path_px, the length of the way through the centres of its objects; displacement_px, from
    the first centre to the last; speed_px, the path by the frames that it took (0 for a track of
    one frame); area_px, the mean. If the pixel size is known, the last four follow in its unit,
    e.g. path_um, area_um2. `measures`, see `Tracks.table`, come last, as means.

    frame_interval: Seconds between two frames. If they are known, first_min and last_min come after
    frames, minutes since the first frame of the film; and speeds are for each minute in place of
    each frame, and are named so: speed_px_per_min, speed_um_per_min.
    """
    table = tracks.table(measures)
    count = len(tracks)
    of_track = np.searchsorted(tracks.id, table["track_id"])  # an index
    seen = np.bincount(of_track, minlength=count)
    took = np.maximum(tracks.last - tracks.first, 1)
    columns = {
        "track_id": tracks.id,
        "parent": tracks.parent,
        "first": tracks.first,
        "last": tracks.last,
        "frames": seen,
    }
    per, minutes = "", 1.0
    if frame_interval:
        per, minutes = "_per_min", frame_interval / 60
        columns |= {f"{end}_min": columns[end] * minutes for end in ("first", "last")}
    scales = [("px", 1.0, 1.0)]
    if pixel_size:
        scales.append((pixel_size.ascii_unit, pixel_size.y, pixel_size.x))
    begins = np.searchsorted(of_track, np.arange(count))
    ends = begins + seen - 1
    for unit, height, width in scales:
        y, x = table["y"] * height, table["x"] * width
        steps = np.hypot(np.diff(y), np.diff(x)) * (of_track[1:] == of_track[:-1])
        path = np.bincount(of_track[1:], steps, minlength=count)
        area = np.bincount(of_track, table["area"], minlength=count) / np.maximum(seen, 1)
        columns |= {
            f"path_{unit}": path,
            f"displacement_{unit}": np.hypot(y[ends] - y[begins], x[ends] - x[begins]),
            f"speed_{unit}{per}": path / (took * minutes),
            f"area_{unit}" + ("" if unit == "px" else "2"): area * height * width,
        }
    for name in measures or {}:
        total = np.bincount(of_track, table[name], minlength=count)
        columns[name] = total / np.maximum(seen, 1)
    return columns
