"""Scores all sides alike, without the evaluation of this project: on the same label images.

Overlap is pooled over the images. Membranes: V_rand and V_info of the thinned proposal (Arganda-
Carreras et al. 2015), or of the cells that a side has parted by itself, means over slices. Objects:
AP at IoU 0.5 of the 4-connected components.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .task import IGNORE

THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
Masks = Mapping[str, np.ndarray]  # (H, W) class ids, by the key of the image


def score_predictions(data: Path, folder: Path, own_threshold: float | None) -> dict[str, Any]:
    """Scores the probabilities in a folder, as JSON.

    "plain" decides for the most probable class. With two classes there is also "best", the
    threshold that is best on these images, looked for on every side alike, and "own", the one that
    the side has chosen by itself.
    """
    facts = json.loads((data / "facts.json").read_text("utf-8"))
    keys = facts["validation"]
    found = {key: np.load(folder / f"{key}.npy") for key in keys}
    truth = {key: np.load(data / f"{key}.label.npy") for key in keys}
    instances = {
        key: np.load(path) for key in keys if (path := data / f"{key}.instances.npy").exists()
    }
    scores = {"plain": score_masks(facts, truth, instances, decided(found, None))}
    if len(facts["classes"]) == 2:
        tried = {t: score_masks(facts, truth, {}, decided(found, t)) for t in THRESHOLDS}
        best = max(tried, key=lambda threshold: headline(tried[threshold]))
        scores["best"] = tried[best] | {"threshold": best}
        if own_threshold is not None:
            own = score_masks(facts, truth, instances, decided(found, own_threshold))
            scores["own"] = own | {"threshold": own_threshold}
    parted = {key: path for key in keys if (path := folder / f"{key}.objects.npy").exists()}
    if parted and facts["membrane"]:
        slices = [region_scores(truth[key] == 1, np.load(path)) for key, path in parted.items()]
        scores["own objects"] = dict(zip(("v_rand", "v_info"), np.mean(slices, 0), strict=True))
    elif parted:
        pairs = [(instances[key], np.load(path)) for key, path in parted.items()]
        scores["own objects"] = {"ap50": mean_ap50(pairs)}
    return scores


def decided(probabilities: Mapping[str, np.ndarray], threshold: float | None) -> Masks:
    """Class ids: the most probable class, or class 1 where it is above a threshold."""
    if threshold is None:
        return {key: values.argmax(0) for key, values in probabilities.items()}
    return {key: (values[1] > threshold).astype(int) for key, values in probabilities.items()}


def score_masks(
    facts: dict[str, Any], truth: Masks, instances: Masks, masks: Masks
) -> dict[str, Any]:
    iou = pooled_iou([(truth[key], masks[key]) for key in truth], len(facts["classes"]))
    seen = [value for value in iou if value is not None]
    scores: dict[str, Any] = {
        "mean_iou": float(np.mean(seen)),
        "iou": dict(zip(facts["classes"], iou, strict=True)),
    }
    if facts["membrane"]:
        slices = [membrane_scores(truth[key] == 1, masks[key] == 1) for key in truth]
        scores["v_rand"], scores["v_info"] = np.mean(slices, axis=0).tolist()
    if instances:
        scores["ap50"] = mean_ap50(
            [(ids, components(masks[key])) for key, ids in instances.items()]
        )
    return scores


def headline(scores: dict[str, Any]) -> float:
    """The score that a threshold is chosen by."""
    if "v_rand" in scores:
        return (scores["v_rand"] + scores["v_info"]) / 2
    return scores["mean_iou"]


def pooled_iou(pairs: list[tuple[np.ndarray, np.ndarray]], classes: int) -> list[float | None]:
    """IoU of each class over all images together; None for a class that is nowhere."""
    both, either = np.zeros(classes), np.zeros(classes)
    for truth, mask in pairs:
        known = truth != IGNORE
        for index in range(classes):
            true, found = (truth == index) & known, (mask == index) & known
            both[index] += (true & found).sum()
            either[index] += (true | found).sum()
    return [float(b / e) if e else None for b, e in zip(both, either, strict=True)]


def membrane_scores(truth: np.ndarray, interior: np.ndarray) -> tuple[float, float]:
    """V_rand and V_info of one slice; both maps are (H, W) bool, True = cell."""
    from skimage.measure import label
    from skimage.segmentation import watershed

    seeds = label(interior, connectivity=1)
    flat = np.zeros(interior.shape, np.uint8)
    if not seeds.any():
        return region_scores(truth, np.ones(interior.shape, int))
    return region_scores(truth, watershed(flat, seeds, connectivity=1, watershed_line=True))


def region_scores(truth: np.ndarray, regions: np.ndarray) -> tuple[float, float]:
    """V_rand and V_info of the regions of one slice, (H, W) ids, 0 on the lines between them."""
    from skimage.measure import label
    from skimage.metrics import contingency_table

    true = label(truth, connectivity=1)[truth]
    found = regions[truth].astype(np.int64)
    lines = found == 0  # each pixel of a line is a region of its own
    found[lines] = found.max(initial=0) + 1 + np.arange(lines.sum())
    if not true.size:
        return 1.0, 1.0
    joint = contingency_table(true, found, normalize=True)
    shares = [np.ravel(part) for part in (joint.data, joint.sum(1), joint.sum(0))]
    both, rows, columns = (float((part[part > 0] ** 2).sum()) for part in shares)
    information, row_entropy, column_entropy = (
        float(-(part[part > 0] * np.log(part[part > 0])).sum()) for part in shares
    )
    total = row_entropy + column_entropy
    v_info = 2 * (total - information) / total if total > 0 else 1.0
    return 2 * both / (rows + columns), v_info


def components(mask: np.ndarray) -> np.ndarray:
    """Ids of the 4-connected components of each class but class 0."""
    from skimage.measure import label

    return label(mask, connectivity=1, background=0)


def mean_ap50(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Mean over images of TP / (TP + FP + FN) at IoU above 0.5; 1 where there is no object."""
    return float(np.mean([ap50(truth, found) for truth, found in pairs]))


def ap50(truth: np.ndarray, found: np.ndarray) -> float:
    true_ids, true = np.unique(truth, return_inverse=True)
    found_ids, proposed = np.unique(found, return_inverse=True)
    table = np.zeros((len(true_ids), len(found_ids)))
    np.add.at(table, (true.ravel(), proposed.ravel()), 1)
    union = table.sum(1, keepdims=True) + table.sum(0, keepdims=True) - table
    objects = np.ix_(true_ids > 0, found_ids > 0)
    hits = int((table / union > 0.5)[objects].sum())
    everything = int((true_ids > 0).sum() + (found_ids > 0).sum()) - hits
    return hits / everything if everything else 1.0
