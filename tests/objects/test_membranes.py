"""Cells between membranes: gaps are closed, and scores are those of the cells."""

import json
from dataclasses import replace

import numpy as np
import pytest

from train.checkpoints import find_checkpoints
from train.config import TrainingConfig
from train.loop import train
from train.model import build_model
from unet_hf.data.open import open_data
from unet_hf.data.options import DataOptions
from unet_hf.data.pairs import Pair
from unet_hf.evaluation.comparison import cells_of, score_mask
from unet_hf.evaluation.evaluate import evaluate
from unet_hf.evaluation.metrics import membrane_slice
from unet_hf.hub.card import membrane_proposal
from unet_hf.objects.learned import WALLED_PROMINENCE, walled_cells

from ..support.drawn import drawn
from ..support.tiny_training import tiny, write_dataset
from .test_object_evaluation import Seen

LABELS = {"0": "membrane", "1": "cell"}
GAP = 0.55  # the probability of a cell where the membrane is hardly seen: no threshold of 0.5 cuts


def two_cells(gap: float = GAP, deep: float = 0.3, walled: bool = True):
    """Two cells of 9 x 9 pixels and the membrane between them, with a gap of one pixel.

    deep: What the network tells of the distance in the gap; 1 in the middle of a cell.
    """
    inside = np.ones((9, 19), np.float32)
    inside[:, 9] = 0
    inside[4, 9] = gap
    steps = 4 - np.abs(np.arange(9) - 4)
    one = (np.minimum.outer(steps, steps) + 1) / np.float32(5)
    distance = np.concatenate([one, np.zeros((9, 1)), one], axis=1).astype(np.float32)
    distance[4, 9] = deep
    result = drawn(
        inside > 0.5,
        probabilities=np.stack([1 - inside, inside]),
        names=("membrane", "cell"),
        distance=distance,
    )
    return replace(result, walled=walled)


TRUTH = np.ones((9, 19), np.uint8)
TRUTH[:, 9] = 0


def test_a_gap_in_a_membrane_is_closed_where_probability_and_distance_are_both_low():
    result = two_cells()
    assert len(result.objects(method="components")) == 1  # a threshold leaves it open
    cells = result.objects(method="learned").labels
    assert (cells[:, :9] == 1).all() and (cells[:, 10:] == 2).all()
    scored = score_mask(result, TRUTH)
    assert scored.v_rand == 1 and scored.parted
    assert not score_mask(two_cells(walled=False), TRUTH).parted
    assert score_mask(result.mask, TRUTH, {0: "membrane", 1: "cell"}).v_rand < 0.7


@pytest.mark.parametrize("rise", [-0.01, 0.01])
def test_a_cell_goes_on_through_what_rises_nearly_as_high(rise):
    """By hand: cells rise to (1 + 1) / 2; a pass joins them above 1 minus the prominence."""
    gap = 2 * (1 - WALLED_PROMINENCE + rise) - 0.3
    cells = cells_of(two_cells(gap=gap, deep=0.3))
    joined = cells[4, 4] == cells[4, 14]
    assert joined == (rise > 0)


def test_cells_fill_the_image_but_for_lines_one_pixel_wide():
    result = two_cells()
    cells = walled_cells(result.object_maps, ("distance",), 1 - result.probabilities[0])
    assert cells.dtype == np.int32
    assert np.unique(cells).tolist() == [0, 1, 2]
    assert (cells == 0).sum(1).tolist() == [1] * 9  # the membrane went to the two sides
    assert cells_of(two_cells(walled=False)) is None


def evaluated(walled: bool):
    results, pairs = [], []
    for name in ("a", "b"):
        result = two_cells(walled=walled)
        results.append(replace(result, image=replace(result.image, source=name)))
        ids = np.where(TRUTH > 0, 1 + (np.arange(19) > 9), 0).astype(np.int32)
        pairs.append(Pair(name, results[-1].image, TRUTH, ids, {}))
    return evaluate(Seen(results), pairs, None, choose_objects=True)


def test_scores_are_those_of_the_cells_and_the_masks_are_beside_them():
    found = evaluated(walled=True)
    assert (found.membrane["v_rand"], found.membrane["v_info"]) == (1, 1)
    assert found.images[0]["v_rand"] == 1 and found.intervals["v_rand"] == [1, 1]
    # The threshold is the best one for the mask, whose gap it closes.
    assert found.threshold > GAP
    assert found.membrane["mask_v_rand"] == found.membrane["best_v_rand"] == 1
    assert found.score == found.mean_iou == 1
    assert found.objects["recipe"]["method"] == "learned"
    assert found.objects["all"]["scores"]["ap50"] == 1
    plain = evaluated(walled=False)
    assert plain.membrane["v_rand"] == 1 and "mask_v_rand" not in plain.membrane


def test_the_score_counts_mask_and_cells_and_a_threshold_matters_to_the_mask_only():
    result = two_cells()
    at = membrane_slice(TRUTH == 1, result.probabilities[1], (0.5, 0.6), cells_of(result))
    merged, apart = at[0.5], at[0.6]
    assert merged.of_cells == apart.of_cells == (1, 1)
    assert merged.v_rand < 0.7 and apart.v_rand == 1
    assert merged.scores == (merged.v_rand, merged.v_info, 1, 1)


def test_a_record_says_what_its_scores_are_of():
    found = evaluated(walled=True)
    assert membrane_proposal(found.membrane) == "cells"
    assert membrane_proposal(evaluated(walled=False).membrane) == "thinned"


def test_data_of_membranes_is_taught_to_part_its_cells_without_an_option(tmp_path):
    folder = write_dataset(tmp_path / "cells", {"train": 2, "validation": 1}, labels=LABELS)
    data = open_data(DataOptions(dataset_name=str(folder)))
    assert data.objects == "4-connected pieces, kept apart by membranes"
    assert data.has_objects and not data.has_ids
    assert all(pair.instances.max() > 1 for pair in data.train)
    config = TrainingConfig(
        dataset_name=str(folder), output_dir="x", base_channels=4, depth=1, dropout=0.0
    )
    assert build_model(config, data.id2label, 1, data.has_objects).walled
    # Not where it is not asked for, by the paper's network, and between other classes.
    assert not open_data(DataOptions(dataset_name=str(folder), objects="none")).has_objects
    paper = TrainingConfig(dataset_name=str(folder), output_dir="x", preset="paper")
    assert not open_data(paper).has_objects
    write_dataset(tmp_path / "other", {"train": 2}, labels={"0": "ground", "1": "cell"})
    other = open_data(DataOptions(dataset_name=str(tmp_path / "other")))
    assert not other.has_objects
    assert not build_model(config, other.id2label, 1, True).walled


def test_a_training_that_was_begun_before_cells_were_parted_goes_on_as_it_was(tmp_path):
    folder = write_dataset(tmp_path / "cells", {"train": 2, "validation": 1}, labels=LABELS)
    output = tmp_path / "out"
    train(tiny(folder, output, max_train_steps=2, checkpointing_steps=2, objects="none"))
    state = find_checkpoints(output)[2] / "training_state.json"
    old = json.loads(state.read_text())
    old["config"]["objects"] = "auto"
    del old["seen"]  # such a training did not note what it had seen
    state.write_text(json.dumps(old))
    train(tiny(folder, output, max_train_steps=3, resume_from_checkpoint="latest"))
    assert "object_outputs" not in json.loads((output / "config.json").read_text())
