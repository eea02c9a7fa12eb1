"""Estimates the scores on new images, without the flattery of what was chosen on the measured ones.

The kept step, the threshold and the way of making objects are those that are best on the
validation images, so the scores of these images are a little too good. Here each image is scored
with what is best on the other images, chosen by the same rule: its own pixels have no say. This is
leave-one-out cross-validation of the choices (Stone 1974, J. R. Stat. Soc. B 36:111). The weights
were not trained on any of these images.

An estimate is a dictionary, as in `evaluation.json`:

    method     "leave one out", "cross-validation", or "held out": these images chose nothing
    chosen     what was chosen anew for each image: "step", "threshold", "objects"
    images     their number
    left_out   how many are left out at once: more than one of more than `tally.MAX_GROUPS` images
    folds      number of folds; None without cross-validation
    scores     mean IoU; V_rand and V_info; AP of objects at IoU 0.5
    intervals  95 %, see `uncertainty.small_sample_interval`
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from .object_recipe import choose_recipe
from .summary import choose_threshold
from .tally import Counts, Tally
from .uncertainty import resamples, small_sample_interval

MAX_STEPS = 32  # evaluations of a training that are kept: those with the best scores
Steps = Mapping[int, Tally]  # the tallies of the evaluations of one training, by step


def expected_scores(folds: Sequence[Steps]) -> dict[str, Any] | None:
    """Estimates the scores on new images by choosing without each image in turn.

    Args:
        folds: For each training the tallies of its evaluations; one training without folds.

    Returns:
        The estimate; None where fewer than two images have labels.
    """
    kept = [_kept_step(steps) for steps in folds]
    left_out = [
        _without(folds, kept, fold, group)
        for fold, steps in enumerate(folds)
        for group in np.flatnonzero(_has_labels(steps[kept[fold]]))
    ]
    if len(left_out) < 2:
        return None
    tally = folds[0][kept[0]]
    chosen = {
        "step": any(len(steps) > 1 for steps in folds),
        "threshold": len(tally.thresholds) > 1,
        "objects": len(tally.recipes) > 1,
    }
    return _estimate(
        [row.counts for row in left_out],
        [row.objects for row in left_out if row.objects and chosen["objects"]],
        method="leave one out" if len(folds) == 1 else "cross-validation",
        chosen=[name for name, was_chosen in chosen.items() if was_chosen],
        folds=len(folds) if len(folds) > 1 else None,
    )


def held_out_scores(tally: Tally) -> dict[str, Any] | None:
    """Estimates the scores on new images from images that have chosen nothing.

    tally: Of an evaluation at the checkpoint's threshold alone. Returns None as `expected_scores`.
    """
    groups = np.flatnonzero(_has_labels(tally))
    if len(groups) < 2:
        return None
    objects = [
        (int(tally.numbered[group]), float(tally.precisions[group, 0]))
        for group in groups
        if tally.numbered[group]
    ]
    counts = [tally.counts[group] for group in groups]
    return _estimate(counts, objects, method="held out", chosen=[], folds=None)


def keep_best(steps: Steps) -> dict[int, Tally]:
    """Returns the `MAX_STEPS` evaluations with the best scores, in the order of their steps.

    The others would hardly be chosen by leaving out one image.
    """
    score = {step: _best(tally.total, tally)[0] for step, tally in steps.items()}
    kept = sorted(steps, key=lambda step: (score[step], step))[-MAX_STEPS:]
    return {step: steps[step] for step in sorted(kept)}


@dataclass(frozen=True, eq=False)
class _LeftOut:
    """One group of images at what is best on the others.

    objects: Number of its images with instance ids, and the sum of their AP; None without them.
    """

    counts: Counts  # at one threshold
    objects: tuple[int, float] | None


def _without(folds: Sequence[Steps], kept: Sequence[int], fold: int, group: int) -> _LeftOut:
    """Scores a group of a fold's images with the step, threshold and recipe chosen without it.

    The step is chosen on the other images of its fold, all else on those of all folds.
    """
    step = _kept_step(folds[fold], group)
    tally = folds[fold][step]
    others = [folds[i][kept[i]] for i in range(len(folds)) if i != fold]
    rest = reduce(add, [other.total for other in others], tally.total - tally.counts[group])
    counts = tally.counts[group].at(_best(rest, tally)[1])
    if not tally.numbered[group]:
        return _LeftOut(counts, None)
    sums = [other.precisions.sum(0) for other in others]
    sums.append(tally.precisions.sum(0) - tally.precisions[group])
    recipe = choose_recipe([dict(zip(tally.recipes, sum(sums).tolist(), strict=True))])
    precision = tally.precisions[group, tally.recipes.index(recipe)]
    return _LeftOut(counts, (int(tally.numbered[group]), float(precision)))


def _kept_step(steps: Steps, without: int | None = None) -> int:
    """Chooses the step as a training does: the last one with the best score.

    without: The group of images that has no say. If there is no other, the last step is chosen.
    """

    def score(step: int) -> float:
        tally = steps[step]
        counts = tally.total if without is None else tally.total - tally.counts[without]
        return _best(counts, tally)[0]

    return max(steps, key=lambda step: (score(step), step))


def _best(counts: Counts, tally: Tally) -> tuple[float, int]:
    """Returns the score at the chosen threshold, and the threshold's index."""
    scores = np.nan_to_num(counts.scores, nan=-1.0)  # nothing to measure is worse than anything
    index = 0
    if len(tally.thresholds) > 1:
        chosen = choose_threshold(dict(zip(tally.thresholds, scores.tolist(), strict=True)))
        index = tally.thresholds.index(chosen)
    return float(scores[index]), index


def _has_labels(tally: Tally) -> np.ndarray:
    """Whether a group has any pixel with a label, (groups,) bool."""
    return tally.counts.areas[:, 0].any(-1)


def _estimate(
    counts: Sequence[Counts], objects: Sequence[tuple[int, float]], **described: Any
) -> dict[str, Any]:
    """Computes the scores of all groups, each at its own choices, with their intervals.

    counts: Of each group at one threshold. objects: See `_LeftOut`.
    """
    total = reduce(add, counts)
    stacked = Counts(*map(_stacked, zip(*(vars(row).values() for row in counts), strict=True)))
    weights = resamples(len(counts))
    draws = stacked._map(lambda values: np.tensordot(weights, values, 1))
    scores = {"mean_iou": (total.mean_iou, draws.mean_iou)}
    if total.membrane is not None:
        means = total.membrane_means, draws.membrane_means
        scores |= {
            name: tuple(m[..., i] for m in means) for i, name in ((-2, "v_rand"), (-1, "v_info"))
        }
    found = {
        name: (float(value[0]), small_sample_interval(float(value[0]), drawn[:, 0], len(counts)))
        for name, (value, drawn) in scores.items()
    }
    if len(objects) > 1:
        images, precisions = np.array(objects, dtype=float).T
        again = resamples(len(objects))
        value = float(precisions.sum() / images.sum())
        spread = small_sample_interval(value, again @ precisions / (again @ images), len(objects))
        found["ap50"] = value, spread
    return described | {
        "images": int(total.images),
        "left_out": int(stacked.images.max()),
        "scores": {name: value for name, (value, _) in found.items()},
        "intervals": {name: spread for name, (_, spread) in found.items()},
    }


def _stacked(values: tuple[np.ndarray | None, ...]) -> np.ndarray | None:
    return None if values[0] is None else np.stack(values)
