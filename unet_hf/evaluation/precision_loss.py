"""Measures what a coarser precision than float32 changes in a checkpoint's predictions."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..data.pairs import Pair
from ..engine.fast import OBJECT_AP
from ..unet import UNet
from .summary import Evaluation


@dataclass(frozen=True)
class PrecisionLoss:
    """Differences between a coarser precision and float32 on the same images."""

    changed: float  # share of the pixels that change class
    mean_difference: float  # mean change of the probability of class 0
    largest_difference: float  # largest change of any probability
    pixels: int


def compare_precisions(model: UNet, pairs: Iterable[Pair], precision: str) -> PrecisionLoss:
    """Segments every image in float32 and in `precision`, and compares the results."""
    changed = pixels = 0
    total = largest = 0.0
    for pair in pairs:
        exact = model.segment(pair.image, precision="float32")
        coarse = model.segment(pair.image, precision=precision)
        differences = np.abs(exact.probabilities - coarse.probabilities)
        changed += int((exact.mask != coarse.mask).sum())
        pixels += exact.mask.size
        largest = max(largest, float(differences.max()))
        total += float(differences[0].sum(dtype=np.float64))
    return PrecisionLoss(changed / pixels, total / pixels, largest, pixels)


def main_scores(evaluation: Evaluation) -> dict[str, float]:
    """The main scores by name: V_rand and V_info of membranes, or the mean IoU.

    Where images have instance ids, also `OBJECT_AP`.
    """
    if membrane := evaluation.membrane:
        scores = {"V_rand": membrane["v_rand"], "V_info": membrane["v_info"]}
    else:
        scores = {"mean IoU": evaluation.mean_iou}
    if objects := evaluation.objects:
        scores[OBJECT_AP] = objects["all"]["scores"]["ap50"]
    return scores
