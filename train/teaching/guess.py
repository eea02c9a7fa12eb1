"""`guess_unpainted`: what is not painted, guessed by a random forest.

New classes have no old network that could hold the taught one where nobody painted. A forest on
what a network sees in the images, and on plain filters, stands in for it: the few painted pixels
alone would leave a network of millions of weights free to say anything about the others.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unet_hf import UNet

from .features import Features
from .pictures import Part
from .quick import painted_pixels

TREES = 64
MOST_PAINTED = 2000  # pixels of each class that the forest learns from, about
MOST_GUESSED = 200_000  # pixels of all parts together; those between them are interpolated


def guess_unpainted(model: UNet, parts: Sequence[Part], classes: int) -> list[Part]:
    """Returns the parts with the guess as their old probabilities, (classes, h, w) float32.

    model: Whose features are looked at; its padding is "same".
    """
    from sklearn.ensemble import RandomForestClassifier

    every = spacing([part.label.numel() for part in parts])
    share = max(1, MOST_PAINTED // len(parts))  # of a part and class
    known, truth, unknown = [], [], []
    for part in parts:
        features = Features(model, part.image)
        rows, columns, of_class = painted_pixels(part.label.numpy(), share)
        known.append(features.at(rows, columns).numpy())
        truth.append(of_class)
        unknown.append(features.at(*_grid(part.label.shape, every)).half().numpy())
    forest = RandomForestClassifier(
        TREES, class_weight="balanced", random_state=0, n_jobs=torch.get_num_threads()
    )
    forest.fit(np.concatenate(known), np.concatenate(truth))
    guessed = []
    for part, features in zip(parts, unknown, strict=True):
        told = torch.zeros(len(features), classes)
        found = forest.predict_proba(features.astype(np.float32))
        told[:, torch.from_numpy(forest.classes_)] = torch.from_numpy(found).float()
        guessed.append(replace(part, old=_enlarged(told, part.label.shape, every)))
    return guessed


def spacing(pixels: Sequence[int]) -> int:
    """How far the pixels that are guessed lie apart. pixels: Of each part."""
    return max(1, int(np.ceil(np.sqrt(sum(pixels) / MOST_GUESSED))))


def _grid(size: Sequence[int], every: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of every n-th pixel, from the middle of the first square of n on."""
    rows, columns = (np.arange(min(every // 2, length - 1), length, every) for length in size)
    return tuple(one.ravel() for one in np.meshgrid(rows, columns, indexing="ij"))


def _enlarged(told: Tensor, size: Sequence[int], every: int) -> Tensor:
    """(n, classes) of the pixels of `_grid` -> (classes, h, w)."""
    shape = [len(range(min(every // 2, length - 1), length, every)) for length in size]
    coarse = told.T.reshape(1, -1, *shape)
    return functional.interpolate(coarse, tuple(size), mode="bilinear", align_corners=False)[0]
