"""Objects of a checkpoint against numbered ones: three images, scores worked out by hand."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from unet_hf import Segmentation
from unet_hf.data.pairs import Pair
from unet_hf.evaluation import evaluate as evaluation
from unet_hf.evaluation.evaluate import evaluate
from unet_hf.evaluation.object_recipe import MIN_SIZES, SEEDS, Recipe, choose_recipe
from unet_hf.evaluation.summary import describe_evaluation

from ..support.drawn import drawn

SHAPE = (24, 40)
LEFT, RIGHT = np.s_[2:12, 5:15], np.s_[2:12, 15:25]  # two squares that touch
BELOW, CRUMB = np.s_[14:22, 20:28], np.s_[20, 36:39]


class Seen:
    """A model whose predictions were drawn beforehand."""

    def __init__(self, results: Sequence[Segmentation], **config) -> None:
        self.results = {result.image.source: result for result in results}
        self.id2label, self.config, self.asked = results[0].id2label, config, []
        self.walled = results[0].walled

    def segment(self, image, precision: str, tta: bool) -> Segmentation:
        self.asked.append(image.source)
        return replace(self.results[image.source], object_defaults=self.config.get("objects", {}))


def ids(*places) -> np.ndarray:
    """Numbers the places 3, 6, 9 ..."""
    numbered = np.zeros(SHAPE, np.int32)
    for number, place in enumerate(places, start=1):
        numbered[place] = 3 * number
    return numbered


def example(name: str, kind: str | None, truth: tuple, found: tuple, deep: tuple = ()):
    """A labelled image, and its prediction; `deep` are the places whose distance has a summit."""
    instances, mask = ids(*truth), ids(*found) > 0
    # Class 1 has a probability of 0.75 in the found places, so every threshold below shows them.
    certain = np.where(mask, 0.75, 0).astype(np.float32)
    result = drawn(mask, probabilities=np.stack([1 - certain, certain]))
    distance = 0.05 * mask.astype(np.float32)
    for place in deep:
        rows, columns = np.indices(distance[place].shape)
        inner = np.minimum(rows, rows[::-1]), np.minimum(columns, columns[:, ::-1])
        distance[place] = (np.minimum(*inner) + 1) / 5
    result = replace(
        result,
        image=replace(result.image, source=name),
        object_maps=distance[None],
        object_channels=("distance",),
    )
    label = (instances > 0).astype(np.uint8)
    extras = {} if kind is None else {"kind": kind}
    return Pair(name, result.image, label, instances, extras), result


EXAMPLES = [
    example("apart", "dense", (LEFT, BELOW), (LEFT, BELOW), (LEFT, BELOW)),
    example("touching", "dense", (LEFT, RIGHT), (LEFT, RIGHT), (LEFT, RIGHT)),
    example("nothing", None, (), (CRUMB,)),
]
PAIRS = [pair for pair, _ in EXAMPLES]


def model(maps: bool = True, **config) -> Seen:
    results = [result for _, result in EXAMPLES]
    if not maps:
        results = [replace(result, object_maps=None, object_channels=()) for result in results]
    return Seen(results, **config)


def test_all_scores_by_hand():
    found = evaluate(model(objects={}), PAIRS, 0.5)
    objects = found.objects
    assert objects["recipe"] == {"method": "components", "min_size": 0}
    # "touching" has one object for two, with an IoU of 1/2 with each; "nothing" has a crumb.
    assert objects["all"]["scores"] == pytest.approx(
        {
            "ap50": (1 + 0 + 0) / 3,
            "mean_ap": (1 + 0 + 0) / 3,
            "f1": 2 * 2 / (4 + (2 + 1 + 1)),
            "pq": (1 + 0 + 0) / 3,
            "aji": (1 + 200 / 400 + 0) / 3,
            "seg": (1 + 1 / 2) / 2,  # "nothing" has no true object
            "count_error": 1 / 2,  # 0, 1/2 and 1
            "count_off": (0 + 1 + 1) / 3,
        }
    )
    assert (objects["all"]["true"], objects["all"]["proposed"]) == (4, 4)
    assert objects["all"]["ap"] == pytest.approx([1 / 3] * 10)
    assert objects["all"]["intervals"]["ap50"] == pytest.approx([0, 1])
    assert list(objects["groups"]) == ["dense"]
    assert objects["groups"]["dense"]["scores"]["ap50"] == 1 / 2
    assert objects["beside"]["components"] == objects["all"]
    assert [row["objects"]["ap50"] for row in found.images] == [1, 0, 0]
    assert found.images[2]["objects"]["seg"] is None
    json.dumps(objects, allow_nan=False)
    assert "objects: AP 0.3333 at IoU 0.5" in describe_evaluation(found)


def test_the_checkpoints_own_way_is_scored_and_the_others_beside_it():
    recipe = {"method": "learned", "min_size": 5, "seed": 0.5}
    objects = evaluate(model(objects=recipe), PAIRS, 0.5).objects
    assert objects["recipe"] == recipe
    assert objects["all"]["scores"]["ap50"] == 1
    assert objects["beside"]["components"]["scores"]["ap50"] == 2 / 3  # no crumb here either
    assert objects["beside"]["watershed"]["proposed"] == 3


def test_the_best_way_is_chosen():
    chosen = evaluate(model(), PAIRS, 0.5, choose_objects=True).objects
    assert chosen["recipe"] == {"method": "learned", "seed": 0.5, "min_size": 0}
    assert chosen["all"]["scores"]["ap50"] == 1
    # Without maps all methods give the same; sizes from 5 on drop the crumb, and 5 is at the edge.
    chosen = evaluate(model(maps=False), PAIRS, 0.5, choose_objects=True).objects
    assert chosen["recipe"] == {"method": "components", "min_size": 10}


@pytest.mark.parametrize(("choose", "room", "times"), [(False, 2**20, 1), (True, 0, 2)])
def test_with_a_threshold_to_choose_the_objects_are_those_at_the_chosen_one(
    choose, room, times, monkeypatch
):
    """An image is segmented once for both if its result can be kept meanwhile."""
    monkeypatch.setattr(evaluation, "KEPT_BYTES", room)
    several = model()
    found = evaluate(several, iter(PAIRS), None, choose_objects=choose)
    assert several.asked == times * [pair.name for pair in PAIRS]
    again = evaluate(model(), PAIRS, found.threshold, choose_objects=choose)
    assert (found.objects, found.images) == (again.objects, again.images)


def test_only_images_with_ids_count_and_ignored_pixels_do_not():
    apart, touching, nothing = PAIRS
    found = evaluate(model(), [apart, replace(touching, instances=None)], 0.5)
    assert (found.objects["all"]["images"], "objects" in found.images[1]) == (1, False)
    assert evaluate(model(), [replace(touching, instances=None)], 0.5).objects is None
    label = nothing.label.copy()
    label[CRUMB] = 255
    found = evaluate(model(), [replace(nothing, label=label)], 0.5)
    assert found.objects["all"]["scores"]["ap50"] == 1  # the crumb may be anything


def grid(scores: dict[str, np.ndarray]) -> dict[Recipe, float]:
    """Scores of a grid of recipes: for each method an array of seeds by sizes."""
    return {
        Recipe(method, size, seed): float(values[row, column])
        for method, values in scores.items()
        for row, seed in enumerate(SEEDS if method == "learned" else (None,))
        for column, size in enumerate(MIN_SIZES)
    }


def test_a_plateau_is_better_than_a_lucky_recipe():
    plain = np.full((1, len(MIN_SIZES)), 0.7)
    learned = np.full((len(SEEDS), len(MIN_SIZES)), 0.6)
    learned[2, 2] = 0.95  # alone
    assert choose_recipe([grid({"components": plain, "learned": learned})]).method == "components"
    learned[4:7, 1:4] = 0.85
    best = choose_recipe([grid({"components": plain, "learned": learned})])
    assert best == Recipe("learned", MIN_SIZES[2], SEEDS[5])


def test_recipes_are_compared_by_their_mean_over_images():
    first, second = np.zeros((2, 1, len(MIN_SIZES)))
    first[0, -2:], second[0, :2] = 0.5, 0.8
    images = [grid({"watershed": first}), grid({"watershed": second})]
    assert choose_recipe(images) == Recipe("watershed", MIN_SIZES[0])
    assert choose_recipe([grid({"components": first + 1, "watershed": first + 1})]) == (
        Recipe("components", MIN_SIZES[-1])
    )
