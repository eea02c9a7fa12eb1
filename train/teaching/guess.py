"""`guess_unpainted`: what is not painted, guessed by forests of trees.

New classes have no old network that could hold the taught one where nobody painted. Forests stand
in for it: the few painted pixels alone would leave a network of millions of weights free to say
anything about the others.

One forest looks at all that a network sees in the images. Among its hundreds of channels, many tell
the few strokes of one image apart by chance, and none may be made for what is painted; a second one
looks at plain filters alone. Strokes kept aside do not foretell which of the two is the better one
away from strokes, so both count the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unet_hf import UNet
from unet_hf.data.detect_encoding import IGNORE

from .features import Features
from .pictures import Part
from .quick import painted_pixels

TREES = 64
MOST_PAINTED = 2000  # pixels of each class that the forest learns from, about
MOST_GUESSED = 200_000  # pixels of all parts together; those between them are interpolated
MOST_APART = 4  # times that one class may count as more frequent than another


def guess_unpainted(model: UNet, parts: Sequence[Part], classes: int) -> list[Part]:
    """Returns the parts with the guess as their old probabilities, (classes, h, w) float32.

    model: Whose features are looked at; its padding is "same".
    """
    every = spacing([part.label.numel() for part in parts])
    most = max(1, MOST_PAINTED // len(parts))  # of a part and class
    known, truth, unknown = [], [], []
    for part in parts:
        features = Features(model, part.image)
        rows, columns, of_class = painted_pixels(part.label.numpy(), most)
        known.append(features.at(rows, columns).numpy())
        truth.append(of_class)
        unknown.append(features.at(*_grid(part.label.shape, every)).half().numpy())
    forests = _forests(np.concatenate(known), np.concatenate(truth), features.plain)
    told = [_told(forests, seen, classes) for seen in unknown]
    frequent = guess_frequencies(parts, told)
    guessed = []
    for part, likely in zip(parts, told, strict=True):
        likely = functional.normalize(likely * frequent, p=1, dim=1)
        guessed.append(replace(part, old=_enlarged(likely, part.label.shape, every)))
    return guessed


def _forests(known: np.ndarray, truth: np.ndarray, plain: slice) -> list[tuple[Any, slice]]:
    """The two forests, each with the channels that it looks at. All classes are alike to them.

    known: (n, channels) of painted pixels. truth: (n,) their classes. plain: See `Features`.
    """
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    options = {"class_weight": "balanced", "random_state": 0, "n_jobs": torch.get_num_threads()}
    every = slice(None)
    return [
        (learner(TREES, **options).fit(known[:, channels], truth), channels)
        for learner, channels in ((RandomForestClassifier, every), (ExtraTreesClassifier, plain))
    ]


def _told(forests: Sequence[tuple[Any, slice]], seen: np.ndarray, classes: int) -> Tensor:
    """The mean of what the forests say of pixels, (n, channels): (n, classes) float32."""
    told = torch.zeros(len(seen), classes)
    for forest, channels in forests:
        found = forest.predict_proba(seen[:, channels].astype(np.float32))
        told[:, torch.from_numpy(forest.classes_)] += torch.from_numpy(found).float()
    return told / len(forests)


def guess_frequencies(parts: Sequence[Part], told: Sequence[Tensor]) -> Tensor:
    """How frequent the classes are, about: (classes,), the geometric mean of two estimates.

    Of a class of small things, people paint less, as their strokes are short: that says a little.
    What is guessed with all classes alike says more, but is unsure of itself until it has learned
    from several images. Of n parts, it counts n - 1 times as much. Neither is known well enough to
    let a class vanish, as one thin stroke beside a broad one would: see `MOST_APART`.

    told: (n, classes) of pixels of each part.
    """
    labels = torch.cat([part.label.flatten() for part in parts])
    classes = told[0].shape[1]
    painted = torch.bincount(labels[labels != IGNORE], minlength=classes).float()
    guessed = torch.cat(list(told)).mean(0)
    share = 1 / len(parts)
    frequent = (painted / painted.sum()) ** share * guessed ** (1 - share)
    return frequent.clamp(min=frequent.max() / MOST_APART)


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
