"""`track`: segments a film frame by frame, and follows its objects."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.fast import notes_on_precision, settled_precision
from ..errors import ImageError, ShapeError, UNetError
from ..hashes import model_sha256
from ..images.image_data import ImageData
from ..images.pixel_size import PixelSize
from ..network.network import Network
from ..predict.segment import segment
from ..predict.segmentation import Segmentation
from ..tracking import Linker
from ..tracking.frames import LARGEST_TABLE, KeptFrames
from ..tracking.tracks import Measures
from .frames import FilmSource, Frames, open_film
from .interval import read_interval
from .kept_objects import KeptObjects, writing_to
from .linking import check_options, settled_linking
from .outputs import DEFAULT_FILM_OUTPUTS, checked_film_outputs, remove_others
from .tracked import TrackedFilm, write_output

NOTHING = (
    "no object was found in any frame: these images may be unlike those that the checkpoint knows"
)
# Of a frame that is not usable: the same frame fails again, however often one goes on.
MEND = "Mend this frame, or leave it out of the film."
ANOTHER = "The film is then another one: name another folder for it, or delete this one."
FoundFrame = tuple[ImageData, np.ndarray]  # a frame and its objects, (H, W) integers


class FilmEndError(UNetError):
    """The film is to end here: the frames that are done are linked. See `follow`."""


def track(
    model: Network,
    source: FilmSource,
    *,
    output: str | os.PathLike | None = None,
    axes: str | None = None,
    channel: int | None = None,
    threshold: float | None = None,
    tile_size: int | None = None,
    precision: str = "auto",
    objects: Mapping[str, Any] | None = None,
    linking: Mapping[str, Any] | None = None,
    frame_interval: float | str | None = None,
    only: Collection[str] | None = None,
    progress: Callable[[int, int], bool | None] | None = None,
) -> TrackedFilm:
    """Segments a film and follows its objects; see `UNet.track`."""
    only = checked_film_outputs(DEFAULT_FILM_OUTPUTS if only is None else only)
    objects, linking = objects or {}, linking or {}
    check_options("objects", objects, Segmentation.objects)
    # What is not usable is said before a folder is made.
    settled_linking(model.config.get("tracking"), linking)
    interval = None if frame_interval is None else read_interval(frame_interval)
    film = open_film(source, axes=axes, channel=channel)
    precision, notes = settled_precision(model, precision)
    notes += notes_on_precision(model, precision)
    find = {"threshold": threshold, "tile_size": tile_size, "precision": precision}
    asked = dict(objects)
    size = PixelSize.of(asked.pop("pixel_size", None)) or film.first.pixel_size
    folder = None if output is None else Path(output)
    with nullcontext() if folder is None else writing_to(folder):
        kept = None
        if folder is not None:
            record = {
                "film": film.name, "fingerprint": film.fingerprint(), "frames": film.count,
                "axes": film.first.axes, "channel": channel,
                "checkpoint": model_sha256(model), **find,
                "objects": {name: asked[name] for name in sorted(asked)},
            }  # fmt: skip
            told = {"frame_interval": film.interval if interval is None else interval}
            kept = KeptObjects(folder, film.count, record, told)

        def tell(done: int) -> None:
            if progress is not None and progress(done, film.count) is False:
                raise FilmEndError

        def found(index: int) -> FoundFrame:
            with of_frame(index, MEND if kept is None else f"{MEND} {ANOTHER}"):
                image = film.read(index)
                check_size(image, index, film)
                if kept is not None and kept.has(index):
                    return image, kept[index]
                result = segment(model, image, progress=lambda done, total: tell(index), **find)
            return image, result.object_labels(**asked)

        tracked = follow(
            film,
            found,
            kept=kept,
            pixel_size=size,
            tracking=model.config.get("tracking"),
            linking=linking,
            frame_interval=interval,
            done=tell,
        )
        tracked = replace(tracked, notes=(*tracked.notes, *notes))
        if folder is not None:
            remove_others(folder, only)
            for name in only:
                write_output(tracked, name, folder)
    return tracked


def follow(
    film: Frames,
    find: Callable[[int], FoundFrame],
    *,
    kept: KeptObjects | None = None,
    pixel_size: PixelSize | None = None,
    tracking: Any = None,
    linking: Mapping[str, Any] | None = None,
    frame_interval: float | None = None,
    done: Callable[[int], None] | None = None,
) -> TrackedFilm:
    """Follows the objects of a film, however they are found: what `track` and the page share.

    Args:
        find: Given the number of a frame, returns it with its objects, (H, W) integers. If it
            raises `FilmEndError`, the film ends before this frame.
        kept: Where objects are kept; None: compressed in memory.
        pixel_size: Of the frames.
        tracking: What the checkpoint says of linking, from its configuration.
        linking: Options of `unet_hf.tracking.link`, which come before that.
        frame_interval: Seconds between two frames; None: as the film's file says.
        done: Called with the number of frames that are linked, after each. If it raises
            `FilmEndError`, the film ends there.

    Raises:
        ConfigError: An option is not usable, or the film ends before its second frame.
    """
    options, how = settled_linking(tracking, linking or {})
    linker = Linker(**options)
    labels = KeptFrames() if kept is None else kept
    intensities: list[np.ndarray] = []  # of each frame, (n, channels)
    with suppress(FilmEndError):
        for index in range(film.count):
            image, found = find(index)
            linker.add(found)
            if kept is None:
                labels.append(found)
            elif not kept.has(index):
                kept.keep(index, found)
            intensities.append(mean_intensities(found, image.pixels))
            if done is not None:
                done(index + 1)
    tracks = linker.tracks(labels)
    notes = list(film.notes)
    if frame_interval is None:
        frame_interval = film.interval
        notes += film.interval_notes
    else:
        frame_interval = read_interval(frame_interval)
    if len(intensities) < film.count:
        notes.append(f"stopped after {len(intensities)} of {film.count} frames")
    notes += how if len(tracks) else [NOTHING]
    measures, frames = _by_channel(intensities), replace(film, count=len(intensities))
    return TrackedFilm(
        film.name, tracks, pixel_size, measures, tuple(notes), frames, frame_interval
    )


@contextmanager
def of_frame(index: int, cure: str = MEND) -> Iterator[None]:
    """What is wrong with an image is said with the number of its frame, counted from 1.

    index: Counted from 0. cure: What helps beside what the error says.
    """
    try:
        yield
    except ImageError as error:
        raise type(error)(f"Frame {index + 1}: {error} {cure}") from error


def check_size(image: ImageData, index: int, film: Frames) -> None:
    """Raises `ShapeError` if a frame is not as large as the first."""
    first = film.first
    if (image.height, image.width) != (first.height, first.width):
        raise ShapeError(
            f"Frame {index + 1} ({image.source}) has {image.height} x {image.width} pixels, and "
            f"the first {first.height} x {first.width}. The frames of a film have one size; "
            "pad or crop them."
        )


def _by_channel(intensities: Sequence[np.ndarray]) -> Measures:
    """See `TrackedFilm`."""
    channels = intensities[0].shape[1]
    names = ["intensity"] if channels == 1 else [f"intensity_{n}" for n in range(channels)]
    return {
        name: [found[:, channel] for found in intensities] for channel, name in enumerate(names)
    }


def mean_intensities(labels: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Of each object, in the order of their numbers, and channel: (n, C) float64.

    labels: (H, W) integers, 0 for none. pixels: (H, W, C).
    """
    which = labels.ravel()
    if which.max(initial=0) >= LARGEST_TABLE:  # sorting takes longer than all of the rest
        _, which = np.unique(np.append(which, 0), return_inverse=True)
        which = which.ravel()[:-1]
    counts = np.bincount(which)
    sums = [np.bincount(which, channel.ravel()) for channel in np.moveaxis(pixels, 2, 0)]
    there = np.flatnonzero(counts[1:]) + 1
    return np.stack(sums, axis=1)[there] / counts[there, None]
