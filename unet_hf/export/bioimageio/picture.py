"""The image that a package is tested with: the checkpoint's sample, or a drawn one."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...hub.sample import MAX_PIXELS, drawn_input, sample_input
from ...images.image_data import ImageData
from ...images.reading import read_image
from ...network.network import Network
from ..parity import LARGEST_SIDE
from .tensors import smallest_side


@dataclass(frozen=True)
class Picture:
    """An image whose sides are on the grid, and that nothing is clipped in.

    scale: What its pixels are multiplied by to be from 0 to 1.
    """

    image: ImageData
    scale: float

    @property
    def tensor(self) -> np.ndarray:
        """Its pixels as the file has them, (1, channels, height, width) float32."""
        return self.image.pixels.transpose(2, 0, 1)[None].astype(np.float32)


def choose_picture(network: Network, checkpoint: Path) -> Picture:
    """Takes the sample in `checkpoint` if the zoo's normalisation can be shown on it."""
    for image in _candidates(network, checkpoint):
        prepared = network.preprocessing.prepare(image)
        whole = prepared.limits is None and not prepared.has_nodata
        if whole and prepared.image.channels == network.config["in_channels"]:
            return Picture(prepared.image, pixel_scale(image.dtype))
    raise AssertionError("the drawn image has neither outliers nor missing pixels")


def pixel_scale(dtype: np.dtype) -> float:
    return 1 / np.iinfo(dtype).max if dtype.kind in "ui" else 1.0


def _candidates(network: Network, checkpoint: Path) -> Iterator[ImageData]:
    sample = read_image(sample_input(checkpoint), max_pixels=MAX_PIXELS)
    least, grid = smallest_side(network.geometry), network.geometry.multiple
    largest = max(least, LARGEST_SIDE)
    sides = [
        least + (min(side, largest) - least) // grid * grid
        for side in (sample.height, sample.width)
    ]
    if min(sides) >= least:
        part = (slice(sides[0]), slice(sides[1]))
        alpha = None if sample.alpha is None else sample.alpha[part]
        yield replace(sample, pixels=sample.pixels[part], alpha=alpha)
    drawing = drawn_input(network.config["in_channels"])
    side = least + -(-max(0, 256 - least) // grid) * grid
    beyond = max(0, side - len(drawing))
    drawing = np.pad(drawing, [(0, beyond), (0, beyond), (0, 0)], "wrap")
    yield read_image(drawing[:side, :side], axes="YXC")
