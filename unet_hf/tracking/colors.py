"""Colours of tracks: a track has the same one in every frame and in every picture."""

import colorsys

import numpy as np

GOLDEN = 0.618034  # steps of the golden ratio around the hue circle never repeat a hue
LIGHTNESS = (0.5, 0.65)  # of even and odd ids; both are seen on black, on gray and on white
SATURATION = 0.85


def track_color(track: int) -> str:
    """Returns the colour of a track as "#rrggbb". track: its id, from 1."""
    rgb = colorsys.hls_to_rgb(track * GOLDEN % 1, LIGHTNESS[track % 2], SATURATION)
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def track_colors(count: int) -> np.ndarray:
    """Returns the colours of the tracks 0 to `count`, (count + 1, 3) uint8; 0 is no track."""
    colors = [track_color(track)[1:] for track in range(1, count + 1)]
    return np.frombuffer(bytes(3) + bytes.fromhex("".join(colors)), np.uint8).reshape(-1, 3)
