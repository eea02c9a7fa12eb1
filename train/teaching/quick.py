"""`QuickLearner`: answers a stroke at once, by logistic regression on the network's features.

It begins with what the network says and learns only what to add, so that far from all strokes
the picture stays as it is.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unet_hf.data.detect_encoding import IGNORE

from .features import Features

MOST_PAINTED = 2000  # pixels of each class that are learned from
RIDGE = 0.05  # weight of the squared size of what is added
ROUNDS = 40  # of the solver, at most


class QuickLearner:
    """Learns from strokes on one image.

    features: Of the image. known: How many of the classes, the first ones, the network tells apart
    already; 0: others.
    """

    def __init__(self, features: Features, known: int) -> None:
        self.features = features
        self.known = known

    def learn(self, label: np.ndarray, classes: int) -> np.ndarray:
        """Learns what is painted; returns probabilities, (classes, H, W) float32.

        label: (H, W) uint8, IGNORE where nothing is painted; at least one class is.
        """
        rows, columns, truth = painted_pixels(label)
        found = self.features.at(rows, columns)
        scaled, deviation, mean = standardised(found)
        weight, bias = fit(scaled, torch.from_numpy(truth), self._own(rows, columns, classes))
        weight = weight / deviation
        bias = bias - weight @ mean
        logits = self.features.linear(weight) + bias[:, None, None]
        if self.known:
            own = self.features.logits[: self.known]
            logits[: self.known] += own
            # A class that the network does not know is as likely as its best one: see `_own`.
            logits[self.known :] += own.amax(0) if self.known < classes else 0
        return logits.softmax(0).numpy()

    def _own(self, rows: np.ndarray, columns: np.ndarray, classes: int) -> Tensor:
        """What the network says of some pixels: (n, classes) logits."""
        own = torch.zeros(len(rows), classes)
        if self.known:
            said = self.features.logits[: self.known, rows, columns].T
            own[:, : self.known] = said
            own[:, self.known :] = said.amax(1, keepdim=True)
        return own


def painted_pixels(label: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and classes of painted pixels, at most `MOST_PAINTED` of each class."""
    rng = np.random.default_rng(0)
    flat, chosen = label.ravel(), []
    painted = np.flatnonzero(flat != IGNORE)
    of_class = flat[painted]
    for class_id in np.unique(of_class):
        found = painted[of_class == class_id]
        if len(found) > MOST_PAINTED:
            found = rng.choice(found, MOST_PAINTED, replace=False)
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
    share = (1 / (counts.clamp(min=1) * (counts > 0).sum()))[truth]
    weight = torch.zeros(classes, found.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    solver = torch.optim.LBFGS(
        [weight, bias], max_iter=ROUNDS, history_size=10, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        solver.zero_grad()
        logits = own + found @ weight.T + bias
        entropies = functional.cross_entropy(logits, truth, reduction="none")
        total = (entropies * share).sum() + RIDGE * (weight.square().sum() + bias.square().sum())
        total.backward()
        return total

    solver.step(loss)
    return weight.detach(), bias.detach()
