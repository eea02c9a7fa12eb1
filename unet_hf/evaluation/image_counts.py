"""What is counted in one image that is scored; its pixels are not kept."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..data.detect_encoding import IGNORE
from ..data.pairs import Pair
from ..errors import DatasetError
from ..predict.decision import decide
from ..predict.segmentation import Segmentation
from .comparison import cells_of
from .few_missed import CUTS
from .metrics import THRESHOLDS, MembraneSlice, confusion_matrix, confusions_at, membrane_slice
from .object_evaluation import ImageObjects, measure_objects, partings_of
from .object_recipe import Recipe
from .tally import Counts, Tally
from .uncertainty import calibration_bins


@dataclass
class ImageCounts:
    """Counts of one image at each threshold; its pixels are not kept."""

    name: str
    kind: str | None
    precision: str
    confusion: dict[float | None, np.ndarray]
    calibration: np.ndarray  # (3, BINS), see `calibration_bins`
    cuts: np.ndarray | None  # two classes: (CUTS, 2, 2) pixel counts for `few_missed`
    membrane: dict[float, MembraneSlice]
    numbered: bool  # it has instance ids
    objects: ImageObjects | None  # at the only threshold; None where one is to be chosen first


def count_image(
    result: Segmentation,
    pair: Pair,
    classes: int,
    candidates: tuple[float | None, ...],
    membrane: bool,
    choose_objects: bool | None,
) -> ImageCounts:
    """Counts in one image. choose_objects: None leaves its objects out."""
    highest = int(pair.label[pair.label != IGNORE].max(initial=0))
    if highest >= classes:
        raise DatasetError(
            f"{pair.name} holds class {highest}, but the model tells {classes} classes apart. "
            "Evaluate on a data set with its classes."
        )
    probabilities = result.probabilities
    kind = pair.extras.get("kind")
    if classes == 2:
        counts = confusions_at(pair.label, probabilities[1], {*candidates, *CUTS})
        confusion = {threshold: counts[threshold] for threshold in candidates}
    else:
        mask = decide(probabilities, None)
        confusion = {None: confusion_matrix(pair.label, mask, classes, IGNORE)}
    return ImageCounts(
        pair.name,
        kind if isinstance(kind, str) else None,
        result.precision,
        confusion,
        calibration_bins(pair.label, probabilities, IGNORE),
        np.stack([counts[cut] for cut in CUTS]) if classes == 2 else None,
        membrane_slice(
            pair.label == 1, probabilities[1], sorted({*THRESHOLDS, *candidates}), cells_of(result)
        )
        if membrane
        else {},
        numbered := pair.instances is not None,
        objects_at(result, pair, candidates[0], choose_objects)
        if numbered and choose_objects is not None
        else None,
    )


def objects_at(
    result: Segmentation, pair: Pair, threshold: float | None, choose: bool
) -> ImageObjects:
    """Compares the objects at a threshold with the true ones."""
    cut = result if threshold is None else result.with_threshold(threshold)
    return measure_objects(cut, pair, partings_of(cut, choose))


def tally_of(
    images: Sequence[ImageCounts],
    thresholds: Sequence[float | None],
    precisions: Sequence[dict[Recipe, float]],
) -> Tally:
    """Puts the counts of the images together; precisions: of the images that have objects."""
    confusions = [[image.confusion[t] for t in thresholds] for image in images]
    membrane = [
        [image.membrane[t].scores for t in thresholds if image.membrane] for image in images
    ]
    counts = Counts(
        np.ones(len(images), np.int64),
        np.array([[np.diagonal(table) for table in tables] for tables in confusions]),
        np.array([[table.sum(0) + table.sum(1) for table in tables] for tables in confusions]),
        np.array(membrane) if membrane[0] else None,
    )
    rows = iter(precisions)
    return Tally.of_images(
        thresholds, counts, [next(rows) if image.objects else None for image in images]
    )
