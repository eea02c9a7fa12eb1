"""The step from probabilities to class ids."""

import numpy as np


def decide(probabilities: np.ndarray, threshold: float | None) -> np.ndarray:
    """Turns (classes, H, W) probabilities into (H, W) uint8 class ids.

    With two classes: class 1 where its probability exceeds the threshold. With more: the most
    probable class, and the lower id where two are equal.
    """
    if threshold is not None:
        return (probabilities[1] > threshold).astype(np.uint8)
    return probabilities.argmax(axis=0).astype(np.uint8)
