"""A film for visitors who have none: nuclei that crawl and divide, drawn by `demo.synthetic`."""

from functools import cache
from pathlib import Path

import numpy as np

from ..synthetic import film

MODEL = "unet-nuclei"
NAME = "drawn_nuclei.tif"


def write_example(folder: Path) -> Path:
    """Writes it as a stack; returns its path."""
    import tifffile

    path = folder / NAME
    tifffile.imwrite(path, _frames(), imagej=True, metadata={"axes": "TYX"})
    return path


@cache
def _frames() -> np.ndarray:
    return film("fluorescence", frames=20, size=192, cells=12, seed=1, life=14).frames
