"""Judges a teaching by what it has not learned from.

People paint where things are clear, so strokes alone flatter. Hence two numbers: pieces that were
kept aside, and how much of what the old network was sure of, and nobody painted, is as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unet_hf import Segmentation
from unet_hf.data.detect_encoding import IGNORE

from .pieces import Piece

SURE = 0.95  # probability from which the old network counts as sure
RIGHT = 0.5  # a piece is right if more than so much of it is
GRID = np.round(np.arange(0.05, 0.96, 0.05), 2)  # thresholds to choose from


@dataclass(frozen=True)
class Judgement:
    """What is known of a teaching.

    aside: Pieces that were kept aside. right_before, right_after: Of these; None before for classes
    that the old network did not know.
    steady: The share of pixels that were sure and unpainted and are as they were; None without an
        old network.
    """

    aside: int
    right_before: int | None
    right_after: int
    steady: float | None

    @property
    def is_worse(self) -> bool:
        """Whether fewer pieces are right than before."""
        return self.right_before is not None and self.right_after < self.right_before

    @property
    def words(self) -> str:
        """ "Of 14 strokes kept aside 9 were right before, 13 are now." """
        if not self.aside:
            told = "Too few strokes to keep some aside: look for yourself."
        elif self.right_before is None:
            told = f"Of {self.aside} strokes kept aside {self.right_after} are right."
        else:
            told = (
                f"Of {self.aside} strokes kept aside {self.right_before} were right before, "
                f"{self.right_after} are now."
            )
        if self.steady is None:
            return told
        return (
            f"{told} Where nobody painted and the old network was sure, {100 * self.steady:.1f} % "
            "is as it was."
        )


def judge(
    before: Sequence[Segmentation] | None,
    after: Sequence[Segmentation],
    labels: Sequence[np.ndarray],
    aside: Sequence[Piece],
) -> Judgement:
    """Compares what two networks say of the painted images.

    before: None if the old network had other classes. labels: All that is painted.
    """
    right_after = count_right(aside, after)
    if before is None:
        return Judgement(len(aside), None, right_after, None)
    sure = same = 0
    for old, new, label in zip(before, after, labels, strict=True):
        is_same = old.mask == new.mask
        counted = (label == IGNORE) & (old.probabilities.max(axis=0) > SURE)
        sure += int(counted.sum())
        same += int((counted & is_same).sum())
    return Judgement(
        len(aside),
        count_right(aside, before),
        right_after,
        same / sure if sure else None,
    )


def count_right(pieces: Sequence[Piece], results: Sequence[Segmentation]) -> int:
    return sum(piece.share_right(results[piece.image].mask) > RIGHT for piece in pieces)


def choose_threshold(
    results: Sequence[Segmentation], labels: Sequence[np.ndarray], start: float | None
) -> float:
    """The threshold at which the two classes' painted pixels are right most evenly.

    Of those that are about as good, the one nearest to `start`, the base's (None: 0.5). labels:
    What was learned from: what is kept aside has no say.
    """
    start = 0.5 if start is None else start
    values = [
        np.concatenate(
            [
                result.probabilities[1][label == class_id]
                for result, label in zip(results, labels, strict=True)
            ]
        )
        for class_id in (0, 1)
    ]
    if not all(len(of_class) for of_class in values):
        return start
    grid = np.unique([*GRID, start])
    good = np.array([((values[0] <= cut).mean() + (values[1] > cut).mean()) / 2 for cut in grid])
    near = grid[good >= good.max() - 0.002]
    return float(near[np.abs(near - start).argmin()])
