"""The tracks as the player reads them: one JSON file of columns, see `player.TracksFile`."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from unet_hf.files import write_text
from unet_hf.film import TrackedFilm
from unet_hf.tracking.colors import as_hex, track_colors


def write_tracks(film: TrackedFilm, path: Path) -> None:
    """Writes them, completely or not at all."""
    write_text(path, json.dumps(tracks_of(film), separators=(",", ":")))


def tracks_of(film: TrackedFilm) -> dict[str, Any]:
    tracks, frames, size = film.tracks, film.tracks.frames, film.pixel_size
    counts = [len(objects.ids) for objects in frames]
    centers = np.concatenate([objects.centers for objects in frames])
    areas = np.concatenate([objects.areas for objects in frames])
    # A film in colour has an intensity for each channel, and the player a curve for one.
    channels = [np.concatenate(values) for values in film.measures.values()]
    intensities = np.nan_to_num(np.mean(channels, axis=0))  # JSON has no NaN
    return {
        "objects": {
            "frame": np.repeat(np.arange(len(frames)), counts).tolist(),
            "id": np.concatenate([objects.ids for objects in frames]).tolist(),
            "track": np.concatenate([objects.tracks for objects in frames]).tolist(),
            "x": centers[:, 1].round(2).tolist(),
            "y": centers[:, 0].round(2).tolist(),
            "area": [float(f"{area:.5g}") for area in areas * (size.x * size.y if size else 1)],
            "intensity": [float(f"{value:.5g}") for value in intensities],
        },
        "area_unit": f"{size.unit}²" if size else "px",
        "tracks": {
            "id": tracks.id.tolist(),
            "parent": tracks.parent.tolist(),
            "first": tracks.first.tolist(),
            "last": tracks.last.tolist(),
            "color": [as_hex(color) for color in track_colors(tracks)],
        },
    }
