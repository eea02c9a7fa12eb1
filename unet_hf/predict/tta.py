"""A window as the network is shown it: once, or turned and flipped in all eight ways.

The paper averages over seven rotated versions of its input (section 4). Turned by quarters and
flipped, no pixel is interpolated, the pooling grid stays where it is, and tiles still equal the
whole image. Where the eight disagree, the network is not sure.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from torch import Tensor

LogitsFunction = Callable[[Tensor], Tensor]
# (C, h, w) normalised pixels -> (classes, h', w') float32 probabilities, and (h', w') float32
# how far the views disagree, if there are several.
Show = Callable[[LogitsFunction, Tensor], tuple[np.ndarray, np.ndarray | None]]
View = tuple[Callable[[Tensor], Tensor], Callable[[np.ndarray], np.ndarray]]

# Pixels that a CPU is shown at once. A batch spares what each call and each small layer costs:
# eight views of 64 x 64 px are 1.8 times as fast as one after the other (2.3 in bfloat16), of
# 128 x 128 px 1.2 times (1.5). At 256 x 256 two at once gain 2 % (12 %), but eight lose 11 % in
# float32; at 512 x 512 any batch loses 1 to 7 %. (Two cores, width 16. At width 64, float32, eight
# views: 1.8 times at 64 x 64, 1.04 at 128 x 128.)
CPU_PIXELS = 8 * 128 * 128


def views_of(tta: bool, device: torch.device, tile_size: int) -> Show:
    """How windows are to be shown to a network on this device.

    tta: In all eight ways; as many at once as is fast, and never more pixels than a window of
    `tile_size` has, which is what somebody with little memory makes smaller.
    """
    if not tta:
        return in_one_view
    fast = CPU_PIXELS if device.type == "cpu" else tile_size**2
    return partial(in_eight_views, pixels=min(fast, tile_size**2))


def in_one_view(network: LogitsFunction, window: Tensor) -> tuple[np.ndarray, None]:
    return softmax(network(window[None])[0].numpy()), None


def in_eight_views(
    network: LogitsFunction, window: Tensor, pixels: int = CPU_PIXELS
) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the probabilities, and the largest standard deviation of any class: 0 exactly where
    all views say the same, for squares are taken of differences to the first.

    pixels: How many the network is shown at once, if a single view does not have more. In float32
    the result does not depend on it. (Where a window has less than a dozen pixels at the lowest
    resolution, 48 x 48 at depth 4, sums round by 1e-5 otherwise.)
    """
    total = first = squares = None
    for views in _batches(window, pixels):
        logits = network(torch.stack([there(window) for there, _ in views])).numpy()
        for (_, back), one in zip(views, logits, strict=True):
            seen = back(softmax(one))
            if total is None:
                total, first, squares = seen.copy(), seen, np.zeros_like(seen)
            else:
                total += seen
                difference = seen - first
                squares += np.square(difference, out=difference)
    mean = total / np.float32(8)
    squares /= np.float32(8)
    variance = np.maximum(squares - np.square(mean - first), 0)
    return mean, np.sqrt(variance.max(axis=0))


def _batches(window: Tensor, pixels: int) -> Iterator[list[View]]:
    """The views in groups of one shape, always in the same order: sums round alike."""
    height, width = window.shape[1:]
    views = [*_views()]
    size = 8 if height == width else 4
    while size > 1 and size * height * width > pixels:
        size //= 2
    for start in range(0, 8, size):
        yield views[start : start + size]


def _views() -> Iterator[View]:
    """Each view as a function, and the one that undoes it; those of the window's shape first."""
    for turns in (0, 2, 1, 3):
        for flipped in (False, True):

            def there(window: Tensor, turns: int = turns, flipped: bool = flipped) -> Tensor:
                turned = window.rot90(turns, (1, 2))
                return turned.flip(2) if flipped else turned

            def back(seen: np.ndarray, turns: int = turns, flipped: bool = flipped) -> np.ndarray:
                return np.rot90(seen[..., ::-1] if flipped else seen, -turns, (1, 2))

            yield there, back


def softmax(logits: np.ndarray) -> np.ndarray:
    """(classes, h, w) float32 logits -> probabilities.

    NumPy rounds a pixel alike wherever it lies; PyTorch's softmax takes another exponential
    at the end of each thread's share, which shows as 3e-8 at some seams.
    """
    exponentials = np.exp(logits - logits.max(axis=0))
    return exponentials / exponentials.sum(axis=0)
