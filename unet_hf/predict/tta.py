"""Test-time augmentation: the mean prediction over the eight rotations and flips of a window.

The paper averages over seven rotated versions of its input (section 4). Rotations by 90 degrees
and flips interpolate no pixel and keep the pooling grid, so that tiles still equal the whole image.
Where the eight predictions differ, the network is uncertain.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

LogitsFunction = Callable[[Tensor], Tensor]
# Called with (C, h, w) normalised pixels.
WindowPredictor = Callable[[LogitsFunction, Tensor], "WindowPrediction"]
View = tuple[Callable[[Tensor], Tensor], Callable[[np.ndarray], np.ndarray]]

# Pixels in one batch on a CPU. A batch saves the fixed costs of each call and each small layer:
# a batch of eight views is 1.8 times as fast as eight calls at 64 x 64 px (2.3 in bfloat16), and
# 1.2 times at 128 x 128 px (1.5). At 256 x 256, batches of two gain 2 % (12 %), but batches of
# eight lose 11 % in float32; at 512 x 512 any batch loses 1 to 7 %. Measured on two cores with
# base_channels=16; with 64, in float32, eight views gain 1.8 times at 64 x 64, 1.04 at 128 x 128.
CPU_PIXELS = 8 * 128 * 128
SOFTMAX_PIXELS = 2**15  # pixels whose probabilities are computed at once


class WindowPrediction(NamedTuple):
    """probabilities: (classes, h, w) float32. object_maps: (n, h, w) float32, n may be 0.
    uncertainty: (h, w) float32 or None."""

    probabilities: np.ndarray
    object_maps: np.ndarray
    uncertainty: np.ndarray | None


def window_predictor(
    tta: bool, device: torch.device, tile_size: int, classes: int
) -> WindowPredictor:
    """Returns the function that predicts a window on this device.

    Args:
        classes: Number of classes; what the network gives beyond them are maps of objects.
        tta: Averages over the eight views. They are batched as far as that is fast, but a batch
            never has more pixels than one window of `tile_size`: users with little memory lower it.
    """
    if not tta:
        return partial(predict_once, classes=classes)
    fast = CPU_PIXELS if device.type == "cpu" else tile_size**2
    return partial(predict_dihedral_mean, classes=classes, pixels=min(fast, tile_size**2))


def predict_once(network: LogitsFunction, window: Tensor, classes: int) -> WindowPrediction:
    """Predicts a window as it is, without uncertainty."""
    outputs = network(window[None])[0].numpy()
    maps = outputs[classes:].copy()  # else whoever keeps them keeps the logits
    return WindowPrediction(softmax(outputs[:classes]), maps, None)


def predict_dihedral_mean(
    network: LogitsFunction, window: Tensor, classes: int, pixels: int = CPU_PIXELS
) -> WindowPrediction:
    """Predicts the mean over eight views, and their uncertainty.

    The uncertainty is the largest standard deviation of any class over the views. It is
    computed from differences to the first view, so that it is exactly 0 where all views are equal.

    Args:
        pixels: Size of a batch, unless a single view is larger. In float32 the result does not
            depend on it, except that windows with less than a dozen pixels at the lowest
            resolution (48 x 48 px at depth 4) round differently by 1e-5.
    """
    total = first = squares = maps = None
    for views in _batches(window, pixels):
        batch = network(torch.stack([apply(window) for apply, _ in views])).numpy()
        for (_, undo), outputs in zip(views, batch, strict=True):
            probabilities = undo(softmax(outputs[:classes]))
            maps = undo(outputs[classes:]) + (0 if maps is None else maps)
            if total is None:
                first, total = probabilities, probabilities.copy()
                squares = np.zeros_like(probabilities)
            else:
                total += probabilities
                difference = probabilities - first
                squares += np.square(difference, out=difference)
    mean = total / np.float32(8)
    squares /= np.float32(8)
    variance = np.maximum(squares - np.square(mean - first), 0)
    return WindowPrediction(mean, maps / np.float32(8), np.sqrt(variance.max(axis=0)))


def _batches(window: Tensor, pixels: int) -> Iterator[list[View]]:
    """Yields the views in batches of one shape; the order is fixed, so that sums round alike."""
    height, width = window.shape[1:]
    views = [*_views()]
    size = 8 if height == width else 4
    while size > 1 and size * height * width > pixels:
        size //= 2
    for start in range(0, 8, size):
        yield views[start : start + size]


def _views() -> Iterator[View]:
    """Yields each view as a function and its inverse; views of the window's own shape first."""
    for turns in (0, 2, 1, 3):
        for flipped in (False, True):

            def apply(window: Tensor, turns: int = turns, flipped: bool = flipped) -> Tensor:
                turned = window.rot90(turns, (1, 2))
                return turned.flip(2) if flipped else turned

            def undo(view: np.ndarray, turns: int = turns, flipped: bool = flipped) -> np.ndarray:
                return np.rot90(view[..., ::-1] if flipped else view, -turns, (1, 2))

            yield apply, undo


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turns (classes, h, w) float32 logits into probabilities.

    Band by band, so that what lies between the steps stays in the cache. NumPy rounds a pixel in
    the same way at any position. PyTorch's softmax computes the exponential differently at the end
    of each thread's share, which shows as 3e-8 at some seams of tiles.
    """
    probabilities = np.empty(logits.shape, logits.dtype)
    rows = max(1, SOFTMAX_PIXELS // logits.shape[2])
    for top in range(0, logits.shape[1], rows):
        band, out = (array[:, top : top + rows] for array in (logits, probabilities))
        np.subtract(band, band.max(axis=0), out=out)
        np.exp(out, out=out)
        out /= out.sum(axis=0)
    return probabilities
