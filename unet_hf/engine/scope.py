"""`Scope`: which images a network was trained on, told from what its first layers see in them.

An image is described by the mean of each feature map after the second and after the third level, in
windows spread over it. How far it is from the training is the Mahalanobis distance (1936) to the
nearest of the training images: a data set may hold several kinds of images, and their mean is none
of them.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..images.preprocessing import PreparedImage
from ..network.network import Network
from ..network.tiling import mirrored
from .layers import fold_batch_norm

# A few windows are enough, and cost little. They are at the same places of an image whatever tiles
# it is segmented in, and are computed in float32 on the CPU whatever the rest is computed in: the
# same image has the same distance everywhere.
GRID, SIDE = 4, 32  # windows along each axis; pixels along each side of a window
LEVELS = (1, 2)  # counted from 0, of those that there are
FLOOR = 0.1  # added before the logarithm, so that a feature that is nearly absent counts little
# Of the covariance, towards its diagonal: ten images of a small data set would not give one of 64
# features at all. From 0.5 to 0.8 images of other kinds are told equally well, see
# `benchmarks.foreign`.
SHRINKAGE = 0.7
MOST_EXAMPLES = 128  # training images that are kept
FEWEST_EXAMPLES = 5
QUANTILE = 0.99
LEAST_LIMIT = 0.1  # of images that are all the same
FOLDS = 20  # of the training images, to find their distance from the others
STEP = 0.05  # examples are multiples of it, which is much less than they differ by
MOST_STEPS = 127


@dataclass(frozen=True, eq=False)
class Scope:
    """The training images as a network's first layers see them.

    examples: (n, features) float64, a row of `describe_image` for each of some training images.
    limit: The distance that 99 % of new images of their kind do not exceed.
    """

    examples: np.ndarray
    limit: float

    def unlikeness(self, description: np.ndarray) -> float:
        """Returns how far an image is from the training images, in units of the limit."""
        return float(self.distances(description[None])[0] / self.limit)

    def distances(self, descriptions: np.ndarray) -> np.ndarray:
        """Returns the distance of each of (m, features) descriptions from the nearest example."""
        differences = (descriptions @ self._whitening)[:, None] - self._whitened
        return np.sqrt(np.square(differences).mean(axis=2).min(axis=1))

    @cached_property
    def _whitened(self) -> np.ndarray:
        return self.examples @ self._whitening

    @cached_property
    def _whitening(self) -> np.ndarray:
        """A matrix W with W Wᵀ = C⁻¹, where C is the shrunken covariance of the examples."""
        covariance = np.cov(self.examples, rowvar=False)
        variances = np.diag(covariance) + STEP**2 / 12  # none below what rounding hides
        shrunken = (1 - SHRINKAGE) * covariance
        np.fill_diagonal(shrunken, variances)
        return np.linalg.inv(np.linalg.cholesky(shrunken)).T


def fit_scope(training: np.ndarray, validation: np.ndarray) -> Scope:
    """Makes a `Scope` from descriptions of training and validation images.

    The limit is the larger of two 99th percentiles: that of the distances of the validation images,
    and that of the distances of each training image from the others. Validation images are few in
    most data sets, and training images often have another one that is much like them. Of fewer than
    100 images the percentile is their largest distance.

    Args:
        training: (n, features), n at least `FEWEST_EXAMPLES`.
        validation: (m, features), m may be 0.
    """
    fold = np.arange(len(training)) % min(len(training), FOLDS)
    whole, left_out = _scope_of(training), np.empty(len(training))
    for index in range(fold.max() + 1):
        others = _scope_of(training[fold != index])
        left_out[fold == index] = others.distances(training[fold == index])
    known = whole.distances(validation) if len(validation) else left_out
    limit = max(LEAST_LIMIT, _percentile(left_out), _percentile(known))
    # Rounded up: the image whose distance it is would be beyond it otherwise.
    return Scope(whole.examples, float(np.ceil(limit * 1e4) / 1e4))


def _percentile(distances: np.ndarray) -> float:
    """Returns the smallest of the distances that 99 % of them do not exceed."""
    return np.sort(distances)[int(np.ceil(QUANTILE * len(distances))) - 1]


def _scope_of(training: np.ndarray) -> Scope:
    """Returns a scope with a limit of 1."""
    chosen = _spread_out(training / (training.std(axis=0) + STEP), MOST_EXAMPLES)
    return Scope(from_codes(to_codes(training[chosen])), 1.0)


def to_codes(descriptions: np.ndarray) -> np.ndarray:
    """Returns descriptions as they are stored: int8, in units of `STEP`."""
    return np.clip(np.round(descriptions / STEP), -MOST_STEPS, MOST_STEPS).astype(np.int8)


def from_codes(codes: np.ndarray) -> np.ndarray:
    """Returns what `to_codes` has made integers of, float64."""
    return codes * STEP


def _spread_out(points: np.ndarray, count: int) -> np.ndarray:
    """Returns the indices of `count` points that leave none of the others far from all of them.

    The first is the one nearest to the mean, each further one the farthest from those before
    (Gonzalez 1985). They are in the order of the points.
    """
    if len(points) <= count:
        return np.arange(len(points))
    chosen = [int(np.square(points - points.mean(axis=0)).sum(axis=1).argmin())]
    farness = np.full(len(points), np.inf)
    while len(chosen) < count:
        farness = np.minimum(farness, np.square(points - points[chosen[-1]]).sum(axis=1))
        chosen.append(int(farness.argmax()))
    return np.sort(chosen)


def unlike_training(model: Network, prepared: PreparedImage) -> float | None:
    """Returns how far an image is from those the network was trained on; above 1 it is unlike them.

    None if the network does not know what it was trained on.
    """
    scope = model.scope
    return None if scope is None else scope.unlikeness(describe_image(model, prepared))


def notes_on_unlikeness(unlike: float | None) -> tuple[str, ...]:
    """Returns a note for images that are unlike the training's."""
    if unlike is None or unlike <= 1:
        return ()
    return (
        f"unlike the images this checkpoint was trained on ({over_the_limit(unlike)}): do not "
        "trust the result unseen",
    )


def over_the_limit(unlike: float) -> str:
    """Says how far an image is above the limit, which is 1."""
    return "just above the limit" if unlike < 1.05 else f"{unlike:.1f} times the limit"


@torch.inference_mode()
def describe_image(model: Network, prepared: PreparedImage) -> np.ndarray:
    """Describes an image as the first layers see it: (features,) float64, one for each channel.

    They are the logarithms of the means of the feature maps after the levels `LEVELS`.
    """
    x = torch.stack([*_windows(prepared)]).contiguous(memory_format=torch.channels_last)
    padding = 1 if model.config["padding"] == "same" else 0
    means = []
    for level, step in enumerate([*model.contracting, model.bottleneck][: LEVELS[-1] + 1]):
        if level:
            x = functional.max_pool2d(x, 2)
        for first in (0, 3):
            weight, bias = fold_batch_norm(step[first], step[first + 1])
            weight = weight.float().cpu().contiguous(memory_format=torch.channels_last)
            x = functional.conv2d(x, weight, bias.float().cpu(), padding=padding).relu_()
        if level in LEVELS:
            means.append(x.double().mean(dim=(0, 2, 3)))  # of all windows
    return np.log(torch.cat(means).numpy() + FLOOR)


def count_features(model: Network) -> int:
    """Returns how many numbers `describe_image` gives."""
    return sum(model.widths[LEVELS[0] : LEVELS[-1] + 1])


def _windows(prepared: PreparedImage) -> list[Tensor]:
    """Returns normalised windows spread evenly over an image, (channels, side, side) float32 each.

    Windows larger than the image are mirrored.
    """
    rows, columns = (_spans(size) for size in (prepared.image.height, prepared.image.width))
    return [prepared.window(row, column) for row in rows for column in columns]


def _spans(size: int) -> list[np.ndarray]:
    """Returns the indices of the pixels of each window along an axis of `size` pixels."""
    starts = np.linspace(0, size - SIDE, GRID).round().astype(int) if size > SIDE else [0] * GRID
    return [mirrored(start, start + SIDE, size) for start in starts]
