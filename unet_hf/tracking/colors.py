"""Colours of tracks: the same in every frame, on the page and in every file."""

import numpy as np

from .tracks import Tracks

GOLDEN = 0.6180339887  # its multiples, taken round a circle, never come close to each other
LIGHTNESS = (0.8, 0.72, 0.87)  # in OKLCH, from 0 to 1: all legible on gray, and on black
CHROMA = 0.16
APART = 42.0  # degrees between mother and daughter ...
NEARER = 0.75  # ... times this for each generation
ON_WHITE = 0.75  # of the lightness, for lines on white
# From OKLab to red, green and blue: B. Ottosson, "A perceptual color space", 2020.
TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728],
     [1, -0.0894841775, -1.2914855480]]
)  # fmt: skip
TO_RGB = np.array(
    [[4.0767416621, -3.3077115913, 0.2309699292], [-1.2684380046, 2.6097574011, -0.3413193965],
     [-0.0041960863, -0.7034186147, 1.7076147010]]
)  # fmt: skip


def track_colors(tracks: Tracks, on_white: bool = False) -> np.ndarray:
    """Returns the colour of each track, (n, 3) uint8, in the order of `tracks.id`.

    It follows from the first object of the track's family, which no correction elsewhere changes:
    numbers of tracks may change. Daughters have colours on both sides of their mother's.

    on_white: Darker ones, for lines on white.
    """
    hue, lightness = _shades(tracks)
    return _rgb(hue, lightness * (ON_WHITE if on_white else 1))


def as_hex(color: np.ndarray) -> str:
    """(3,) uint8 -> "#rrggbb"."""
    return "#" + bytes(color.tolist()).hex()


def _shades(tracks: Tracks) -> tuple[np.ndarray, np.ndarray]:
    """Hues in degrees and lightness from 0 to 1 of each track, (n,) each."""
    count = len(tracks)
    hue, lightness = np.zeros(count), np.zeros(count)
    objects = _first_objects(tracks)
    # Neighbours in a frame have numbers close to each other, as a rule.
    hue[:] = 360 * ((objects * GOLDEN + tracks.first * GOLDEN**2) % 1)
    lightness[:] = np.array(LIGHTNESS)[objects % len(LIGHTNESS)]
    index = {number: row for row, number in enumerate(tracks.id.tolist())}
    generation = np.zeros(count, int)
    born: dict[int, int] = {}  # daughters of each mother so far
    for row in np.argsort(tracks.first, kind="stable").tolist():  # mothers before daughters
        mother = index.get(int(tracks.parent[row]))
        if mother is None:
            continue
        side = 1 if born.setdefault(mother, 0) % 2 else -1
        born[mother] += 1
        turn = side * APART * NEARER ** generation[mother]
        hue[row] = (hue[mother] + turn) % 360
        lightness[row] = np.clip(lightness[mother] + 0.05 * side, 0.7, 0.88)
        generation[row] = generation[mother] + 1
    return hue, lightness


def _first_objects(tracks: Tracks) -> np.ndarray:
    """The number of each track's first object in its frame, (n,)."""
    first = np.zeros(len(tracks), np.int64)
    for frame in range(len(tracks.frames) - 1, -1, -1):
        objects = tracks.frames[frame]
        first[np.searchsorted(tracks.id, objects.tracks)] = objects.ids
    return first


def _rgb(hue: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """Colours of OKLCH as sRGB, (n, 3) uint8; what a screen cannot show is cut off."""
    angle = np.radians(hue)
    lab = np.stack([lightness, CHROMA * np.cos(angle), CHROMA * np.sin(angle)], axis=1)
    linear = ((lab @ TO_LMS.T) ** 3 @ TO_RGB.T).clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(255 * encoded).astype(np.uint8)
