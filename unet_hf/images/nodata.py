"""Pixels without data: the nodata value that a file names, and NaN."""

from typing import Any

import numpy as np

GDAL_NODATA = 42113  # the TIFF tag: a number as text
# From here on, a nodata value stands for a limit of its type. Programs write it with few digits.
HUGE = 1e30


def parse_nodata(text: Any, dtype: np.dtype) -> float | None:
    """Returns the nodata value of a file; None if pixels of this type cannot have it, or for NaN.

    text: What the tag holds, usually text.
    """
    try:
        value = float(str(text).strip(" \0").replace(",", "."))  # some write a decimal comma
    except ValueError:
        return None
    if dtype.kind == "f":
        return None if np.isnan(value) else value
    if dtype.kind not in "ui" or not value.is_integer():
        return None
    limits = np.iinfo(dtype)
    return value if limits.min <= value <= limits.max else None


def valid_pixels(pixels: np.ndarray, nodata: float | None) -> np.ndarray | None:
    """Returns which of (h, w, C) pixels hold data, (h, w) bool; None if all do.

    A pixel holds none if all its channels have the nodata value, or any of them is NaN.
    """
    missing = None
    if pixels.dtype.kind == "f":
        missing = np.isnan(pixels).any(axis=2)
    if nodata is not None:
        without = _equals(pixels, nodata).all(axis=2)
        missing = without if missing is None else missing | without
    return None if missing is None or not missing.any() else ~missing


def _equals(pixels: np.ndarray, nodata: float) -> np.ndarray:
    if pixels.dtype.kind != "f":
        return pixels == pixels.dtype.type(int(nodata))
    if abs(nodata) < HUGE:
        return pixels == pixels.dtype.type(nodata)
    limit = min(0.999 * abs(nodata), float(np.finfo(pixels.dtype).max))
    return pixels >= limit if nodata > 0 else pixels <= -limit
