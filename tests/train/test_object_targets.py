"""What a network is taught of objects, and the loss of it, against values worked out by hand."""

import numpy as np
import pytest
import torch

from train.crops.object_targets import BORDER_REACH, object_targets
from train.object_losses import ObjectLoss

from ..support.drawn import disc


def distance(ids: np.ndarray) -> np.ndarray:
    return object_targets(ids, ["distance"])[0]


def test_the_distance_to_the_edge_is_1_at_its_deepest_for_small_and_large_objects():
    ids = np.zeros((9, 20), np.int32)
    ids[1:8, 1:8] = 7  # the middle pixel is 4 px from the nearest pixel outside
    ids[2:5, 10:13] = 3  # here 2 px
    found = distance(ids)
    assert found[4, 1:8].tolist() == [0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25]
    assert found[3, 10:13].tolist() == [0.5, 1, 0.5]
    assert (found[ids == 0] == 0).all()


def test_a_neighbour_is_an_edge_and_the_border_of_the_image_is_not():
    ids = np.zeros((5, 12), np.int32)
    ids[:, :6], ids[:, 6:9] = 1, 2
    found = distance(ids)
    assert np.allclose(found[2, :6], np.arange(6, 0, -1) / 6)  # 6 px to the neighbour's first pixel
    assert found[2, 6:9].tolist() == [0.5, 1, 0.5]
    assert (distance(np.ones((4, 4), np.int32)) == 1).all()


def test_scaling_an_object_scales_nothing():
    small, large = (disc((n, n), n / 2, n / 2, n / 3).astype(np.int32) for n in (30, 90))
    shrunk = distance(large)[1::3, 1::3]
    assert np.abs(shrunk - distance(small)).max() < 0.15
    assert object_targets(small, ["centre"])[0].max() == pytest.approx(1, abs=0.1)


def test_the_border_is_where_two_objects_are_near():
    ids = np.zeros((3, 14), np.int32)
    ids[:, :4], ids[:, 5:8], ids[:, 12:] = 1, 2, 3  # a gap of one pixel, and one of four
    row = object_targets(ids, ["border"])[0, 1]
    assert BORDER_REACH == 2.5
    assert np.flatnonzero(row).tolist() == [3, 4, 5]


def test_ids_may_have_gaps_and_objects_may_be_none():
    ids = np.zeros((4, 6), np.int64)
    assert object_targets(ids, ["distance", "border", "centre"]).max() == 0
    assert object_targets(ids, []).shape == (0, 4, 6)
    ids[1, 1], ids[3, 4] = 70_000, -5
    found = object_targets(ids, ["distance", "centre"])
    assert np.argwhere(found[0]).tolist() == np.argwhere(found[1]).tolist() == [[1, 1], [3, 4]]


def test_the_loss_is_the_weighted_error_of_known_pixels():
    maps = torch.tensor([[[[0.5, 2.0]], [[0.0, 9.0]]]])  # (1, 2, 1, 2)
    targets = torch.tensor([[[[1.0, 0.0]], [[1.0, 0.0]]]])
    weights = torch.tensor([[[3.0, 0.0]]])  # the second pixel is ignored
    loss = ObjectLoss(("distance", "border"), distance_weight=2.0, border_weight=0.5)
    expected = 2.0 * 0.5 * 3 + 0.5 * np.log(2) * 3
    assert loss(maps, targets, weights, pixels=1).item() == pytest.approx(expected)
    nothing = ObjectLoss(())(maps[:, :0], targets[:, :0], weights, pixels=0)
    assert nothing.item() == 0


def test_a_valid_network_is_taught_the_middle():
    targets = torch.zeros(1, 1, 6, 6)
    targets[..., 2:4, 2:4] = 1
    loss = ObjectLoss(("distance",))(torch.ones(1, 1, 2, 2), targets, torch.ones(1, 6, 6), pixels=4)
    assert loss.item() == 0
