"""Scores a checkpoint on labelled images, with the `segment` that users call."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ..classes import is_membrane_data
from ..data.cache import BoundedCache
from ..data.detect_encoding import IGNORE
from ..data.pairs import Pair
from ..errors import DatasetError
from ..network.configuration import OBJECT_METHODS, check_objects
from ..predict.decision import decide
from ..predict.segmentation import Segmentation
from ..unet import UNet
from .comparison import cells_of
from .few_missed import CUTS, few_missed
from .metrics import (
    THRESHOLDS,
    MembraneSlice,
    confusion_matrix,
    confusions_at,
    membrane_slice,
    overlap_scores,
    pixel_error,
    rand_error,
)
from .object_evaluation import ImageObjects, measure_objects, partings_of
from .object_recipe import Recipe, choose_recipe
from .object_summary import object_record, object_row
from .tally import Counts, Tally
from .uncertainty import (
    BINS,
    bin_rows,
    calibration_bins,
    expected_calibration_error,
    mean_interval,
    overlap_intervals,
)

KEPT_BYTES = 2**30  # of results that a second pass needs; others are computed twice
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


@dataclass
class _Image:
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


def evaluate(
    model: UNet,
    pairs: Iterable[Pair],
    threshold: float | None = None,
    precision: str = "float32",
    tta: bool = False,
    choose_objects: bool = False,
) -> Evaluation:
    """Segments and scores images; hardly more than one of them is in memory at a time.

    Where images have instance ids, the single objects are scored, too. If the threshold is chosen
    here, these images are looked at again to see the objects at that threshold; their results are
    kept for it up to `KEPT_BYTES`, and computed again beyond.

    Args:
        pairs: The images. An iterator is read into memory if they are needed twice.
        threshold: Two classes: the decision threshold to score at. None: the best one on these
            images is chosen, as at the end of a training.
        precision: See `UNet.segment`; scores in float32 are the same on all machines.
        tta: Test-time augmentation, see `UNet.segment`.
        choose_objects: Chooses the way of making objects that is best on these images. False: it
            is the checkpoint's.

    Raises:
        DatasetError: There is no image, or its classes are not the model's.
        ConfigError: This machine or checkpoint cannot compute in `precision`.
    """
    return evaluate_and_tally(
        [(model, pairs)], threshold, (), precision, tta, choose_objects=choose_objects
    )[0]


def evaluate_and_tally(
    parts: Sequence[tuple[UNet, Iterable[Pair]]],
    threshold: float | None = None,
    thresholds: Sequence[float] = CANDIDATES,
    precision: str = "float32",
    tta: bool = False,
    *,
    choose_objects: bool = False,
) -> tuple[Evaluation, Tally]:
    """Evaluates, and also returns what was counted in each image; see `evaluate`.

    parts: Models of the same classes, each with the images that it segments. They are scored
        together.
    thresholds: Two classes: the decision thresholds of the tally, beside the given one; for a
        threshold that is chosen here, they are `CANDIDATES`.
    """
    parts = [
        (model, list(pairs) if threshold is None and isinstance(pairs, Iterator) else pairs)
        for model, pairs in parts
    ]
    labels = parts[0][0].id2label
    membrane, walled = is_membrane_data(labels), parts[0][0].walled
    choosing = len(labels) == 2 and threshold is None
    candidates: tuple[float | None, ...] = (None,)
    if len(labels) == 2:
        candidates = CANDIDATES if choosing else (threshold, *thresholds)
    manner = {"precision": precision, "tta": tta}
    # The objects of a threshold that is still to be chosen are found in a second pass.
    objects_now = not choosing
    kept: BoundedCache[Segmentation] = BoundedCache(KEPT_BYTES if choosing else 0)

    def segment(number: int, model: UNet, pair: Pair) -> Segmentation:
        """Segments an image; keeps what a second pass needs, while there is room."""
        wanted = KEPT_BYTES + 1 if pair.instances is None else 0
        make = partial(model.segment, pair.image, **manner)
        return kept.get(number, make, lambda result: wanted + _size(result))

    images = [
        _measure(
            segment(number, model, pair), pair, len(labels), candidates, membrane,
            choose_objects if objects_now else None,
        )
        for number, (model, pair) in enumerate(_all(parts))
    ]  # fmt: skip
    if not images:
        raise DatasetError("There is no image to evaluate on.")

    chosen = candidates[0]
    if not any(image.confusion[chosen].any() for image in images):
        raise DatasetError(
            "No pixel of the images to evaluate on has a label: all are to be ignored. Check "
            "--ignore_index, or choose other images."
        )
    if choosing:
        chosen = choose_threshold({t: _score(images, t, membrane) for t in candidates})
        if any(image.numbered for image in images):
            for number, (model, pair) in enumerate(_all(parts)):
                if images[number].numbered:
                    result = segment(number, model, pair)
                    images[number].objects = _objects(result, pair, chosen, choose_objects)
    numbered = [image.objects for image in images if image.objects]
    if choose_objects and numbered:
        # Gaps in walls are closed in V_rand, too, which only the learned method does.
        methods = ("learned",) if walled else OBJECT_METHODS
        precisions = [image.precisions(methods) for image in numbered]
        recipe = choose_recipe(precisions)
    else:
        recipe = Recipe(**check_objects(parts[0][0].config.get("objects", {})))
        precisions = [{recipe: image.scores(recipe).ap50} for image in numbered]
    tallied = CANDIDATES if choosing else tuple(thresholds) or (chosen,)
    tally = _tally(images, tallied if len(labels) == 2 else (None,), precisions)
    return _summarize(images, chosen, recipe, labels, membrane, walled, tta), tally


def _all(parts: Sequence[tuple[UNet, Iterable[Pair]]]) -> Iterator[tuple[UNet, Pair]]:
    return ((model, pair) for model, pairs in parts for pair in pairs)


def _size(result: Segmentation) -> int:
    """Bytes of a result with its image."""
    arrays = (result.probabilities, result.mask, result.object_maps, result.uncertainty)
    return result.image.pixels.nbytes + sum(array.nbytes for array in arrays if array is not None)


def _tally(
    images: Sequence[_Image],
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


def _summarize(
    images: list[_Image],
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
        score=_score(images, chosen, membrane),
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


def _row(image: _Image, threshold: float | None, recipe: Recipe) -> dict[str, Any]:
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


def _measure(
    result: Segmentation,
    pair: Pair,
    classes: int,
    candidates: tuple[float | None, ...],
    membrane: bool,
    choose_objects: bool | None,
) -> _Image:
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
    return _Image(
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
        _objects(result, pair, candidates[0], choose_objects)
        if numbered and choose_objects is not None
        else None,
    )


def _objects(
    result: Segmentation, pair: Pair, threshold: float | None, choose: bool
) -> ImageObjects:
    """Compares the objects at a threshold with the true ones."""
    cut = result if threshold is None else result.with_threshold(threshold)
    return measure_objects(cut, pair, partings_of(cut, choose))


def _score(images: list[_Image], threshold: float | None, membrane: bool) -> float:
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


def _membrane_summary(images: list[_Image], chosen: float, walled: bool) -> dict[str, Any]:
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
