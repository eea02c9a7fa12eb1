"""The step from probabilities to class ids."""

import numpy as np


def decide(probabilities: np.ndarray, threshold: float | None) -> np.ndarray:
    """Turns (classes, H, W) probabilities into (H, W) uint8 class ids.

    With two classes: class 1 where its probability exceeds the threshold. With more: the most
    probable class, and the lower id where two are equal.
    """
    if threshold is not None:
        return (probabilities[1] > threshold).astype(np.uint8)
    return most_probable(probabilities)


def most_probable(probabilities: np.ndarray) -> np.ndarray:
    """Returns the most probable class of each pixel, (H, W) uint8; of equal ones the lower id.

    Class by class over all pixels; numpy's argmax over few classes takes ten times as long.
    """
    best = probabilities[0].copy()
    ids = np.zeros(best.shape, np.uint8)
    for index, probability in enumerate(probabilities[1:], 1):
        higher = probability > best
        np.copyto(ids, np.uint8(index), where=higher)
        np.maximum(best, probability, out=best)
    return ids
