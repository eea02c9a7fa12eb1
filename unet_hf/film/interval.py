"""The time between two frames of a film: as people write it, and as files say it."""

import contextlib
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..images.tiff_file import open_tiff_file
from ..images.zarr_windows import is_zarr

SECONDS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
# Spellings in files and by people, in lower case and singular. "m" is none of them: it may be
# a minute, and OME's "M" a month.
SPELLINGS = {
    **{unit: unit for unit in SECONDS},
    "nsec": "ns", "nanosecond": "ns",
    "us": "µs", "μs": "µs", "usec": "µs", "\\u00b5s": "µs", "microsecond": "µs",
    "msec": "ms", "millisecond": "ms",
    "sec": "s", "second": "s",
    "minute": "min",
    "hr": "h", "hour": "h",
    "day": "d",
}  # fmt: skip
SAME = 0.01  # difference of two times, as a share, up to which they are rounded otherwise
JITTER = 0.1  # of the clock times of frames, whose interval is kept by a microscope
CLOCK = "times of the planes"
GIVE = "frame_interval=... or --frame_interval"
Claim = tuple[object, object, str]  # what a file says: a number, its unit, and who writes so


def read_interval(text: str | float) -> float:
    """Returns the time between two frames in seconds.

    Args:
        text: A number with its unit, e.g. "5min", "300s", "0.5 h"; without one, it is in seconds.

    Raises:
        ConfigError: It is no time above 0.
    """
    found = re.fullmatch(r"\s*([0-9.]+(?:e[+-]?\d+)?)\s*([^\d\s.]*)\s*", str(text), re.IGNORECASE)
    seconds = _seconds(found[1], found[2] or "s") if found else None
    if seconds is None or isinstance(text, bool):
        raise ConfigError(
            f"frame_interval={text!r:.60} is not a length of time. Give seconds, e.g. "
            f"300, or a number with its unit, e.g. 300s, 5min, 0.5h ({', '.join(SECONDS)})."
        )
    return seconds


def interval_in_words(seconds: float) -> str:
    """Returns "45 s" or "5 min"."""
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:g} min"


def stored_interval(path: Path) -> tuple[float | None, tuple[str, ...]]:
    """Reads the seconds between two frames from a film's file, and notes on them.

    They are ImageJ's `finterval` with `tunit`, OME's `TimeIncrement` with its unit, or the scale of
    the axis of time of OME-Zarr. What is not understood, or contradicts itself, is not used, and a
    note says so. How fast an animation is played says nothing of how it was taken.
    """
    claims, times = list(_claims(path)), []
    for value, unit, source in claims:
        seconds = _seconds(value, unit)
        if seconds is None:
            said = f"{str(value)[:20]} {str(unit)[:20]}".strip()
            note = f"the time between frames, given as {said} ({source}), is not understood: {GIVE}"
            return None, (note,)
        times.append(seconds)
    if not times:
        return None, ()
    usual = times[0]
    for seconds, (*_, source) in zip(times, claims, strict=True):
        allowed = JITTER if source == CLOCK else SAME
        if not math.isclose(seconds, usual, rel_tol=allowed):
            said = ", ".join(
                f"{interval_in_words(time)} ({source})"
                for time, (*_, source) in zip(times, claims, strict=True)
            )
            return None, (
                f"the file contradicts itself on the time between frames: {said}: {GIVE}",
            )
    words = f"{interval_in_words(usual)} between frames: as the file says ({claims[0][2]})"
    return usual, (f"{words}; {GIVE} overrides it",)


def _seconds(value: object, unit: object) -> float | None:
    """None if it is no time above 0."""
    word = str(unit).strip().lower()
    known = SPELLINGS.get(word) or SPELLINGS.get(word.removesuffix("s"))
    with contextlib.suppress(TypeError, ValueError):
        seconds = float(value) * SECONDS[known] if known else math.nan  # type: ignore[arg-type]
        return seconds if 0 < seconds < math.inf else None
    return None


def _claims(path: Path) -> Iterator[Claim]:
    """Metadata that cannot be read counts as absent, as that of the size of a pixel."""
    try:
        if is_zarr(path):
            yield from _of_zarr(path)
            return
        with open_tiff_file(path) as tiff:
            yield from _of_ome(tiff.ome_metadata or "") if tiff.is_ome else ()
            imagej = (tiff.imagej_metadata or {}) if tiff.is_imagej else {}
            if "finterval" in imagej:
                yield imagej["finterval"], imagej.get("tunit", "sec"), "ImageJ"
    except Exception:  # readers raise anything: the file itself is read, and refused, elsewhere
        return


def _of_ome(xml: str) -> Iterator[Claim]:
    """Of all images of a file: where they differ, nobody knows which one is meant."""
    for pixels in ElementTree.fromstring(xml).iter():
        said = pixels.attrib
        if not pixels.tag.endswith("}Pixels") or "TimeIncrement" not in said:
            continue
        yield said["TimeIncrement"], said.get("TimeIncrementUnit", "s"), "OME"
        clock = {
            int(plane.attrib["TheT"]): plane.attrib
            for plane in reversed(pixels)
            if plane.tag.endswith("}Plane") and "DeltaT" in plane.attrib
        }
        if len(clock) > 1:
            first, last = min(clock), max(clock)
            took = float(clock[last]["DeltaT"]) - float(clock[first]["DeltaT"])
            yield took / (last - first), clock[first].get("DeltaTUnit", "s"), CLOCK


def _of_zarr(path: Path) -> Iterator[Claim]:
    import zarr

    stored: Any = zarr.open(str(path), mode="r")
    attributes = dict(stored.attrs)
    (image, *_) = attributes.get("ome", attributes).get("multiscales") or [{}]
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in image.get("axes", ())]
    place = next((at for at, axis in enumerate(axes) if axis.get("name") == "t"), None)
    if place is None:
        return
    scales = [
        step["scale"][place]
        for level in (image, image["datasets"][0])
        for step in level.get("coordinateTransformations", ())
        if step.get("type") == "scale" and "scale" in step
    ]
    unit = axes[place].get("unit", "")
    if scales and (unit or math.prod(scales) != 1):  # 1 without a unit stands for nothing known
        yield math.prod(scales), unit, "OME-Zarr"
