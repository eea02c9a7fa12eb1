"""Colour maps, by name: the browser draws with these, and Python the files to take home."""

import numpy as np

from unet_hf.errors import ConfigError
from unet_hf.predict.overlay import color_table

# Evenly spaced stops. Viridis and cividis are ordered in lightness and safe for colour-blind
# eyes; probability and uncertainty are told apart by their hues.
MAPS = {
    "Gray": ["#000000", "#ffffff"],
    "Inverted": ["#ffffff", "#000000"],
    "Viridis": [
        "#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30",
        "#fde725",
    ],
    "Cividis": [
        "#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369",
        "#e1cc55", "#fee838",
    ],
    "Inferno": [
        "#000004", "#1b0c41", "#4a0c6b", "#781c6d", "#a52c60", "#cf4446", "#ed6925", "#fb9b06",
        "#f7d13d", "#fcffa4",
    ],
    "Green": ["#000000", "#00ff00"],
}  # fmt: skip
PLAIN = "Gray"
HEAT = {"probability": "Viridis", "uncertainty": "Inferno"}  # by the view that paints numbers


def shades_of(name: str) -> np.ndarray:
    """(256, 3) uint8: the colours of a map, as `shadesOf` in the browser has them.

    Raises:
        ConfigError: There is no map of that name.
    """
    if name not in MAPS:
        raise ConfigError(f"There is no colour map {name!r}; there are {', '.join(MAPS)}.")
    stops = color_table(MAPS[name]).astype(np.float64)
    place = np.arange(256) / 255 * (len(stops) - 1)
    left = np.minimum(place.astype(int), len(stops) - 2)
    start, end = stops[left], stops[left + 1]
    return np.floor(start + (place - left)[:, None] * (end - start) + 0.5).astype(np.uint8)
