"""Chooses how a checkpoint makes objects, by average precision on labelled images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..network.configuration import DEFAULT_SEED

SEEDS = tuple(round(0.05 * step, 2) for step in range(2, 19))  # of the method "learned"
MIN_SIZES = (0, 5, 10, 15, 20, 30, 50, 100)  # pixels
Parting = tuple[str, float | None]  # a method, and the seed of "learned": what parts objects


@dataclass(frozen=True)
class Recipe:
    """A way of making objects, as the configuration's `objects` says it.

    seed: The height from 0 to 1 at which an object begins, of the method "learned"; None for the
        other methods.
    """

    method: str
    min_size: int = 0
    seed: float | None = None

    @property
    def parting(self) -> Parting:
        """Everything but the smallest size, which needs no second parting."""
        return self.method, self.seed

    def to_config(self) -> dict[str, Any]:
        """Returns it as the configuration holds it."""
        seed = {} if self.seed is None else {"seed": self.seed}
        return {"method": self.method} | seed | {"min_size": self.min_size}


def partings(methods: Sequence[str]) -> list[Parting]:
    """Lists the partings that are tried for these methods."""
    return [
        (method, seed) for method in methods for seed in (SEEDS if method == "learned" else (None,))
    ]


def choose_recipe(scores: Sequence[Mapping[Recipe, float]]) -> Recipe:
    """Chooses the recipe whose score is best together with those of its neighbours on the grid.

    The single best one may be best by chance; in the middle of a plateau it is not. Neighbours
    have the next seed, or the next smallest size, and the same method. At the edge of the grid the
    edge counts twice. Of equal recipes it is the one with the seed nearest to the usual one, and of
    these the first: the simplest method and the smallest size.

    Args:
        scores: For each image the score of each recipe, higher is better. Each image has the same
            recipes: for each method, in the order of preference, each seed with each size.
    """
    recipes = list(scores[0])
    means = dict.fromkeys(recipes, 0.0)
    for image in scores:
        for recipe in recipes:
            means[recipe] += image[recipe] / len(scores)
    smooth: dict[Recipe, float] = {}
    for method in dict.fromkeys(recipe.method for recipe in recipes):
        of_method = [recipe for recipe in recipes if recipe.method == method]
        smooth |= dict(zip(of_method, _with_neighbours(of_method, means), strict=True))

    def merit(recipe: Recipe) -> tuple[float, float]:
        unusual = 0 if recipe.seed is None else abs(recipe.seed - DEFAULT_SEED)
        # Sums of the same numbers in another order differ by rounding, which shall not decide.
        return round(smooth[recipe], 9), -round(unusual, 9)

    return max(recipes, key=merit)


def _with_neighbours(recipes: list[Recipe], means: Mapping[Recipe, float]) -> list[float]:
    """Averages the scores of a grid of seeds and sizes over 3 x 3 recipes."""
    seeds = len({recipe.seed for recipe in recipes})
    grid = np.array([means[recipe] for recipe in recipes]).reshape(seeds, -1)
    padded = np.pad(grid, 1, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    return windows.mean((2, 3)).ravel().tolist()
