"""Objects from what a network has learned of them: properties of any map, and hand-made cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.measure import label

from unet_hf.errors import ConfigError
from unet_hf.objects.learned import BORDER_DEPTH, PROMINENCE

from ..support.drawn import disc, drawn

NAMES = ("ground", "cell", "nucleus")
seeds = st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0])
few = settings(max_examples=40, deadline=None)


@st.composite
def predictions(draw) -> tuple[np.ndarray, np.ndarray]:
    """A mask of three classes and heights, many of them equal."""
    shape = draw(array_shapes(min_dims=2, max_dims=2, max_side=10))
    mask = draw(arrays(np.uint8, shape, elements=st.integers(0, 2)))
    steps = draw(arrays(np.uint8, shape, elements=st.integers(0, 8)))
    return mask, steps / np.float32(8)


@st.composite
def distinct(draw, max_rows: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """A mask and a different rank for each of its pixels."""
    shape = draw(st.integers(1, max_rows)), draw(st.integers(1, 12))
    mask = draw(arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 1, 1, 2])))
    ranks = draw(st.permutations(range(mask.size)))
    return mask, np.float32(ranks).reshape(shape)


def parted(mask: np.ndarray, height: np.ndarray, seed: float = 0.5) -> np.ndarray:
    result = drawn(mask, names=NAMES, distance=np.float32(height))
    return result.objects(method="learned", seed=seed).labels


def summit_of(mask: np.ndarray, height: np.ndarray, y: int, x: int) -> tuple[int, int]:
    """Follows a pixel uphill, slowly."""
    around = [(y - 1, x), (y, x - 1), (y, x + 1), (y + 1, x)]
    inside = [(j, i) for j, i in around if 0 <= j < mask.shape[0] and 0 <= i < mask.shape[1]]
    same = [place for place in inside if mask[place] == mask[y, x]]
    best = max([(y, x), *same], key=lambda place: height[place])
    return (y, x) if best == (y, x) else summit_of(mask, height, *best)


def same_parts(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two images of ids part the same pixels in the same way, whatever the numbers."""
    pairs = np.unique(np.stack([one.ravel(), other.ravel()]), axis=1)
    return all(np.unique(side).size == side.size for side in pairs)


# ------------------------------------------------------------------------------- any map


@few
@given(predictions(), seeds)
def test_each_piece_with_a_summit_that_is_high_enough_is_parted_into_objects(prediction, seed):
    """All of its pixels are in one; in pieces without such a summit, none is."""
    mask, height = prediction
    pieces = drawn(mask, names=NAMES).objects(method="components").labels
    highest = np.zeros(pieces.max() + 1, np.float32)
    np.maximum.at(highest, pieces, height)
    expected = (pieces > 0) & (highest >= np.float32(seed))[pieces]

    labels = parted(mask, height, seed)
    assert np.array_equal(labels > 0, expected)
    ids, first = np.unique(labels[labels > 0], return_index=True)
    assert ids.tolist() == [*range(1, len(ids) + 1)]
    assert (np.diff(first) > 0).all()  # numbered as one reads
    for index in ids:
        assert np.unique(pieces[labels == index]).size == 1
        assert label(labels == index, connectivity=1).max() == 1
        assert height[labels == index].max() >= np.float32(seed)


@few
@given(predictions(), seeds)
def test_the_same_map_gives_the_same_objects_in_any_layout(prediction, seed):
    mask, height = prediction
    expected = parted(mask, height, seed)
    assert np.array_equal(parted(mask, height, seed), expected)
    assert np.array_equal(
        parted(np.asfortranarray(mask), np.asfortranarray(height), seed), expected
    )


@few
@given(distinct())
def test_without_a_bound_each_summit_is_an_object_of_all_that_leads_to_it(prediction):
    mask, height = prediction
    height = 1000 * height  # so that each summit stands out
    expected = np.zeros(mask.shape, int)
    for place in zip(*np.nonzero(mask), strict=True):
        y, x = summit_of(mask, height, *place)
        expected[place] = 1 + y * mask.shape[1] + x
    assert same_parts(parted(mask, height, 0.0), expected)


@few
@given(distinct(max_rows=1), seeds)
def test_along_a_line_low_summits_go_over_their_highest_pass(prediction, seed):
    """By the definition, pass by pass from the highest."""
    mask, ranks = prediction
    height = (ranks / np.float32(max(mask.size, 10))).astype(np.float32)
    line, values = mask[0], height[0]

    def summit(one: set[int]) -> np.float32:
        return max(values[i] for i in one)

    objects = [{i} for i in range(line.size) if line[i]]
    passes = [i for i in range(line.size - 1) if line[i] and line[i] == line[i + 1]]
    # A pixel in a valley goes to its higher neighbour first.
    for i in sorted(passes, key=lambda i: sorted(-values[i : i + 2])[::-1]):
        sides = [one for one in objects if one & {i, i + 1}]
        lower = min(map(summit, sides))
        if lower < np.float32(seed) or lower - min(values[i : i + 2]) < np.float32(PROMINENCE):
            objects = [one for one in objects if one not in sides] + [set.union(*sides)]
    expected = np.zeros(line.size, int)
    for index, one in enumerate(objects, start=1):
        expected[[*one]] = index if summit(one) >= np.float32(seed) else 0
    assert same_parts(parted(mask, height, seed)[0], expected)


@pytest.mark.parametrize("turn", [np.transpose, np.flipud, np.fliplr, np.rot90])
def test_a_turned_image_has_the_turned_objects(turn):
    mask, height = crowd(40, seed=3)
    assert same_parts(parted(turn(mask), turn(height)), turn(parted(mask, height)))


# ------------------------------------------------------------------------ hand-made cases


def crowd(count: int, side: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Discs that overlap, and a height that falls from the centre of each; no two alike."""
    random = np.random.default_rng(seed)
    height = np.zeros((side, side))
    rows, columns = np.mgrid[:side, :side]
    for _ in range(count):
        (y, x), radius = side * random.random(2), random.uniform(5, 12)
        far = np.hypot(rows - y, columns - x) / radius
        height = np.maximum(height, 1 - far)
    return (height > 0).astype(np.uint8), height.astype(np.float32)


def two_discs(gap: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Two discs of radius 10 that touch along a line."""
    one, other = disc((40, 60), 20, 20, 10), disc((40, 60), 20, 37, 10)
    rows, columns = np.mgrid[:40, :60]
    far = np.minimum(np.hypot(rows - 20, columns - 20), np.hypot(rows - 20, columns - 37))
    return (one | other).astype(np.uint8), np.float32(0.9 - far / 11) * (one | other)


def test_two_discs_that_touch_are_two_unless_no_summit_is_high_enough():
    mask, distance = two_discs()
    result = drawn(mask, distance=distance)
    for seed, count in ((0.0, 2), (0.5, 2), (0.89, 2), (0.91, 0), (1.0, 0)):
        assert len(result.objects(method="learned", seed=seed)) == count, seed
    labels = result.objects(method="learned").labels
    assert labels[20, 20] != labels[20, 37]
    # Half of the pixels each, as the distance says.
    assert abs((labels == 1).sum() - (labels == 2).sum()) <= 20
    assert len(result.objects(method="components")) == 1


def test_a_shallow_notch_parts_nothing_and_a_deep_one_does():
    mask = np.ones((5, 9), np.uint8)
    for depth, count in ((PROMINENCE - 0.05, 1), (PROMINENCE + 0.05, 2)):
        distance = np.full(mask.shape, 0.1, np.float32)
        distance[2, 1:8] = 0.9 - depth
        distance[2, 2] = distance[2, 6] = 0.9
        assert len(drawn(mask, distance=distance).objects(method="learned")) == count, depth


def test_a_seed_at_exactly_the_height_of_a_summit_begins_an_object():
    distance = np.zeros((1, 7), np.float32)
    distance[0, [1, 5]] = 0.5, 0.75
    mask = np.ones((1, 7), np.uint8)
    result = drawn(mask, distance=distance)
    assert len(result.objects(method="learned", seed=0.5)) == 2
    assert len(result.objects(method="learned", seed=0.51)) == 1


def test_a_low_summit_goes_to_the_neighbour_behind_its_highest_pass():
    distance = np.float32([[0.9, 0.1, 0.2, 0.4, 0.3, 0.8]])
    labels = parted(np.ones((1, 6)), distance)[0].tolist()
    assert labels == [1, 1, 2, 2, 2, 2]  # the second pixel leads to the first


def test_touching_objects_of_two_classes_stay_two_though_the_map_rises_across():
    mask = np.uint8([[1, 1, 1, 2, 2, 2]])
    distance = np.float32([[0.4, 0.5, 0.6, 0.7, 0.9, 0.5]])
    assert parted(mask, distance).tolist() == [[1, 1, 1, 2, 2, 2]]


def test_a_ring_is_one_object_and_its_hole_is_none():
    mask = (disc((30, 30), 15, 15, 12) & ~disc((30, 30), 15, 15, 5)).astype(np.uint8)
    labels = parted(mask, np.full(mask.shape, 0.7))
    assert labels.max() == 1
    assert labels[15, 15] == 0


def test_one_pixel_objects_those_at_the_border_and_none_at_all():
    mask = np.zeros((6, 7), np.uint8)
    assert parted(mask, mask).max() == 0
    mask[0, 0] = mask[5, 6] = mask[2, 3] = mask[3, 4] = 1  # the last two by a corner only
    assert parted(mask, mask).max() == 4
    for height in (0.0 * mask, -1.0 * mask):  # the network saw no depth at all
        assert parted(mask, height).max() == 0
    result = drawn(mask, distance=np.float32(mask))
    assert len(result.objects(method="learned", exclude_border=True)) == 2
    assert len(result.objects(method="learned", min_size=2)) == 0


def test_a_plateau_is_one_object():
    assert parted(np.ones((9, 9)), np.full((9, 9), 0.7)).max() == 1
    checks = (
        np.indices((8, 8)).sum(axis=0) % 2 * 0.01 + 0.7
    )  # many summits, none of which stands out
    assert parted(np.ones((8, 8)), checks).max() == 1


def test_ten_thousand_objects():
    cell = np.zeros((7, 7), np.float32)
    cell[:6, :6] = 0.2
    cell[2:4, 2:4] = [[0.9, 0.8], [0.8, 0.7]]
    cell[6, 3] = cell[3, 6] = 0.1  # a bridge to the next one
    height = np.tile(cell, (100, 100))
    labels = parted(height > 0, height)
    assert labels.max() == 10_000
    assert len(np.unique(labels[2::7, 2::7])) == 10_000


def test_a_sure_border_parts_what_the_distance_does_not():
    mask = np.ones((5, 11), np.uint8)
    distance = np.full(mask.shape, 0.9, np.float32)
    distance[:, 5] -= PROMINENCE - BORDER_DEPTH / 2  # not deep enough by itself
    border = np.full(mask.shape, -20, np.float32)
    border[:, 5] = 20
    result = drawn(mask, distance=distance)
    object.__setattr__(result, "object_maps", np.stack([distance, border]))
    object.__setattr__(result, "object_channels", ("distance", "border"))
    assert len(result.objects(method="learned")) == 2
    assert len(drawn(mask, distance=distance).objects(method="learned")) == 1


def test_where_there_is_no_data_there_is_no_object():
    mask, distance = two_discs()
    result = drawn(mask, distance=distance)
    valid = np.ones(mask.shape, bool)
    valid[:, 28:30] = False
    object.__setattr__(result.image, "valid", valid)
    labels = result.objects(method="learned").labels
    assert labels.max() == 2
    assert not labels[~valid].any()


def test_without_maps_the_method_is_refused_with_what_can_be_chosen():
    result = drawn(np.ones((4, 4)))
    object.__setattr__(result, "object_maps", None)
    with pytest.raises(ConfigError, match=r"was not\. Choose 'watershed' or 'components'"):
        result.objects(method="learned")
    for seed in (-0.1, 1.1, float("nan"), True, "0.5"):
        with pytest.raises(ConfigError, match="seed"):
            drawn(np.ones((4, 4))).objects(method="learned", seed=seed)
