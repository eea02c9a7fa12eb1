"""Compares the objects of a result with the true ones, for each recipe that may be chosen."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from ..classes import chosen_classes
from ..data.detect_encoding import IGNORE
from ..data.pairs import Pair
from ..network.configuration import DEFAULT_SEED, OBJECT_METHODS
from ..objects.learned import basin_ids
from ..predict.segmentation import Segmentation
from .object_overlap import ObjectOverlap
from .object_recipe import MIN_SIZES, Parting, Recipe, partings
from .object_scores import ObjectScores, hits, precision_of_hits, score_overlap

BESIDE = ("components", "watershed")  # methods without a learned output, for comparison


@dataclass(frozen=True, eq=False)
class PartedObjects:
    """The objects of one image by one parting, before small ones are left out.

    overlap: Of the true objects with these, in the pixels that count.
    sizes: (m,) pixels of each proposed object in the whole image.
    """

    overlap: ObjectOverlap
    sizes: np.ndarray

    def of_size(self, min_size: int) -> ObjectOverlap:
        """Returns the table with the proposed objects of so many pixels or more."""
        return self.overlap.with_found(self.sizes >= min_size)


@dataclass(frozen=True, eq=False)
class ImageObjects:
    """The objects of one image by each parting; its pixels are not kept."""

    name: str
    kind: str | None
    parted: Mapping[Parting, PartedObjects]

    def scores(self, recipe: Recipe) -> ObjectScores:
        """Scores the objects of a recipe."""
        return score_overlap(self.parted[recipe.parting].of_size(recipe.min_size))

    def precisions(self, methods: Collection[str]) -> dict[Recipe, float]:
        """Computes AP at IoU 0.5 of each recipe of the grid with one of these methods."""
        precisions = {}
        for (method, seed), parted in self.parted.items():
            if method not in methods:
                continue
            for min_size in MIN_SIZES:
                overlap = parted.of_size(min_size)
                counts = len(overlap.true_ids), len(overlap.found_ids)
                recipe = Recipe(method, min_size, seed)
                precisions[recipe] = precision_of_hits(hits(overlap), *counts)[0]
        return precisions


def partings_of(result: Segmentation, choose: bool) -> list[Parting]:
    """Lists the partings to choose from, or else the checkpoint's own one and `BESIDE`."""
    if choose and result.walled:
        return [("learned", DEFAULT_SEED), *partings(BESIDE)]
    if choose:
        has_learned = result.object_maps is not None
        return partings([method for method in OBJECT_METHODS if method != "learned" or has_learned])
    own = Recipe(**result.object_recipe).parting
    return list(dict.fromkeys([own, *partings(BESIDE)]))


def measure_objects(result: Segmentation, pair: Pair, wanted: Collection[Parting]) -> ImageObjects:
    """Compares the objects of a result with the true ones of a pair, which has instance ids."""
    kind, classes = pair.extras.get("kind"), chosen_classes(None, result.id2label)
    seeds = [seed for method, seed in wanted if method == "learned"]
    parted = measure_unions(result, classes, pair, seeds) if seeds else {}
    for method, seed in wanted:
        if method != "learned":
            overlap, sizes = compare(result.instances(classes, method), pair)
            parted[method, seed] = PartedObjects(overlap, sizes[overlap.found_ids])
    in_order = {parting: parted[parting] for parting in wanted}
    return ImageObjects(pair.name, kind if isinstance(kind, str) else None, in_order)


def compare(labels: np.ndarray, pair: Pair) -> tuple[ObjectOverlap, np.ndarray]:
    """Compares ids with the true objects; also returns the pixels of each id, with id 0."""
    overlap = ObjectOverlap.from_labels(pair.instances, labels, pair.label != IGNORE)
    return overlap, np.bincount(labels.ravel(), minlength=1)


def measure_unions(
    result: Segmentation, classes: tuple[int, ...], pair: Pair, seeds: Collection[float]
) -> dict[Parting, PartedObjects]:
    """Compares the objects of several seeds with the true ones.

    They are unions of the same basins, so that their pixels are counted only once.
    """
    basins = result.basins(classes)
    overlap, sizes = compare(basins.labels, pair)
    parted = {}
    for seed in seeds:
        ids = basin_ids(basins, seed, result.walled)
        joined = overlap.joined(ids[overlap.found_ids - 1])
        areas = np.bincount(ids, sizes[1:], minlength=1).astype(np.int64)
        parted["learned", seed] = PartedObjects(joined, areas[joined.found_ids])
    return parted
