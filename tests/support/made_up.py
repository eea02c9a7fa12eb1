"""A made-up image, and its results of two and of three classes, for viewers in tests."""

import numpy as np

from unet_hf import Segmentation
from unet_hf.images.image_data import ImageData
from unet_hf.predict.decision import decide

HEIGHT, WIDTH = 240, 330
EMPTY = 20  # rows without data
COLORS = ["#999999", "#d55e00", "#0072b2"]


def image_of(pixels: np.ndarray, **known) -> ImageData:
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    return ImageData(pixels, source="made up", format="array", axes="YX", **known)


def scores(classes: int) -> np.ndarray:
    """(classes, HEIGHT, WIDTH) float32 probabilities with structure."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [np.sin(x / (9 + 3 * c)) * np.cos(y / (13 - 2 * c)) for c in range(classes)]
    noise = np.random.default_rng(1).normal(0, 0.3, (classes, HEIGHT, WIDTH))
    powers = np.exp(3 * (np.array(waves) + noise)).astype(np.float32)
    return powers / powers.sum(axis=0)


def gray_16() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    noise = np.random.default_rng(2).integers(0, 900, (HEIGHT, WIDTH))
    return (3000 + 90 * x + 50 * y + noise).astype(np.uint16)


def result_of(classes: int, pixels: np.ndarray, nodata: float) -> Segmentation:
    """The first rows hold no data."""
    pixels[:EMPTY] = nodata
    probabilities = scores(classes)
    probabilities[:, :EMPTY] = 0
    threshold = 0.4 if classes == 2 else None
    return Segmentation(
        mask=decide(probabilities, threshold),
        probabilities=probabilities,
        id2label=dict(enumerate(["ground", "nucleus", "border"][:classes])),
        colors=COLORS[:classes],
        threshold=threshold,
        image=image_of(pixels, nodata=nodata),
    )


TWO = result_of(2, gray_16(), 0)
THREE = result_of(3, np.random.default_rng(3).random((HEIGHT, WIDTH), np.float32) - 0.3, np.nan)
