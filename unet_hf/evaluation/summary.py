"""`Evaluation`: the scores of a split, from what was counted in its images."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .few_missed import few_missed
from .image_counts import ImageCounts
from .metrics import THRESHOLDS, overlap_scores, pixel_error, rand_error
from .object_recipe import Recipe
from .object_summary import object_record, object_row
from .uncertainty import (
    BINS,
    bin_rows,
    expected_calibration_error,
    mean_interval,
    overlap_intervals,
)

CANDIDATES = tuple(round(0.05 * step, 2) for step in range(1, 20))  # decision thresholds tried


@dataclass
class Evaluation:
    """Scores on one split; checkpoints are compared by `score`, higher is better."""

    score: float
    score_name: str
    threshold: float | None  # two classes: the best for `score`, if chosen on this split
    iou: dict[str, float | None]  # None for a class that neither label nor prediction holds
    dice: dict[str, float | None]
    mean_iou: float
    pixel_accuracy: float
    calibration: dict[str, Any]  # of the most probable class, at any threshold
    intervals: dict[str, Any]  # 95 %, by the bootstrap over images; None where there is none
    membrane: dict[str, Any] | None = None
    images: list[dict[str, Any]] = field(default_factory=list)  # one row an image
    groups: dict[str, float] = field(default_factory=dict)  # mean IoU by the column "kind"
    precision: str = "float32"  # the numbers that the network computed with
    tta: bool = False  # test-time augmentation: the mean of eight views
    # Scores of single objects, see `object_summary`; None where no image has instance ids.
    objects: dict[str, Any] | None = None
    # Two classes: the threshold that bounds the missed share of class 1, see `few_missed`.
    few_missed: dict[str, Any] | None = None


def summarize(
    images: list[ImageCounts],
    chosen: float | None,
    recipe: Recipe,
    labels: dict[int, str],
    membrane: bool,
    walled: bool,
    tta: bool,
) -> Evaluation:
    """Computes the scores of all images at the chosen threshold, with objects by the recipe."""
    numbered = [image.objects for image in images if image.objects]
    confusions = np.stack([image.confusion[chosen] for image in images])
    overlap = overlap_scores(confusions.sum(0))
    intervals = overlap_intervals(confusions)
    bins = sum(image.calibration for image in images)
    groups = defaultdict(list)
    for image in images:
        if image.kind is not None:
            groups[image.kind].append(image.confusion[chosen])
    rows = [_row(image, chosen, recipe) for image in images]
    if membrane:
        for key in ("v_rand", "v_info"):
            intervals[key] = mean_interval([row[key] for row in rows])

    def by_name(values: np.ndarray) -> dict[str, float | None]:
        return {labels[i]: _number(value) for i, value in enumerate(values)}

    return Evaluation(
        score=score_of(images, chosen, membrane),
        score_name="mean of V_rand and V_info" if membrane else "mean IoU",
        threshold=chosen,
        iou=by_name(overlap.iou),
        dice=by_name(overlap.dice),
        mean_iou=overlap.mean_iou,
        pixel_accuracy=overlap.pixel_accuracy,
        calibration={
            "expected_error": expected_calibration_error(bins),
            "bins": BINS,
            "per_bin": bin_rows(bins),
        },
        intervals=intervals
        | {key: dict(zip(labels.values(), intervals[key], strict=True)) for key in ("iou", "dice")},
        membrane=_membrane_summary(images, chosen, walled) if membrane else None,
        images=rows,
        groups={
            kind: _number(overlap_scores(sum(counts)).mean_iou)
            for kind, counts in sorted(groups.items())
        },
        # More than one where "auto" met values that half precision cannot hold.
        precision=", ".join(sorted({image.precision for image in images})),
        tta=tta,
        objects=object_record(numbered, recipe) if numbered else None,
        few_missed=few_missed(np.stack([image.cuts for image in images]), confusions)
        if len(labels) == 2
        else None,
    )


def _row(image: ImageCounts, threshold: float | None, recipe: Recipe) -> dict[str, Any]:
    """Returns the scores of one image, as JSON."""
    overlap = overlap_scores(image.confusion[threshold])
    row: dict[str, Any] = {"name": image.name, "mean_iou": _number(overlap.mean_iou)}
    if image.kind is not None:
        row["kind"] = image.kind
    if image.membrane:
        cut = image.membrane[threshold]
        row |= dict(zip(("v_rand", "v_info"), cut.of_cells, strict=True))
    if image.objects:
        row["objects"] = object_row(image.objects.scores(recipe))
    return row


def _number(value: float) -> float | None:
    """Converts a score for JSON: None where there was nothing to measure (NaN)."""
    return None if np.isnan(value) else float(value)


def score_of(images: list[ImageCounts], threshold: float | None, membrane: bool) -> float:
    """Computes what checkpoints are compared by, at a threshold; higher is better."""
    if membrane:
        slices = [image.membrane[threshold] for image in images]
        return float(np.mean([cut.scores for cut in slices]))
    return overlap_scores(sum(image.confusion[threshold] for image in images)).mean_iou


def choose_threshold(scores: dict[float, float]) -> float:
    """Chooses the threshold whose score is best together with those of its two neighbours.

    The single best one may be at the edge of a steep fall (below some threshold membranes get
    gaps), and on new images that edge is at another threshold.
    """
    values = [scores[threshold] for threshold in CANDIDATES]
    around = [values[0], *values, values[-1]]
    sums = {t: sum(around[index : index + 3]) for index, t in enumerate(CANDIDATES)}
    return max(sums, key=sums.__getitem__)


def _membrane_summary(images: list[ImageCounts], chosen: float, walled: bool) -> dict[str, Any]:
    """Membrane scores at the chosen threshold and, as in the challenge, at the best threshold.

    walled: V_rand and V_info are those of the cells, and the mask's are beside them.
    """
    slices = {t: [image.membrane[t] for image in images] for t in images[0].membrane}
    v_rand = {t: float(np.mean([cut.v_rand for cut in rows])) for t, rows in slices.items()}
    v_info = {t: float(np.mean([cut.v_info for cut in rows])) for t, rows in slices.items()}
    best_rand = max(THRESHOLDS, key=v_rand.__getitem__)
    best_info = max(THRESHOLDS, key=v_info.__getitem__)
    cells = np.mean([cut.of_cells for cut in slices[chosen]], axis=0).tolist()
    mask = {"mask_v_rand": v_rand[chosen], "mask_v_info": v_info[chosen]}
    return {
        **dict(zip(("v_rand", "v_info"), cells, strict=True)),
        **(mask if walled else {}),
        "best_v_rand": v_rand[best_rand],
        "best_v_rand_threshold": best_rand,
        "best_v_info": v_info[best_info],
        "best_v_info_threshold": best_info,
        "rand_error": min(rand_error(slices[t]) for t in THRESHOLDS),
        "pixel_error": min(pixel_error(slices[t]) for t in THRESHOLDS),
    }


def describe_evaluation(evaluation: Evaluation) -> str:
    """Says the main scores in one line."""
    text = f"mean IoU {evaluation.mean_iou:.4f}"
    if evaluation.membrane:
        rand, info = evaluation.membrane["v_rand"], evaluation.membrane["v_info"]
        text = f"V_rand {rand:.4f} V_info {info:.4f} {text}"
    if evaluation.threshold is not None:
        text += f" at threshold {evaluation.threshold}"
    if evaluation.objects:
        text += f"; objects: AP {evaluation.objects['all']['scores']['ap50']:.4f} at IoU 0.5"
    return text
