"""The frames that are linked: their objects, what is wrong with them, and how they are kept."""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ConfigError, ShapeError, UnsupportedLayoutError

FASTEST = 1  # level of zlib; masks become about a fiftieth of their size at any
LARGEST_TABLE = 2**22  # numbers up to this are looked up in a table, which is ten times as fast


@dataclass(frozen=True, eq=False)
class FrameObjects:
    """The n objects of a frame.

    ids: (n,) int64, their values in the frame that was linked, ascending.
    tracks: (n,) int64, the tracks that they belong to.
    areas: (n,) float64, pixels.
    centers: (n, 2) float64, y and x in pixels; the centre of the first pixel is (0, 0), as napari
        has it.
    """

    ids: np.ndarray
    tracks: np.ndarray
    areas: np.ndarray
    centers: np.ndarray


class KeptFrames(Sequence):
    """Frames of an iterator, compressed in memory: a mask of 512 x 512 pixels takes some 10 KB."""

    def __init__(self) -> None:
        self._frames: list[tuple[bytes, np.dtype, tuple[int, ...]]] = []

    def append(self, frame: np.ndarray) -> None:
        packed = zlib.compress(np.ascontiguousarray(frame), FASTEST)
        self._frames.append((packed, frame.dtype, frame.shape))

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> np.ndarray:
        packed, dtype, shape = self._frames[index]
        return np.frombuffer(zlib.decompress(packed), dtype).reshape(shape)


def check_frame(frame: np.ndarray, index: int, shape: tuple[int, int] | None) -> np.ndarray:
    """Returns a frame as an array. shape: of the frames before it.

    Raises:
        ShapeError: It is not (H, W), or not of the size of the others.
        UnsupportedLayoutError: Its values are not integers, or some are negative.
    """
    frame = np.asarray(frame)
    if frame.ndim != 2:
        raise ShapeError(
            f"Frame {index} has the shape {frame.shape}, and a frame of labels is (H, W): one "
            "integer a pixel. A film is (T, H, W); take one channel and one plane of a larger "
            "stack."
        )
    if frame.dtype == bool or frame.dtype.kind not in "iu":
        raise UnsupportedLayoutError(
            f"Frame {index} has values of type {frame.dtype}, and labels are integers: 0 for no "
            "object, and a number for each object. Number the objects of a mask first, for "
            "instance by `skimage.measure.label`."
        )
    if frame.dtype.kind == "i" and frame.size and frame.min() < 0:
        raise UnsupportedLayoutError(
            f"Frame {index} has the label {frame.min()}. Labels are 0 for no object, and positive "
            "numbers for objects."
        )
    if shape is not None and frame.shape != shape:
        raise ShapeError(
            f"Frame {index} has {frame.shape[0]} x {frame.shape[1]} pixels, and those before it "
            f"{shape[0]} x {shape[1]}. The frames of a film have one size; pad or crop them."
        )
    return frame


def check_film(labels: np.ndarray | Iterable[np.ndarray]) -> None:
    """Checks what can be seen without reading frames.

    Raises:
        ShapeError: An array is not (T, H, W).
        ConfigError: It is no film at all.
    """
    if isinstance(labels, np.ndarray) and labels.ndim != 3:
        cure = " One frame alone has nothing to be linked to." if labels.ndim == 2 else ""
        raise ShapeError(
            f"The labels have the shape {labels.shape}, and a film is (T, H, W).{cure}"
        )
    if isinstance(labels, (str, bytes)) or not isinstance(labels, Iterable):
        raise ConfigError(
            f"The labels are {type(labels).__name__}, and a film is an array (T, H, W) of "
            "integers, or an iterable of frames (H, W)."
        )


def renumbered(frame: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Returns a frame with other values, (H, W) int64. old: (n,) ascending, all that are in it."""
    if not len(old):
        return np.zeros(frame.shape, np.int64)
    if old[-1] < LARGEST_TABLE:
        table = np.zeros(int(old[-1]) + 1, np.int64)
        table[old] = new
        return table[frame]
    index = np.searchsorted(old, frame.astype(np.int64)).clip(max=len(old) - 1)
    return np.where(frame == 0, 0, new[index])
