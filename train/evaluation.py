"""What a checkpoint is worth on held-back images, through the `segment` that users call."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unet_hf import UNet
from unet_hf.metrics import THRESHOLDS, confusion_matrix, membrane_scores, overlap_scores
from unet_hf.segmentation import decide

from .data import Pair

CANDIDATES = tuple(round(0.05 * step, 2) for step in range(1, 20))  # decision thresholds tried


@dataclass
class Evaluation:
    """Scores on one split. `score` is what checkpoints are compared by, higher is better."""

    score: float
    score_name: str
    threshold: float | None  # two classes: the best for `score`, chosen on this split
    iou: dict[str, float]
    dice: dict[str, float]
    mean_iou: float
    pixel_accuracy: float
    membrane: dict[str, Any] | None = None
    images: list[dict[str, Any]] = field(default_factory=list)  # one row an image
    groups: dict[str, float] = field(default_factory=dict)  # mean IoU by the column "kind"


def is_membrane_data(id2label: dict[int, str]) -> bool:
    """Two classes of which class 0 is the membrane between the cells of class 1."""
    return len(id2label) == 2 and "membrane" in id2label[0].lower()


def evaluate(
    model: UNet, pairs: list[Pair], ignore_index: int = 255, threshold: float | None = None
) -> Evaluation:
    """Segments every image and scores it.

    Args:
        threshold: Two classes: the decision threshold to score at. None: the best on these
            very images is chosen, as at the end of a training.
    """
    probabilities = [model.segment(pair.image).probabilities for pair in pairs]
    labels = model.id2label
    if is_membrane_data(labels):
        membrane = _evaluate_membrane(pairs, probabilities, threshold)
        threshold, score = membrane["threshold"], membrane["score"]
        score_name = "mean of V_rand and V_info"
    else:
        membrane = None
        if threshold is None and len(labels) == 2:
            threshold = _best_threshold(pairs, probabilities, ignore_index)
        score, score_name = None, "mean IoU"

    images, groups = [], defaultdict(list)
    for pair, p in zip(pairs, probabilities, strict=True):
        confusion = confusion_matrix(pair.label, decide(p, threshold), len(labels), ignore_index)
        images.append({"name": pair.name, "mean_iou": overlap_scores(confusion).mean_iou})
        groups["all"].append(confusion)
        if isinstance(pair.extras.get("kind"), str):
            groups[pair.extras["kind"]].append(confusion)
    overlap = overlap_scores(sum(groups.pop("all")))
    if membrane:
        for row, (rand, info) in zip(images, membrane.pop("slices"), strict=True):
            row |= {"v_rand": rand, "v_info": info}
    return Evaluation(
        score=overlap.mean_iou if score is None else score,
        score_name=score_name,
        threshold=threshold,
        iou={labels[i]: float(value) for i, value in enumerate(overlap.iou)},
        dice={labels[i]: float(value) for i, value in enumerate(overlap.dice)},
        mean_iou=overlap.mean_iou,
        pixel_accuracy=overlap.pixel_accuracy,
        membrane=membrane,
        images=images,
        groups={kind: overlap_scores(sum(rows)).mean_iou for kind, rows in sorted(groups.items())},
    )


def steady_best(scores: dict[float, float]) -> float:
    """The candidate whose score is best together with its two neighbours'.

    The very best may stand at the edge of a cliff (membranes fall open below some threshold),
    and new images move the cliff.
    """
    values = [scores[threshold] for threshold in CANDIDATES]
    around = [values[0], *values, values[-1]]
    sums = {t: sum(around[index : index + 3]) for index, t in enumerate(CANDIDATES)}
    return max(sums, key=sums.__getitem__)


def _best_threshold(pairs: list[Pair], probabilities: list[np.ndarray], ignore: int) -> float:
    def mean_iou(threshold: float) -> float:
        return overlap_scores(
            sum(
                confusion_matrix(pair.label, decide(p, threshold), 2, ignore)
                for pair, p in zip(pairs, probabilities, strict=True)
            )
        ).mean_iou

    return steady_best({threshold: mean_iou(threshold) for threshold in CANDIDATES})


def _evaluate_membrane(
    pairs: list[Pair], probabilities: list[np.ndarray], threshold: float | None
) -> dict[str, Any]:
    """V_rand and V_info: best of the challenge's thresholds, and at the one threshold stored."""
    thresholds = sorted({*THRESHOLDS, *(CANDIDATES if threshold is None else [threshold])})
    scores = membrane_scores(
        [pair.label == 1 for pair in pairs], [p[1] for p in probabilities], thresholds
    )
    means = {t: np.mean(rows, axis=0) for t, rows in scores.items()}
    if threshold is None:
        threshold = steady_best({t: float(means[t].mean()) for t in CANDIDATES})
    best_rand = max(THRESHOLDS, key=lambda t: means[t][0])
    best_info = max(THRESHOLDS, key=lambda t: means[t][1])
    return {
        "threshold": threshold,
        "score": float(means[threshold].mean()),
        "v_rand": float(means[threshold][0]),
        "v_info": float(means[threshold][1]),
        "best_v_rand": float(means[best_rand][0]),
        "best_v_rand_threshold": best_rand,
        "best_v_info": float(means[best_info][1]),
        "best_v_info_threshold": best_info,
        "slices": scores[threshold],
    }


def describe(evaluation: Evaluation) -> str:
    text = f"mean IoU {evaluation.mean_iou:.4f}"
    if evaluation.membrane:
        rand, info = evaluation.membrane["v_rand"], evaluation.membrane["v_info"]
        text = f"V_rand {rand:.4f} V_info {info:.4f} {text}"
    if evaluation.threshold is not None:
        text += f" at threshold {evaluation.threshold}"
    return text
