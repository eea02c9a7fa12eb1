"""Makes the record by which a checkpoint tells images that are unlike those of its training."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ..data.open import LabelledData, ValidationPairs
from ..data.options import DataOptions, public_name
from ..data.pairs import Pairs
from ..engine.scope import FEWEST_EXAMPLES, Scope, describe_image, fit_scope
from ..errors import DatasetError, UNetError
from ..hub.scope_record import make_scope_record
from ..images.image_data import ImageData
from ..network.network import Network
from ..words import number_of

MOST_IMAGES = 600  # of each split: more would take minutes, and say little more

logger = logging.getLogger(__name__)


def measure_scope(
    model: Network,
    data: LabelledData,
    config: DataOptions,
    folder: Path,
    foreign: Mapping[str, Iterable[ImageData]] = MappingProxyType({}),
) -> dict[str, Any]:
    """Describes the images of both splits to the weights in `folder`; returns their record.

    Args:
        foreign: Images of other kinds, by the name of their set, to be counted beyond the limit.

    Raises:
        DatasetError: There are too few training images to say what they have in common.
    """
    training = describe_images(model, _training_images(data))
    if len(training) < FEWEST_EXAMPLES:
        raise DatasetError(
            f"There are {number_of(len(training), 'training image')}; to tell which images are "
            f"unlike them, {FEWEST_EXAMPLES} are needed."
        )
    validation = describe_images(model, (pair.image for pair in ValidationPairs(data, config)))
    scope = fit_scope(training, validation)
    return make_scope_record(scope, folder) | {
        "images": len(training),
        "dataset": {
            "name": public_name(config.dataset_name),
            "train": data.train_name,
            "validation": data.validation_name,
            "revision": config.dataset_revision,
        },
        "validation": count_beyond(scope, validation),
        "foreign": [
            {"name": name} | count_beyond(scope, describe_images(model, images))
            for name, images in foreign.items()
        ],
    }


def describe_images(model: Network, images: Iterable[ImageData]) -> np.ndarray:
    """Describes up to `MOST_IMAGES` images: (n, features) float64.

    Images that do not fit the network are left out.
    """
    found = []
    for image in images:
        try:
            found.append(describe_image(model, model.preprocessing.prepare(image)))
        except UNetError as error:
            logger.warning("%s It was left out.", error)
        if len(found) == MOST_IMAGES:
            break
    return np.stack(found) if found else np.empty((0, 0))


def count_beyond(scope: Scope, descriptions: np.ndarray) -> dict[str, int]:
    """Counts images, and those among them that are beyond the limit."""
    beyond = (scope.distances(descriptions) > scope.limit).sum() if len(descriptions) else 0
    return {"images": len(descriptions), "beyond": int(beyond)}


def _training_images(data: LabelledData) -> Iterator[ImageData]:
    """Yields images of the training split, from all over it (of a stream: its first)."""
    if not isinstance(data.train, Pairs):
        return (read().image for read in data.train.first(MOST_IMAGES))
    count = len(data.train)
    positions = np.linspace(0, count - 1, min(MOST_IMAGES, count)).round().astype(int)
    return (data.train.once(int(position)).image for position in positions)
