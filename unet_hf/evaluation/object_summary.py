"""Puts the scores of the objects of many images together, for `evaluation.json`."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from .object_evaluation import BESIDE, ImageObjects
from .object_recipe import Recipe
from .object_scores import ObjectScores
from .uncertainty import mean_interval, median_interval, ratio_interval


def object_record(images: Sequence[ImageObjects], recipe: Recipe) -> dict[str, Any]:
    """Makes the part about objects of an evaluation, as JSON.

    It has the recipe, the summary of all images and of each kind, and beside them the summaries of
    `BESIDE` with the same smallest size.
    """
    scores = [image.scores(recipe) for image in images]
    kinds = defaultdict(list)
    for image, score in zip(images, scores, strict=True):
        if image.kind is not None:
            kinds[image.kind].append(score)
    return {
        "recipe": recipe.to_config(),
        "all": summarize(scores),
        "groups": {kind: summarize(members) for kind, members in sorted(kinds.items())},
        "beside": {
            method: summarize([image.scores(Recipe(method, recipe.min_size)) for image in images])
            for method in BESIDE
        },
    }


def object_row(scores: ObjectScores) -> dict[str, Any]:
    """Returns the scores of one image, as JSON."""
    return {
        "true": scores.true_count,
        "proposed": scores.proposed_count,
        "ap50": scores.ap50,
        "mean_ap": scores.mean_ap,
        "f1": scores.f1,
        "pq": scores.panoptic_quality,
        "aji": scores.aggregated_jaccard,
        "seg": scores.seg,
        "count_error": scores.count_error,
    }


def summarize(scores: Sequence[ObjectScores]) -> dict[str, Any]:
    """Computes the scores of several images together, with their intervals.

    AP, panoptic quality, AJI and SEG are means over the images that have them; F1 is pooled over
    all objects. "count_error" is the median over images, as a share of the true objects, and
    "count_off" the mean number of objects too many or too few.
    """
    rows = [object_row(score) for score in scores]
    means = {
        name: [row[name] for row in rows if row[name] is not None]
        for name in ("ap50", "mean_ap", "pq", "aji", "seg")
    } | {"count_off": [abs(row["proposed"] - row["true"]) for row in rows]}
    matched = np.array([2 * score.found for score in scores])
    objects = np.array([score.true_count + score.proposed_count for score in scores])
    errors = [row["count_error"] for row in rows]
    return {
        "images": len(rows),
        "true": sum(row["true"] for row in rows),
        "proposed": sum(row["proposed"] for row in rows),
        "ap": np.mean([score.average_precision for score in scores], axis=0).tolist(),
        "scores": {
            **{name: float(np.mean(values)) if values else None for name, values in means.items()},
            "f1": float(matched.sum() / objects.sum()) if objects.any() else None,
            "count_error": float(np.median(errors)),
        },
        "intervals": {
            **{name: mean_interval(values) for name, values in means.items()},
            "f1": ratio_interval(matched, objects),
            "count_error": median_interval(errors),
        },
    }
