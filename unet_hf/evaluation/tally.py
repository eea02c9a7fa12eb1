"""Keeps what an evaluation counted in each image, so that choices can be made again without it.

The pixels of the images are not needed for that: the counts of a hundred images at every threshold
have a hundred kilobytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..network.configuration import OBJECT_METHODS
from .object_recipe import Recipe

MAX_GROUPS = 64  # of more images, neighbours are counted together


@dataclass(frozen=True, eq=False)
class Counts:
    """Sums over images, from which scores at each threshold follow. Any leading axes.

    images: (...) number of images.
    hits: (..., thresholds, classes) pixels that rightly have a class.
    areas: (..., thresholds, classes) pixels that have a class, in the truth and in the prediction
        together.
    membrane: (..., thresholds, 2) sums over images of V_rand and V_info; None for other data.
    """

    images: np.ndarray
    hits: np.ndarray
    areas: np.ndarray
    membrane: np.ndarray | None = None

    def total(self) -> "Counts":
        """Returns the sums over the first axis."""
        return self._map(lambda values: values.sum(0))

    def __getitem__(self, index: Any) -> "Counts":
        return self._map(lambda values: values[index])

    def __add__(self, other: "Counts") -> "Counts":
        return self._with(other, np.add)

    def __sub__(self, other: "Counts") -> "Counts":
        return self._with(other, np.subtract)

    def at(self, threshold: int) -> "Counts":
        """Returns the counts at the threshold with this index; the axis stays, with one place."""
        kept = slice(threshold, threshold + 1)
        membrane = None if self.membrane is None else self.membrane[..., kept, :]
        return Counts(self.images, self.hits[..., kept, :], self.areas[..., kept, :], membrane)

    @property
    def mean_iou(self) -> np.ndarray:
        """Mean IoU over the classes that occur, (..., thresholds); NaN where none does."""
        with np.errstate(invalid="ignore", divide="ignore"):
            iou = self.hits / (self.areas - self.hits)
            occurs = ~np.isnan(iou)
            return np.where(occurs, iou, 0).sum(-1) / occurs.sum(-1)

    @property
    def membrane_means(self) -> np.ndarray:
        """Means over images of V_rand and V_info, (..., thresholds, 2)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.membrane / np.asarray(self.images)[..., None, None]

    @property
    def scores(self) -> np.ndarray:
        """The score that evaluations are compared by, (..., thresholds)."""
        return self.mean_iou if self.membrane is None else self.membrane_means.mean(-1)

    def _map(self, function: Any) -> "Counts":
        membrane = None if self.membrane is None else function(self.membrane)
        return Counts(function(self.images), function(self.hits), function(self.areas), membrane)

    def _with(self, other: "Counts", function: Any) -> "Counts":
        membrane = None if self.membrane is None else function(self.membrane, other.membrane)
        return Counts(
            function(self.images, other.images),
            function(self.hits, other.hits),
            function(self.areas, other.areas),
            membrane,
        )


@dataclass(frozen=True, eq=False)
class Tally:
    """What one evaluation counted, by groups of images.

    thresholds: The decision thresholds; (None,) for more than two classes.
    counts: Of each group: a leading axis of groups.
    recipes: The ways of making objects whose scores are known; () without instance ids.
    numbered: (groups,) images with instance ids.
    precisions: (groups, recipes) sums over these of AP at IoU 0.5, at the threshold that is best on
        all images.
    """

    thresholds: tuple[float | None, ...]
    counts: Counts
    recipes: tuple[Recipe, ...]
    numbered: np.ndarray
    precisions: np.ndarray

    @classmethod
    def of_images(
        cls,
        thresholds: Sequence[float | None],
        counts: Counts,
        precisions: Sequence[Mapping[Recipe, float] | None],
    ) -> "Tally":
        """Puts the counts of images together in groups.

        With up to `MAX_GROUPS` images, each is a group of its own. Of more, consecutive ones share
        a group, because they are the likeliest to resemble each other.

        counts: With a leading axis of images. precisions: AP of each image; None without ids.
        """
        total = len(counts.images)
        starts = np.unique(np.arange(total) * min(total, MAX_GROUPS) // total, return_index=True)[1]
        recipes = next((tuple(image) for image in precisions if image), ())
        known = [[image[recipe] if image else 0.0 for recipe in recipes] for image in precisions]
        table = np.array(known, dtype=float).reshape(total, len(recipes))
        numbered = np.array([image is not None for image in precisions], dtype=np.int64)
        return cls(
            tuple(thresholds),
            counts._map(lambda values: np.add.reduceat(values, starts)),
            recipes,
            np.add.reduceat(numbered, starts),
            np.add.reduceat(table, starts),
        )

    @cached_property
    def total(self) -> Counts:
        """The counts of all images."""
        return self.counts.total()

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Returns it as arrays, for a file."""
        arrays = {
            "thresholds": np.array([t for t in self.thresholds if t is not None], dtype=float),
            "images": self.counts.images,
            "hits": self.counts.hits,
            "areas": self.counts.areas,
            "numbered": self.numbered,
            "precisions": self.precisions,
            # The place of the method, the smallest size, and the seed or NaN.
            "recipes": np.array(
                [
                    (
                        OBJECT_METHODS.index(r.method),
                        r.min_size,
                        np.nan if r.seed is None else r.seed,
                    )
                    for r in self.recipes
                ],
                dtype=float,
            ).reshape(-1, 3),
        }
        return (
            arrays if self.counts.membrane is None else arrays | {"membrane": self.counts.membrane}
        )

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Tally":
        """Restores it from `to_arrays`. Raises `KeyError` where an array is missing."""
        recipes = tuple(
            Recipe(OBJECT_METHODS[int(method)], int(size), None if np.isnan(seed) else float(seed))
            for method, size, seed in arrays["recipes"]
        )
        counts = Counts(arrays["images"], arrays["hits"], arrays["areas"], arrays.get("membrane"))
        thresholds = tuple(arrays["thresholds"].tolist()) or (None,)
        return cls(thresholds, counts, recipes, arrays["numbered"], arrays["precisions"])
