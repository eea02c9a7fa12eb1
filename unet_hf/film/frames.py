"""`open_film`: the frames of a film, read when they are asked for."""

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, ImageNotFoundError, UnsupportedLayoutError
from ..hashes import source_fingerprint
from ..images.image_data import ImageData, check_size
from ..images.reading import MAX_PIXELS, ImageSource, read_image
from ..images.suffixes import IMAGE_SUFFIXES
from ..images.windows import open_image
from ..images.zarr_windows import is_zarr
from .interval import stored_interval

FilmSource = ImageSource | Sequence[ImageSource]


@dataclass(frozen=True)
class Frames:
    """The frames of a film.

    name: Of its file or folder. count: Of the frames, at least two. first: The first of them.
    files: Of the frames, or of all of them; None: they are in memory. notes: What was inferred.
    interval: Seconds between two frames, as the file says; None: it does not. interval_notes: On
    that; they are of no use where it is given.
    """

    name: str
    count: int
    first: ImageData
    files: tuple[Any, ...] | None
    notes: tuple[str, ...]
    _read: Callable[[int], ImageData]
    interval: float | None = None
    interval_notes: tuple[str, ...] = ()

    def read(self, index: int) -> ImageData:
        """Reads one frame, counted from 0. Raises `ImageError` if it cannot be read."""
        return self._read(index) if index else self.first

    def fingerprint(self) -> str:
        """Returns a SHA-256 that changes with the film; files are told by name, size and time."""
        if self.files is None:
            prints = (source_fingerprint(one, one) for one in map(self.read, range(self.count)))
        else:
            prints = (source_fingerprint(file, self.first) for file in self.files)
        return hashlib.sha256("".join(prints).encode()).hexdigest()


def open_film(
    source: FilmSource,
    *,
    axes: str | None = None,
    channel: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Frames:
    """Opens a film; only its first frame is read.

    Args:
        source: A stack or an animation; OME-Zarr or a zarr array; a folder with an image for each
            frame, in the order of their names, in which 10 comes after 9; a list of what
            `read_image` takes; or an array, (T, H, W) unless `axes` says otherwise.
        axes: Meaning of the axes of a stack, e.g. "TYX"; None: as the file says.
        channel: The only channel to read, counted from 0; None: all of them.
        max_pixels: Of a frame; a larger one is refused before it is read.

    Raises:
        ConfigError: There is one frame only, or zarr is not installed.
        ImageError: It cannot be read, or the file says that its planes are not frames in time.
    """
    options = {"axes": axes, "channel": channel, "max_pixels": max_pixels}
    is_file = isinstance(source, (str, os.PathLike))
    whole = read_zarr if is_file and is_zarr(Path(source)) else read_image
    if is_file and whole is read_image and Path(source).is_dir():
        files = _pictures_in(Path(source))
        return _of_many(files, Path(source).name, **options)
    if isinstance(source, Sequence) and not isinstance(source, str):
        return _of_many(source, "list", **options)
    if isinstance(source, np.ndarray) and axes is None:
        if source.ndim != 3:
            raise UnsupportedLayoutError(
                f"The array has the shape {source.shape}, and a film of gray frames is (T, H, W). "
                "Say what its axes are, e.g. axes='TYXS' for (T, H, W, 3)."
            )
        options["axes"] = "TYX"

    def read(index: int) -> ImageData:
        return whole(source, page=index, **options)

    first = read(0)
    notes = _check_axes(first)
    files, interval = ((source,), stored_interval(Path(source))) if is_file else (None, (None, ()))
    return Frames(first.source, first.pages, first, files, notes, read, *interval)


def read_zarr(source: str | os.PathLike, *, max_pixels: int, **options: Any) -> ImageData:
    """Reads one frame of OME-Zarr or of a zarr array, see `read_image`."""
    with open_image(source, **options) as image:
        check_size(image.source, image.height, image.width, max_pixels, image.channels)
        return replace(image, pixels=image.pixels[:])


def _of_many(sources: Sequence[Any], name: str, **options: Any) -> Frames:
    if len(sources) < 2:
        raise _single(f"{name} has {len(sources)} images")

    def read(index: int) -> ImageData:
        image = read_image(sources[index], **options)
        if image.pages > 1:
            raise UnsupportedLayoutError(
                f"{image.source} has {image.pages} pages, and each file of a film is one frame. "
                "Name this file alone if it is a film, or save its frames as single images."
            )
        return image

    are_files = all(isinstance(source, (str, os.PathLike)) for source in sources)
    return Frames(name, len(sources), read(0), tuple(sources) if are_files else None, (), read)


def _pictures_in(folder: Path) -> list[Path]:
    try:
        files = [
            path
            for path in folder.iterdir()
            if not path.name.startswith(".") and path.name.lower().endswith(IMAGE_SUFFIXES)
        ]
    except OSError as error:
        raise ImageNotFoundError(
            f"The folder {folder} cannot be listed ({error.strerror}). Check its permissions."
        ) from error
    return sorted(files, key=lambda path: natural_order(path.name))


def natural_order(name: str) -> list[tuple[int, str]]:
    """A key that sorts names as people do: "t9.tif" before "t10.tif"."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name.lower())
    return [(int(part), part) if part.isdecimal() else (-1, part) for part in parts]


def _check_axes(first: ImageData) -> tuple[str, ...]:
    """Whether the pages are frames in time; notes on what was inferred."""
    if first.pages < 2:
        raise _single(f"{first.source} has one")
    lengths = dict(zip(first.place.axes, first.place.shape, strict=False))
    stacked = [axis for axis in first.axes if axis not in "YXSC" and lengths.get(axis, 2) > 1]
    if len(stacked) > 1:
        raise UnsupportedLayoutError(
            f"{first.source} has the axes {first.axes!r}, with {' and '.join(stacked)} beside each "
            "other: a film has one picture for each time. Save one plane of each, or their "
            "projection."
        )
    if stacked == ["Z"]:
        raise UnsupportedLayoutError(
            f"{first.source} has the axes {first.axes!r}: Z is depth, and a film has T. If its "
            f"planes are frames in time, say so: axes={first.axes.replace('Z', 'T')!r} "
            f"(--axes {first.axes.replace('Z', 'T')})."
        )
    if stacked == ["T"] or first.axes_given:
        return ()
    return (f"the file does not say what its {first.pages} pages are: taken as frames in time",)


def _single(what: str) -> ConfigError:
    return ConfigError(
        f"A film has two frames or more, and {what}. Objects of a single picture are found by "
        "`segment`."
    )
