"""Scores a checkpoint on labelled images, with the `segment` that users call."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from ..classes import is_membrane_data
from ..data.cache import BoundedCache
from ..data.pairs import Pair
from ..errors import DatasetError
from ..network.configuration import OBJECT_METHODS, check_objects
from ..predict.segmentation import Segmentation
from ..unet import UNet
from .image_counts import count_image, objects_at, tally_of
from .object_recipe import Recipe, choose_recipe
from .summary import CANDIDATES, Evaluation, choose_threshold, score_of, summarize
from .tally import Tally

KEPT_BYTES = 2**30  # of results that a second pass needs; others are computed twice


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
        count_image(
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
        chosen = choose_threshold({t: score_of(images, t, membrane) for t in candidates})
        if any(image.numbered for image in images):
            for number, (model, pair) in enumerate(_all(parts)):
                if images[number].numbered:
                    result = segment(number, model, pair)
                    images[number].objects = objects_at(result, pair, chosen, choose_objects)
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
    tally = tally_of(images, tallied if len(labels) == 2 else (None,), precisions)
    return summarize(images, chosen, recipe, labels, membrane, walled, tta), tally


def _all(parts: Sequence[tuple[UNet, Iterable[Pair]]]) -> Iterator[tuple[UNet, Pair]]:
    return ((model, pair) for model, pairs in parts for pair in pairs)


def _size(result: Segmentation) -> int:
    """Bytes of a result with its image."""
    arrays = (result.probabilities, result.mask, result.object_maps, result.uncertainty)
    return result.image.pixels.nbytes + sum(array.nbytes for array in arrays if array is not None)
