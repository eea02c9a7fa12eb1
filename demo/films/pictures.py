"""What the player shows of each frame: the frame as it is displayed, and the numbers of objects."""

import uuid
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
        pictures = {"image": self._shown(image), "labels": numbers(labels)}
        paths = [self._save(f"{kind}{index:04d}", one) for kind, one in pictures.items()]
        self.images.append(served_address(paths[0]))
        self.labels.append(served_address(paths[1]))
        return sum(path.stat().st_size for path in paths)

    def _save(self, name: str, picture: np.ndarray) -> Path:
        path = self.folder / f"{name}.png"
        PIL.Image.fromarray(picture).save(path, compress_level=FAST)
        return path

    def _shown(self, image: ImageData) -> np.ndarray:
        picture = to_display(image, self.window)
        return picture if drawn_channels(image).shape[2] > 1 else picture[..., 0]


def numbers(labels: np.ndarray) -> np.ndarray:
    """(H, W) integers below 2^24 -> (H, W, 3) uint8: red + 256 green + 65536 blue."""
    return np.stack([labels >> shift & 255 for shift in (0, 8, 16)], axis=2).astype(np.uint8)
