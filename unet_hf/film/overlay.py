"""The overlay film: the frames with the outlines of their objects, in the colours of the tracks."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image

from ..files import write_atomically
from ..predict.overlay import display_window, to_display
from ..tracking import Tracks
from ..tracking.colors import track_colors
from .frames import Frames

LARGEST = 1024  # pixels of a side; larger frames are scaled down
FRAME_TIME = 100  # milliseconds
QUALITY = 85  # of WebP, from 0 to 100: thin coloured lines keep their colours
ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # constant, so that the same film gives the same bytes
WEBP, ZIP = "overlay.webp", "overlay.zip"


def overlay_name() -> str:
    """Returns the name of the file: an animated WebP, or a zip of PNG where Pillow writes none."""
    PIL.Image.init()
    return WEBP if "WEBP" in PIL.Image.SAVE_ALL else ZIP


def write_overlay(film: Frames, tracks: Tracks, folder: Path) -> Path:
    """Writes the film with the outlines of its objects; completely or not at all.

    One frame at a time is in memory, drawn. The encoder keeps the compressed frames until the end,
    so what memory grows by is about twice the size of the file.

    Returns:
        The file, see `overlay_name`.
    """
    drawn = DrawnFilm(film, tracks)
    path = folder / overlay_name()
    write_atomically(path, _write_webp(drawn) if path.name == WEBP else _write_zip(drawn))
    return path


class DrawnFilm(PIL.Image.Image):
    """A film as Pillow has it: an image of many frames, each drawn when it is asked for.

    Pillow makes a list of what it is given as `append_images`, with all frames in memory; of an
    image with several frames it seeks one after another.
    """

    def __init__(self, film: Frames, tracks: Tracks) -> None:
        super().__init__()
        self.n_frames = film.count
        self._film, self._tracks = film, tracks
        self._colors = np.zeros((int(tracks.id.max(initial=0)) + 1, 3), np.uint8)  # by number
        self._colors[tracks.id] = track_colors(tracks)
        self._window = window_of(film)
        self.seek(0)

    def seek(self, frame: int) -> None:
        image = self._film.read(frame)
        size = shown_size(image.height, image.width)
        display = PIL.Image.fromarray(to_display(image, self._window), "RGB")
        labels = self._tracks.relabelled(frame)
        if size != labels.shape:
            display = display.resize(size[::-1], PIL.Image.Resampling.BOX)
            rows, columns = (
                (2 * np.arange(new) + 1) * old // (2 * new)
                for new, old in zip(size, labels.shape, strict=True)
            )
            labels = labels[np.ix_(rows, columns)]
        lines = outlined(labels)
        pixels = np.array(display)
        pixels[lines > 0] = self._colors[lines[lines > 0]]
        drawn = PIL.Image.fromarray(pixels, "RGB")
        self.im, self._mode, self._size, self._frame = drawn.im, drawn.mode, drawn.size, frame

    def tell(self) -> int:
        return self._frame


def shown_size(height: int, width: int) -> tuple[int, int]:
    """Returns the height and width that frames are drawn with: `LARGEST` at most."""
    factor = min(1.0, LARGEST / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def window_of(film: Frames) -> tuple[float, float]:
    """Returns the values that all frames draw black and white: those of three frames together.

    Were each frame drawn by its own, a film that fades would not be seen to fade.
    """
    seen = {0, film.count // 2, film.count - 1}
    lows, highs = zip(*(display_window(film.read(index)) for index in sorted(seen)), strict=True)
    return min(lows), max(highs)


def outlined(labels: np.ndarray) -> np.ndarray:
    """Returns the outlines of objects: (H, W) with an object's number on its outline, 0 elsewhere.

    A line is two pixels thick: the outermost pixel of the object, and the background beside it.
    Where two objects touch, each has its own pixel of it.
    """
    lines = np.zeros_like(labels)
    for own, line in ((labels, lines), (labels.T, lines.T)):
        for here, there in ((np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:])):
            edge = own[here] != own[there]
            found = np.where(edge, np.where(own[here] > 0, own[here], own[there]), 0)
            np.maximum(line[here], found, out=line[here])
    return lines


def _write_webp(drawn: DrawnFilm) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        drawn.save(
            path, format="WEBP", save_all=True, duration=FRAME_TIME, quality=QUALITY, method=2
        )

    return write


def _write_zip(drawn: DrawnFilm) -> Callable[[Path], None]:
    digits = max(3, len(str(drawn.n_frames - 1)))

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:  # PNG is compressed already
            for frame in range(drawn.n_frames):
                drawn.seek(frame)
                png = io.BytesIO()
                drawn.save(png, format="PNG", compress_level=1)
                name = zipfile.ZipInfo(f"frame{frame:0{digits}d}.png", ZIP_DATE)
                archive.writestr(name, png.getvalue())

    return write
