"""`learn`: answers a stroke at once, by logistic regression on the network's features.

It begins with what the network says and learns only what to add, so that far from all strokes
the picture stays as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor
from torch.nn import functional

from unet_hf.data.detect_encoding import IGNORE

from .features import Features

MOST_PAINTED = 2000  # pixels of each class that are learned from
RIDGE = 0.05  # weight of the squared size of what is added
ROUNDS = 40  # of the solver, at most


@dataclass(frozen=True)
class Learned:
    """What strokes say, as a linear function of the features.

    weight: (classes, C). bias: (classes,). known: How many of the classes, the first ones, the
    network tells apart already; 0: others.
    """

    weight: Tensor
    bias: Tensor
    known: int

    def probabilities(self, features: Features) -> np.ndarray:
        """Of an image: (classes, H, W) float32."""
        logits = features.linear(self.weight) + self.bias[:, None, None]
        if self.known:
            own = features.logits[: self.known]
            logits[: self.known] += own
            # A class that the network does not know is as likely as its best one: see `_own`.
            logits[self.known :] += own.amax(0) if self.known < len(logits) else 0
        return logits.softmax(0).numpy()


def learn(painted: Sequence[tuple[Features, np.ndarray]], known: int, classes: int) -> Learned:
    """Learns what is painted on some images.

    painted: Features of an image, and (H, W) uint8, IGNORE where nothing is painted; something is
    on at least one. known: See `Learned`.
    """
    found, truth, own = [], [], []
    for features, label in painted:
        rows, columns, of_class = painted_pixels(label)
        found.append(features.at(rows, columns))
        truth.append(torch.from_numpy(of_class))
        own.append(_own(features, rows, columns, known, classes))
    scaled, deviation, mean = standardised(torch.cat(found))
    weight, bias = fit(scaled, torch.cat(truth), torch.cat(own))
    weight = weight / deviation
    return Learned(weight, bias - weight @ mean, known)


def _own(
    features: Features, rows: np.ndarray, columns: np.ndarray, known: int, classes: int
) -> Tensor:
    """What the network says of some pixels: (n, classes) logits."""
    own = torch.zeros(len(rows), classes)
    if known:
        said = features.logits[:known, rows, columns].T
        own[:, :known] = said
        own[:, known:] = said.amax(1, keepdim=True)
    return own


def painted_pixels(
    label: np.ndarray, most: int = MOST_PAINTED
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and classes of painted pixels, at most so many of each class."""
    rng = np.random.default_rng(0)
    flat, chosen = label.ravel(), [np.zeros(0, np.int64)]
    painted = np.flatnonzero(flat != IGNORE)
    of_class = flat[painted]
    for class_id in np.unique(of_class):
        found = painted[of_class == class_id]
        if len(found) > most:
            found = rng.choice(found, most, replace=False)
        chosen.append(found)
    places = np.concatenate(chosen)
    rows, columns = np.unravel_index(places, label.shape)
    return rows, columns, flat[places].astype(np.int64)


def standardised(found: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features with mean 0 and deviation 1, (n, C), and the deviation and mean before, (C,)."""
    deviation, mean = torch.std_mean(found, dim=0, correction=0)
    # A feature that hardly varies here may vary a lot elsewhere.
    deviation = deviation.clamp(min=1e-3 * float(deviation.max().clamp(min=1e-3)))
    return (found - mean) / deviation, deviation, mean


def fit(found: Tensor, truth: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """Fits multinomial logistic regression on top of given logits; every class weighs the same.

    Args:
        found: (n, C) features of mean 0 and deviation 1. truth: (n,) int64. own: (n, classes).

    Returns:
        Weights, (classes, C), and biases, (classes,).
    """
    classes = own.shape[1]
    counts = torch.bincount(truth, minlength=classes)
    share = (1 / (counts.clamp(min=1) * (counts > 0).sum()))[truth][:, None]
    is_true = functional.one_hot(truth, classes)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        both = torch.from_numpy(flat).float().reshape(classes, -1)
        said = (own + found @ both[:, :-1].T + both[:, -1]).log_softmax(1)
        total = RIDGE * (flat @ flat) - float((said * is_true * share).sum())
        slope = ((said.exp() - is_true) * share).T
        slopes = torch.cat([slope @ found, slope.sum(1, keepdim=True)], 1)
        return total, slopes.double().numpy().ravel() + 2 * RIDGE * flat

    start = np.zeros(classes * (found.shape[1] + 1))
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS}).x
    best = torch.from_numpy(best).float().reshape(classes, -1)
    return best[:, :-1], best[:, -1]
