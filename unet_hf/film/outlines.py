"""Outlines of the objects of each frame as GeoJSON, in which the number is the track."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..files import make_folder, write_text
from ..images.place import Place
from ..objects.outline_files import geojson_feature, geojson_head
from ..objects.outlines import trace
from ..tracking import Tracks
from ..tracking.colors import as_hex, track_colors
from ..tracking.frames import renumbered
from .frames import Frames


def write_outlines(film: Frames, tracks: Tracks, folder: Path) -> None:
    """Writes `frame000.geojson ...`, each completely or not at all; those of a longer film go."""
    make_folder(folder)
    digits = max(3, len(str(film.count - 1)))
    names = [f"frame{frame:0{digits}d}.geojson" for frame in range(film.count)]
    for old in folder.glob("frame*.geojson"):
        if old.name not in names and old.stem[5:].isdigit():
            old.unlink()
    colors = [as_hex(color) for color in track_colors(tracks)]
    for frame, name in enumerate(names):
        collection = frame_geojson(tracks, frame, film.read(frame).place, colors)
        write_text(folder / name, json.dumps(collection, separators=(",", ":")))


def frame_geojson(
    tracks: Tracks, frame: int, place: Place, colors: Sequence[str]
) -> dict[str, Any]:
    """Returns the objects of a frame as a FeatureCollection that QuPath opens, by their tracks.

    A feature is named "track 12", has the colour of its track, and the properties `track`,
    `parent` (0 for none) and `frame`.

    place: Of the frame in its file; it says the plane. colors: "#rrggbb" of each track.
    """
    objects = tracks.frames[frame]
    # Outlines are traced of objects without gaps in their numbers.
    numbers = np.arange(1, len(objects.ids) + 1)
    outlines = trace(renumbered(tracks.labels[frame], objects.ids, numbers))
    order = np.argsort(objects.tracks)
    features = []
    for index in order.tolist():
        track = int(objects.tracks[index])
        row = int(np.searchsorted(tracks.id, track))
        feature = geojson_feature(track, "track", colors[row], outlines[index], place)
        # The class is one for all; its colour must not be that of whichever track comes last.
        color = feature["properties"].pop("classification")["color"]
        feature["properties"] |= {
            "color": color,
            "track": track,
            "parent": int(tracks.parent[row]),
            "frame": frame,
        }
        features.append(feature)
    return geojson_head(place) | {"features": features}
