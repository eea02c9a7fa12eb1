"""From probabilities to class ids."""

import numpy as np


def decide(probabilities: np.ndarray, threshold: float | None) -> np.ndarray:
    """(classes, H, W) probabilities -> (H, W) uint8 class ids.

    Two classes: class 1 where its probability exceeds the threshold. More: the most
    probable class, the lower id where two are equal.
    """
    if threshold is not None:
        return (probabilities[1] > threshold).astype(np.uint8)
    return probabilities.argmax(axis=0).astype(np.uint8)
