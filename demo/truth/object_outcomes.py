"""What became of each object when it was held against the truth: lists, and a map."""

from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from unet_hf import Segmentation
from unet_hf.evaluation.object_scores import ObjectScores, score_objects
from unet_hf.objects.objects import Objects

from ..parts.region_list import Listed, lists_html
from ..viewer.component import show_map
from .label_image import NOT_COUNTED, Truth

# Of Okabe and Ito's palette: told apart with any colour vision.
COLORS = {
    "matched": "#009e73",
    "missed": "#d55e00",
    "invented": "#56b4e9",
    "split": "#f0e442",
    "merged": "#cc79a7",
    "not counted": "#9a9a9a",
}
MEANING = {
    "matched": "A true object and one of the result, of an IoU above 0.5.",
    "missed": "True objects that are not matched.",
    "invented": "Objects of the result that are not matched.",
    "split": "True objects in which several of the result lie.",
    "merged": "Objects of the result in which several true ones lie.",
}


@dataclass(frozen=True, eq=False)
class ObjectOutcomes:
    """The objects of a result beside the true ones.

    truth: (H, W) int32 ids of the true objects. known: (H, W) bool, the pixels that count.
    """

    scores: ObjectScores
    objects: Objects
    truth: np.ndarray = field(repr=False)
    known: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, truth: Truth, objects: Objects) -> "ObjectOutcomes":
        known = truth.classes != NOT_COUNTED
        return cls(
            score_objects(truth.objects, objects.labels, counted=known),
            objects,
            np.where(known, truth.objects, 0),
            known,
        )

    @property
    def found(self) -> np.ndarray:
        """(H, W) int32: ids of the result's objects, where pixels count."""
        return np.where(self.known, self.objects.labels, 0)

    def listed(self) -> dict[str, list[Listed]]:
        """The objects of each kind in `MEANING`, the largest first."""
        scores, true, found = self.scores, _Places(self.truth), _Places(self.found)
        kinds = {
            "matched": [found.at(own, f"object {own}, true {it}") for it, own in scores.matched],
            "missed": [true.at(it, f"true {it}") for it in scores.missed_ids],
            "invented": [found.at(own, f"object {own}") for own in scores.invented_ids],
            "split": [
                true.at(it, f"true {it}, as objects {_joined(parts)}")
                for it, parts in scores.split_into.items()
            ],
            "merged": [
                found.at(own, f"object {own}, of true {_joined(parts)}")
                for own, parts in scores.merged_from.items()
            ],
        }
        return {kind: sorted(each, key=lambda one: -one.pixels) for kind, each in kinds.items()}

    def map(self) -> np.ndarray:
        """(H, W) uint8: places in `COLORS`, 255 for none.

        What was split or merged has one colour, with the parts that it is made of.
        """
        scores, kinds = self.scores, [*COLORS]
        painted = np.full(self.truth.shape, 255, np.uint8)
        for kind, labels, ids in (
            ("matched", self.found, [own for _, own in scores.matched]),
            ("invented", self.found, scores.invented_ids),
            ("missed", self.truth, scores.missed_ids),
            ("split", self.truth, scores.split_into),
            ("split", self.found, [*chain(*scores.split_into.values())]),
            ("merged", self.found, scores.merged_from),
            ("merged", self.truth, [*chain(*scores.merged_from.values())]),
        ):
            chosen = np.zeros(labels.max(initial=0) + 1, bool)
            chosen[list(ids)] = True
            painted[chosen[labels]] = kinds.index(kind)
        painted[~self.known] = kinds.index("not counted")
        return painted


class _Places:
    """Where each object of an image of ids lies, and how large it is."""

    def __init__(self, labels: np.ndarray) -> None:
        from scipy.ndimage import find_objects

        self.slices, self.pixels = find_objects(labels), np.bincount(labels.ravel())

    def at(self, number: int, words: str) -> Listed:
        rows, columns = self.slices[number - 1]
        size = (columns.stop - columns.start, rows.stop - rows.start)
        return Listed(int(self.pixels[number]), (columns.start, rows.start, *size), words)


def show_outcomes(result: Segmentation, outcomes: ObjectOutcomes) -> dict[str, Any]:
    """What the viewer shows."""
    names, colors = [*COLORS], [*COLORS.values()]
    alt = f"{result.image.source}: objects that were matched, missed, invented, split and merged"
    return show_map(result.image, outcomes.map(), names, colors, alt)


def outcomes_html(outcomes: ObjectOutcomes) -> str:
    """How many there are of each kind, the way from one to the next, and lists."""
    kinds = outcomes.listed()
    return lists_html(
        "Objects", [(kind, COLORS[kind], MEANING[kind], kinds[kind]) for kind in kinds]
    )


def _joined(ids: tuple[int, ...]) -> str:
    return ", ".join(map(str, ids))
