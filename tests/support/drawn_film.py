"""A film of two cells, one of which divides, as an array and as a file."""

from pathlib import Path
from typing import Any

import numpy as np
import tifffile

FRAMES = 6


def drawn_frames() -> np.ndarray:
    """(6, 48, 64): a cell goes right, 3 pixels a frame; another stays, and divides in frame 3."""
    film = np.zeros((FRAMES, 48, 64), np.uint8)
    for t in range(FRAMES):
        film[t, 5:13, 4 + 3 * t : 12 + 3 * t] = 200
        if t < 3:
            film[t, 28:36, 20:36] = 200
        else:
            film[t, 28:36, 18:26] = film[t, 28:36, 30:38] = 200
    return film


def stack(path: Path, frames: np.ndarray, axes: str = "TYX", **options: Any) -> Path:
    tifffile.imwrite(path, frames, imagej=True, metadata={"axes": axes}, **options)
    return path
