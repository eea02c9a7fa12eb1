"""What the viewer is sent: one file of arrays, deflated, and where each begins.

Gradio's JSON would carry them as base64 and compare that text several times over; a file is
fetched once, and the browser inflates it by itself. Beside the file of a picture that was thinned
out lie its tiles (`tiles.py`).
"""

import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import rmtree
from typing import Any, TypedDict

import numpy as np

from ..parts.gradio_internals import served_file, upload_folder
from ..server.folders import KeptFolders
from .tiles import SIDE, THREADS, Planes, as_sent, write_tiles

STEPS = 100  # thresholds a unit of probability
FINE = 600  # codes between two thresholds, see `probability_codes`
NO_DATA = 65535  # code of a pixel without data; no probability has it
FAST = 1  # zlib's level: the page waits for this more than for the bytes
BLOCK = 2**18  # pixels that a processor's cache holds, with all that is computed from them


class Shown(TypedDict):
    """What is always said of a picture. `Payload` in web/payload.js has the same keys."""

    id: str  # the same picture twice is still a new drawing
    picture: str  # the view stays where it was if the next picture is the same
    width: int
    height: int
    step: int  # every how many-th pixel is sent at once
    channels: int
    dtype: str  # of the file
    window: tuple[float, float]  # values that are drawn black and white
    camera: dict[str, float] | None  # where it is opened; None: the whole is seen
    pixel_size: list[Any] | None  # [number, unit], along x
    alt: str  # in words, for screen readers
    tiles: dict[str, Any] | None  # {"side", "range"}; None where all pixels are sent at once


class Payload(Shown, total=False):
    """What the viewer is sent of a picture, and what a map of its classes adds."""

    name: str  # of the file, and where in it
    by: str  # what the classes are from, such as a checkpoint
    data: dict[str, Any]  # Gradio's file of all planes
    planes: list[dict[str, Any]]  # what is where in it: {"name", "dtype", "start", "end"}
    names: list[str]  # of the classes, by their ids
    colors: list[str]  # "#rrggbb"
    unpainted: list[int]  # ids of classes that are not painted at first
    alpha: float  # opacity of the classes from now on, until the visitor chooses another
    threshold: float | None  # None unless there are two classes
    # {"threshold", "words"}: at which little is missed, and what that assumes; None: there is none.
    few_missed: dict[str, Any] | None
    asked: bool  # this threshold is meant, wherever the slider was for the same checkpoint
    steps: int  # `STEPS` and
    fine: int  # `FINE`, where there are codes
    focus: dict[str, float]  # a region to fly to
    counted: int  # pixels that shares are of; all of them without it


def write_transfer(planes: Planes, height: int, width: int, step: int) -> dict[str, Any]:
    """Every `step`-th pixel in one file; if that leaves any out, all of them in tiles beside it.

    Returns {"data": Gradio's file, "planes": what is where in it, "tiles": None or {"side",
    "range": lowest and highest value of the picture}}. The planes of a thinned picture include
    `counts`, of all its pixels.

    The files lie among Gradio's own, which it serves without a copy. Each has a name of its own:
    two visitors with the same picture never write to one file.
    """
    folder = viewer_folders().new()
    try:
        sent, tiles = planes(slice(None, None, step), slice(None, None, step)), None
        if step > 1:
            total = write_tiles(planes, folder, height, width)
            tiles = {"side": SIDE, "range": [total.low, total.high]}
            if total.counts is not None:
                sent["counts"] = total.counts
        described = _write_planes(sent, folder / "pixels.bin")
    except BaseException:
        rmtree(folder, ignore_errors=True)
        raise
    return {"data": served_file(folder / "pixels.bin"), "planes": described, "tiles": tiles}


def write_layer(planes: dict[str, np.ndarray]) -> dict[str, Any]:
    """Arrays that belong to a picture and are sent after it: {"data", "planes"} as of a picture."""
    folder = viewer_folders().new()
    described = _write_planes(planes, folder / "layer.bin")
    return {"data": served_file(folder / "layer.bin"), "planes": described}


def _write_planes(planes: dict[str, np.ndarray], path: Path) -> list[dict[str, Any]]:
    described, start = [], 0
    arrays = {name: as_sent(plane) for name, plane in planes.items()}
    with path.open("wb") as file, ThreadPoolExecutor(THREADS) as pool:
        deflated = pool.map(lambda array: zlib.compress(array, FAST), arrays.values())
        for (name, array), content in zip(arrays.items(), deflated, strict=True):
            end = start + file.write(content)
            described.append({"name": name, "dtype": array.dtype.name, "start": start, "end": end})
            start = end
    return described


def viewer_folders() -> KeptFolders:
    """Gradio forgets a file whose visitor left before it was sent; the janitor does not."""
    return KeptFolders(upload_folder() / "viewer")


def threshold_levels(probability: np.ndarray) -> np.ndarray:
    """(H, W) float32 -> (H, W) uint8: how many of the thresholds 0, 0.01 ... 1 it exceeds.

    `probability > k / 100` is then exactly `level > k`, in Python as in the browser.
    """
    # Off by one at most, where float32 rounds; the two comparisons that follow are exact.
    level = np.clip(np.ceil(probability * np.float32(STEPS)), 0, STEPS).astype(np.int16)
    level += probability > _thresholds(probability)[level]
    return (level - (probability <= _thresholds(probability)[level - 1])).astype(np.uint8)


def probability_codes(probability: np.ndarray) -> np.ndarray:
    """(H, W) float32, 0 to 1 -> (H, W) uint16: level * `FINE` + the place between thresholds.

    One number for both: `probability > k / 100` is exactly `code >= (k + 1) * FINE`, and
    `(code - FINE + 0.5) / FINE / STEPS` is the probability to within 0.00001.
    """
    codes = np.empty(probability.shape, np.uint16)
    rows = max(1, BLOCK // max(1, probability.shape[1]))
    for top in range(0, len(probability), rows):
        part = probability[top : top + rows]
        level = threshold_levels(part)
        place = (part - _thresholds(part)[level.astype(np.int16) - 1]) * np.float32(STEPS * FINE)
        place = np.where(level == 0, 0, np.clip(place, 0, FINE - 1))
        codes[top : top + rows] = level * np.uint16(FINE) + place.astype(np.uint16)
    return codes


def _thresholds(probability: np.ndarray) -> np.ndarray:
    """0, 0.01 ... 1 as they are compared with it; then -1, which index -1 finds: below all."""
    return np.array([*(step / STEPS for step in range(STEPS + 1)), -1]).astype(probability.dtype)


def fixed_point(values: np.ndarray, dtype: type[np.unsignedinteger]) -> np.ndarray:
    """0 to 1 -> 0 to the largest whole number of `dtype`, rounded."""
    return np.rint(np.clip(values, 0, 1) * np.iinfo(dtype).max).astype(dtype)


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """(classes, H, W) -> (H, W) float32: 0 sure of one class, 1 every class alike."""
    total = np.zeros(probabilities.shape[1:], np.float32)
    for plane in probabilities:  # one class at a time: no second copy of them all
        total -= plane * np.log(np.maximum(plane, np.float32(1e-30)))
    return total / np.float32(np.log(max(2, len(probabilities))))
