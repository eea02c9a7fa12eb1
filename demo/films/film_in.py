"""What a visitor sends as a film -> its frames: a stack, an animation, or a file for each frame."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unet_hf.errors import ConfigError
from unet_hf.film.frames import Frames, natural_order, open_film

from ..server import archives, limits
from ..server.archives import Staged


def stage_film(uploads: Sequence[str | Path], folder: Path) -> Staged:
    """Copies files and the content of archives into `folder`, which is made. Raises as
    `archives.stage`."""
    return archives.stage(uploads, folder, limits.FILM_FRAMES)


def open_staged(
    staged: Staged, title: str, axes: str | None = None, channel: int | None = None
) -> Frames:
    """Opens a film; only its first frame is read.

    title: What people call it. axes, channel: As of `open_film`.

    Raises:
        ConfigError: There is one frame only, or there are too many.
        ImageError: As `open_film`, or frames are too large.
    """
    # A film of files is one that a program has numbered, in folders perhaps.
    files = [staged.folder / name for name in sorted(staged.names, key=natural_order)]
    film = open_film(
        files[0] if len(files) == 1 else files,
        axes=axes,
        channel=channel,
        max_pixels=limits.FILM_FRAME_PIXELS,
    )
    if film.count > limits.FILM_FRAMES:
        raise ConfigError(
            f"{title} has {film.count:,} frames; the limit of this page is {limits.FILM_FRAMES:,}. "
            "Send a part of it, or use `python -m unet_hf track`, which has no limit."
        )
    return replace(film, name=title)


def title_of(uploads: Sequence[str | Path]) -> str:
    """ "film.tif", or "t000.tif and 39 more"."""
    first, more = Path(uploads[0]).name, len(uploads) - 1
    return f"{first} and {more} more" if more else first
