"""Predictions that were drawn by hand, for tests of what becomes of them."""

import numpy as np

from unet_hf import Segmentation
from unet_hf.images.image_data import ImageData
from unet_hf.images.pixel_size import PixelSize

COLORS = ["#d55e00", "#56b4e9", "#009e73", "#f0e442"]


def drawn(
    mask: np.ndarray,
    image: np.ndarray | None = None,
    probabilities: np.ndarray | None = None,
    names: tuple[str, ...] = ("ground", "cell"),
    pixel_size: PixelSize | None = None,
    axes: str = "YX",
    distance: np.ndarray | None = None,
) -> Segmentation:
    """A certain prediction of this mask, unless probabilities are given.

    distance: (H, W), what the network tells of objects; by default all pixels are equally deep.
    """
    mask = mask.astype(np.uint8)
    image = np.zeros(mask.shape, np.uint8) if image is None else image
    if probabilities is None:
        probabilities = (mask == np.arange(len(names))[:, None, None]).astype(np.float32)
    return Segmentation(
        mask=mask,
        probabilities=probabilities,
        id2label=dict(enumerate(names)),
        colors=COLORS[: len(names)],
        threshold=0.5 if len(names) == 2 else None,
        object_maps=np.float32(mask > 0 if distance is None else distance)[None],
        object_channels=("distance",),
        image=ImageData(np.atleast_3d(image), "drawn.png", "PNG", axes, pixel_size=pixel_size),
    )


def disc(shape: tuple[int, int], y: float, x: float, radius: float) -> np.ndarray:
    """(H, W) bool: pixels whose place (their index) is within the radius."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
