"""What the player shows of each frame: the frame as it is displayed, and which pixels are whose."""

import uuid
import zlib
from pathlib import Path

import numpy as np
import PIL.Image

from unet_hf.film.run import FoundFrame
from unet_hf.images.image_data import ImageData
from unet_hf.predict.overlay import display_window, drawn_channels, to_display

from ..parts.gradio_internals import served_address

FAST = 1  # level of deflate; the first frame is waited for


class FramePictures:
    """The pictures of one film, in a folder that Gradio serves.

    images, labels: The addresses of each frame's, from the root of the app, as far as they are
    there. before: That of the first frame, for as long as nothing is found.
    """

    def __init__(self, shown: Path, first: ImageData) -> None:
        """shown: The folder. first: The frame that says what is black and what is white: one
        window for all, or a film would flicker."""
        self.folder = shown / uuid.uuid4().hex
        self.folder.mkdir()
        self.window = display_window(first)
        self.images: list[str] = []
        self.labels: list[str] = []
        self.before = served_address(self._save("before", self._shown(first)))

    def add(self, index: int, frame: FoundFrame) -> int:
        """Draws the next frame; returns how many bytes it takes. One that is there stays."""
        if index < len(self.labels):
            return 0
        image, labels = frame
        shown, found = self._save(f"image{index:04d}", self._shown(image)), runs(labels)
        objects = self.folder / f"labels{index:04d}.runs"
        objects.write_bytes(found)
        self.images.append(served_address(shown))
        self.labels.append(served_address(objects))
        return shown.stat().st_size + len(found)

    def _save(self, name: str, picture: np.ndarray) -> Path:
        path = self.folder / f"{name}.png"
        PIL.Image.fromarray(picture).save(path, compress_level=FAST)
        return path

    def _shown(self, image: ImageData) -> np.ndarray:
        picture = to_display(image, self.window)
        return picture if drawn_channels(image).shape[2] > 1 else picture[..., 0]


def runs(labels: np.ndarray) -> bytes:
    """(H, W) integers -> runs: pixels beside each other in a row that are of one object.

    Deflated little-endian uint32: of all runs, row by row, how far each begins behind the one
    before, counted in pixels row by row; then the length of each; then the numbers of the objects.
    A crowd of 5,000 takes a tenth of the time that a PNG takes, here and in the browser.
    """
    is_start = np.ones(labels.shape, bool)
    is_start[:, 1:] = labels[:, 1:] != labels[:, :-1]
    starts = np.flatnonzero(is_start)
    lengths = np.diff(starts, append=labels.size)
    numbers = labels.ravel()[starts]
    of_objects = numbers > 0
    begins = np.diff(starts[of_objects], prepend=0)
    columns = np.stack([begins, lengths[of_objects], numbers[of_objects]])
    return zlib.compress(columns.astype("<u4").tobytes(), FAST)
