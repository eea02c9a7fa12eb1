"""`Scope`: which images a network was trained on, told from what its first layers see in them.

An image is described by the mean and the spread of each feature map after the second level, in
windows spread over it. How far it is from the training is the Mahalanobis distance (1936) to the
nearest of the training images: a data set may hold several kinds of images, and their mean is none
of them.
"""

from collections.abc import Sequence
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
LEVELS = 2
FLOOR = 0.1  # added before the logarithm, so that a feature that is nearly absent counts little
# Of the covariance, towards its diagonal: ten images of a small data set would not give one of 64
# features at all. 0.5 and 0.7 tell images of other kinds apart best, see `benchmarks.foreign`.
SHRINKAGE = 0.7
MOST_EXAMPLES = 128  # training images that are kept
FEWEST_EXAMPLES = 5
QUANTILE = 0.99
LEAST_LIMIT = 0.1  # of images that are all the same
FOLDS = 20  # of the training images, to find their distance from the others
DIGITS = 2  # after the decimal point, of each stored number


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
        variances = np.diag(covariance) + 10.0 ** (-2 * DIGITS)  # none below what rounding hides
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
    chosen = _spread_out(training / (training.std(axis=0) + 10.0**-DIGITS), MOST_EXAMPLES)
    return Scope(training[chosen], 1.0)


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
        f"unlike the images this checkpoint was trained on ({unlike:.1f} times the limit): do not "
        "trust the result unseen",
    )


@torch.inference_mode()
def describe_image(model: Network, prepared: PreparedImage) -> np.ndarray:
    """Describes an image as the first layers see it: (features,) float64, two for each channel.

    They are the logarithms of the mean and the spread of each feature map after the second level.
    """
    x = torch.stack([*_windows(prepared)]).contiguous(memory_format=torch.channels_last)
    padding = 1 if model.config["padding"] == "same" else 0
    for level, step in enumerate([*model.contracting, model.bottleneck][:LEVELS]):
        if level:
            x = functional.max_pool2d(x, 2)
        for first in (0, 3):
            weight, bias = fold_batch_norm(step[first], step[first + 1])
            weight = weight.float().cpu().contiguous(memory_format=torch.channels_last)
            x = functional.conv2d(x, weight, bias.float().cpu(), padding=padding).relu_()
    values = x.permute(1, 0, 2, 3).flatten(2).double()  # (channels, windows, pixels)
    # The spread within each window, not between them: nuclei may be in one and not in another.
    found = torch.cat([values.mean(dim=(1, 2)), values.std(dim=2).mean(dim=1)])
    return np.log(found.numpy() + FLOOR)


def count_features(model: Network) -> int:
    """Returns how many numbers `describe_image` gives."""
    return 2 * model.widths[:LEVELS][-1]


def rounded(descriptions: Sequence[np.ndarray]) -> np.ndarray:
    """Returns descriptions as they are stored, (n, features)."""
    return np.round(np.stack(descriptions), DIGITS)


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
