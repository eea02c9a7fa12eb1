"""Tells which of several checkpoints is the best start for some strokes, without teaching any."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unet_hf import UNet
from unet_hf.errors import UNetError
from unet_hf.images.image_data import ImageData

from .features import features_of
from .pieces import Piece, find_pieces, without
from .quick import learn
from .student import known_classes, names_known_by

FOLDS = 3


@dataclass(frozen=True)
class Probed:
    """How well the quick learner does on strokes that it has not learned, with one checkpoint.

    name: Of the checkpoint. right: The mean probability that it gives to the right class, over
    pieces, each class alike; 0 to 1. pieces: That were foretold.
    """

    name: str
    right: float
    pieces: int


def probe(
    checkpoints: Mapping[str, UNet],
    image: ImageData,
    label: np.ndarray,
    classes: Sequence[str],
    formerly: Sequence[Sequence[str]] = (),
) -> list[Probed]:
    """Foretells each third of the pieces from the others; the best checkpoint comes first.

    label: (H, W) uint8, 255 where nothing is painted. A checkpoint that the image does not fit is
    left out. So is everything, if no class has two pieces. formerly: What each class was called
    before it was renamed, see `names_known_by`.
    """
    pieces = find_pieces(label)
    found = [
        Probed(name, *score)
        for name, model in checkpoints.items()
        if (score := _score(model, image, label, names_known_by(model, classes, formerly), pieces))
        is not None
    ]
    return sorted(found, key=lambda one: one.right, reverse=True)


def _score(
    model: UNet,
    image: ImageData,
    label: np.ndarray,
    classes: Sequence[str],
    pieces: Sequence[Piece],
) -> tuple[float, int] | None:
    try:
        features = features_of(model, image)
    except UNetError:
        return None
    right: dict[int, list[float]] = {}
    for fold in folds(pieces):
        rest = without(label, fold)
        if not fold or len(np.unique(rest)) < 3:  # 255 and two classes
            continue
        learned = learn([(features, rest)], known_classes(model, classes), len(classes))
        probabilities = learned.probabilities(features)
        for piece in fold:
            part = probabilities[piece.class_id, piece.rows, piece.columns]
            right.setdefault(piece.class_id, []).append(float(part[piece.pixels].mean()))
    if not right:
        return None
    count = sum(map(len, right.values()))
    return float(np.mean([np.mean(values) for values in right.values()])), count


def folds(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Thirds of the pieces of each class; a class with a single piece is in none of them."""
    divided: list[list[Piece]] = [[] for _ in range(FOLDS)]
    for class_id in sorted({piece.class_id for piece in pieces}):
        of_class = [piece for piece in pieces if piece.class_id == class_id]
        if len(of_class) > 1:
            for number, piece in enumerate(of_class):
                divided[number % FOLDS].append(piece)
    return divided
