"""Crops around pixels of a class drawn evenly, so that rare classes are in many of them.

nnU-Net (Isensee et al. 2021) calls it oversampling of the foreground.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from unet_hf.data.detect_encoding import IGNORE

MOST_PLACES = 4000  # pixels of each class that are kept of an image


def find_places(label: np.ndarray) -> list[Tensor]:
    """Finds pixels of each class: one (n,) int32 a class id, indices into the flat label.

    label: (H, W) uint8. Of a class with more than `MOST_PLACES` pixels, so many drawn ones are
    kept, the same at each call.
    """
    flat, rng = label.ravel(), np.random.default_rng(0)
    counts = np.bincount(flat, minlength=256)[:IGNORE]
    places = []
    for number in range(int(np.flatnonzero(counts).max(initial=-1)) + 1):
        found = np.flatnonzero(flat == number) if counts[number] else np.zeros(0, np.int64)
        if len(found) > MOST_PLACES:
            found = found[rng.integers(len(found), size=MOST_PLACES)]
        places.append(torch.from_numpy(found.astype(np.int32)))
    return places


def draw_class(classes: Sequence[int], share: float, rng: np.random.Generator) -> int | None:
    """Draws a class for this share of the crops; None for the others.

    Nothing is drawn from `rng` for a share of 0, so that crops are those of a training without.
    """
    if share == 0 or rng.random() >= share or not len(classes):
        return None
    return int(classes[rng.integers(len(classes))])


def draw_place(
    places: Tensor, size: tuple[int, int], rng: np.random.Generator
) -> tuple[int, int] | None:
    """Draws one of the pixels found in an image of this (height, width): y and x; None of none."""
    if not len(places):
        return None
    y, x = np.unravel_index(int(places[rng.integers(len(places))]), size)
    return int(y), int(x)
