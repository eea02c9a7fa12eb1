"""A window as the network is shown it: once, or turned and flipped in all eight ways.

The paper averages over seven rotated versions of its input (section 4). Turned by quarters and
flipped, no pixel is interpolated, the pooling grid stays where it is, and tiles still equal the
whole image. Where the eight disagree, the network is not sure.
"""

from collections.abc import Callable, Iterator

import numpy as np
from torch import Tensor

Network = Callable[[Tensor], Tensor]
# (C, h, w) normalised pixels -> (classes, h', w') float32 probabilities, and (h', w') float32
# how far the views disagree, if there are several.
Show = Callable[[Network, Tensor], tuple[np.ndarray, np.ndarray | None]]


def in_one_view(network: Network, window: Tensor) -> tuple[np.ndarray, None]:
    return softmax(network(window[None])[0].numpy()), None


def in_eight_views(network: Network, window: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the probabilities, and the largest standard deviation of any class.

    Views come one after the other: a CPU gains nothing from a batch, and memory is an eighth.
    """
    total = squares = None
    for there, back in _views():
        seen = back(softmax(network(there(window)[None])[0].numpy()))
        if total is None:
            total, squares = seen.copy(), np.square(seen)
        else:
            total += seen
            squares += np.square(seen)
    mean = total / np.float32(8)
    variance = squares / np.float32(8) - np.square(mean)
    return mean, np.sqrt(np.maximum(variance, 0)).max(axis=0)


def _views() -> Iterator[tuple[Callable[[Tensor], Tensor], Callable[[np.ndarray], np.ndarray]]]:
    """Each view as a function, and the one that undoes it."""
    for turns in range(4):
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
