"""The planes of a TIFF that are there, of those that its description names.

A description may name more planes than the file holds: it is one file of a series, it was cut off,
or its writer did not get to the end.
"""

import contextlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tifffile  # slow to import, so only where it is used

    Frames = list[tifffile.TiffPage | tifffile.TiffFrame | None]

FEWER = "the file holds fewer planes than its description names: those that are there were read"


def held_series(tiff: "tifffile.TiffFile") -> tuple[list["tifffile.TiffPageSeries"], bool]:
    """Returns the series of a file with the planes that are there; also whether some were not.

    They are in the order of `tiff.series`.
    """
    all_series = list(tiff.series)
    if claimed := _claimed_by_imagej(tiff):
        return [claimed], True
    held = [_held(series) for series in all_series]
    fewer = any(new.size < old.size for new, old in zip(held, all_series, strict=True))
    return held, fewer or _is_part_of_micromanager_stack(tiff)


def _held(series: "tifffile.TiffPageSeries") -> "tifffile.TiffPageSeries":
    """Returns the series without the planes that are not there, itself if all are there."""
    split = series.ndim - series.keyframe.ndim
    named, size = math.prod(series.shape[:split]), series.keyframe.parent.filehandle.size
    if series.dataoffset is not None:
        if series.dataoffset + series.nbytes <= size:
            return series
        count = (size - series.dataoffset) // series.keyframe.nbytes
        frames = _frames_behind(series.keyframe, min(count, named))
    else:
        frames = _frames(series)
    if named <= size:  # else there is no point in listing what is missing
        frames += [None] * (named - len(frames))
    there = sum(frame is not None for frame in frames)
    if there == len(frames) == named or not there:
        return series
    outer = series.shape[:split] if len(frames) == named else (len(frames),)
    letters = series.axes[:split] if len(frames) == named else "I"
    new = _series_of(series, frames, outer, letters, series.axes[split:])
    new.levels += [_held(level) for level in series.levels[1:]]
    return new


def _frames(series: "tifffile.TiffPageSeries") -> "Frames":
    """Returns the directories of a series, up to the first that the file does not have."""
    frames: Frames = []
    with contextlib.suppress(IndexError):
        for frame in series:
            frames.append(frame)
    return frames


def _frames_behind(key: "tifffile.TiffPage", count: int) -> "Frames":
    """Returns so many planes that lie behind each other and share one directory."""
    import tifffile

    frames: Frames = [key]
    for number in range(1, count):
        offsets = tuple(offset + number * key.nbytes for offset in key.dataoffsets)
        frames.append(
            tifffile.TiffFrame(
                key.parent,
                number,
                keyframe=key,
                dataoffsets=offsets,
                databytecounts=key.databytecounts,
            )
        )
    return frames[:count]


def _series_of(
    old: "tifffile.TiffPageSeries",
    frames: "Frames",
    outer: tuple[int, ...],
    letters: str,
    inner: str,
    kind: str = "",
) -> "tifffile.TiffPageSeries":
    """Returns a series of the planes that are there.

    Where a page lacks a channel that others have, the whole pages are taken; if there are none,
    each plane is a page.

    outer, letters: Lengths and axes of the planes, `inner`: the axes of one of them.
    """
    import tifffile

    planes = np.arange(len(frames)).reshape(outer)
    there = np.array([frame is not None for frame in frames]).reshape(outer)
    for axis in range(there.ndim):  # what has nothing at all is left out
        used = there.any(axis=tuple(other for other in range(there.ndim) if other != axis))
        there, planes = there.compress(used, axis), planes.compress(used, axis)
    if not there.all() and "C" in letters:
        channel = letters.index("C")
        there, planes = np.moveaxis(there, channel, -1), np.moveaxis(planes, channel, -1)
        if (whole := there.all(axis=-1)).any():
            planes, there, letters = planes[whole], there[whole], "IC"
    if not there.all():
        planes, letters = planes[there], "I"
    return tifffile.TiffPageSeries(
        [frames[number] for number in planes.ravel()],
        (*planes.shape, *old.keyframe.shape),
        old.dtype,
        letters + inner,
        parent=old.parent,
        name=old.name,
        kind=kind or old.kind,
    )


def _claimed_by_imagej(tiff: "tifffile.TiffFile") -> "tifffile.TiffPageSeries | None":
    """Returns ImageJ's stack where its description names more images than the file holds.

    tifffile then ignores the description and the axes in it. None if it is not so.
    """
    if not tiff.is_imagej or [series.kind for series in tiff.series] != ["generic"]:
        return None
    series, metadata = tiff.series[0], tiff.imagej_metadata or {}
    key = series.keyframe
    axes = {"T": "frames", "Z": "slices", "C": "channels"}
    outer = {letter: _count(metadata.get(name, 1)) for letter, name in axes.items()}
    named = max(math.prod(outer.values()), _count(metadata.get("images", 1)))
    if math.prod(outer.values()) != named:
        outer = {"I": named}
    frames: Frames = list(series)
    if len(frames) == 1 and key.is_final:  # the further images follow without a directory
        whole = tiff.filehandle.size - key.dataoffsets[0]
        frames = _frames_behind(key, min(whole // key.nbytes, named))
    if not 0 < len(frames) < named or named > tiff.filehandle.size:
        return None
    frames += [None] * (named - len(frames))
    return _series_of(series, frames, tuple(outer.values()), "".join(outer), key.axes, "imagej")


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 1


def _is_part_of_micromanager_stack(tiff: "tifffile.TiffFile") -> bool:
    """Whether a file of Micro-Manager says that there are more planes than it lists."""
    if [series.kind for series in tiff.series] != ["mmstack"]:
        return False
    metadata = tiff.micromanager_metadata or {}
    axes = ("Channels", "Slices", "Frames", "Positions")
    named = math.prod(_count(metadata["Summary"].get(axis, 1)) for axis in axes)
    return len(metadata["IndexMap"]) < named
