"""The parts of the linking that are fast, beside the plain way of computing the same."""

import itertools

import numpy as np
import pytest

from unet_hf.film.run import mean_intensities
from unet_hf.tracking import assignment
from unet_hf.tracking.assignment import cheapest
from unet_hf.tracking.cells import cells_of, overlaps
from unet_hf.tracking.costs import Accounts
from unet_hf.tracking.frames import renumbered
from unet_hf.tracking.motion import _best_shift, _coarse


def drawn_at_random(seed: int, shape=(37, 53), count: int = 9) -> np.ndarray:
    """(H, W) int64: rectangles and single pixels that cover each other, some at the border."""
    random = np.random.default_rng(seed)
    frame = np.zeros(shape, np.int64)
    for number in random.permutation(np.arange(1, count + 1) * 7):
        y, x = random.integers(-3, shape[0]), random.integers(-3, shape[1])
        frame[max(y, 0) : y + random.integers(1, 12), max(x, 0) : x + random.integers(1, 12)] = (
            number
        )
    frame[random.random(shape) < 0.05] = 3
    return frame


@pytest.mark.parametrize("seed", range(5))
def test_objects_are_measured_by_runs_as_by_pixels(seed):
    frame = drawn_at_random(seed)
    cells = cells_of(frame)
    assert cells.ids.tolist() == np.unique(frame[frame > 0]).tolist()
    for index, number in enumerate(cells.ids.tolist()):
        y, x = np.nonzero(frame == number)
        assert cells.areas[index] == len(y)
        np.testing.assert_allclose(cells.centers[index], (y.mean(), x.mean()))
        at_border = {0, 36} & set(y.tolist()) or {0, 52} & set(x.tolist())
        assert cells.at_border[index] == bool(at_border)


@pytest.mark.parametrize("seed", range(5))
def test_objects_that_moved_also_out_of_the_frame_share_the_pixels_that_they_cover(seed):
    frame, other = drawn_at_random(seed), drawn_at_random(seed + 100)
    before, after = cells_of(frame), cells_of(other)
    moves = np.random.default_rng(seed).uniform(-20, 20, (len(before), 2))
    expected = []
    for source, number in enumerate(before.ids.tolist()):
        places = np.argwhere(frame == number) + np.rint(moves[source]).astype(int)
        places = places[((places >= 0) & (places < frame.shape)).all(1)]
        values, counts = np.unique(other[tuple(places.T)], return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            if value:
                expected.append((source, after.ids.tolist().index(value), count))
    found = overlaps(before.moved(moves), after, frame.shape)
    assert list(zip(*(part.tolist() for part in found), strict=True)) == expected


def test_some_of_the_objects_and_others_behind_them_keep_their_pixels():
    first, second = cells_of(drawn_at_random(1)), cells_of(drawn_at_random(2))
    which = np.arange(len(first)) % 2 == 1
    joined = second.join(first.take(which))
    assert joined.ids.tolist() == [*second.ids.tolist(), *first.ids[which].tolist()]
    lengths = joined.runs[:, 2] - joined.runs[:, 1]
    np.testing.assert_array_equal(np.bincount(joined.owners, lengths), joined.areas)


@pytest.mark.parametrize("step", [1, 2, 5, 60])
def test_a_coarse_picture_is_the_mean_of_blocks(step):
    frame = drawn_at_random(3)
    padded = np.pad(frame > 0, [(0, -side % step) for side in frame.shape])
    blocks = padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step)
    coarse = _coarse(cells_of(frame), frame.shape, step)
    np.testing.assert_allclose(coarse, blocks.mean((1, 3)), atol=1e-6)


@pytest.mark.parametrize("shift", [(0, 0), (3, -7), (-11, 12)])
def test_the_best_shift_is_the_one_that_was_made(shift):
    picture = (drawn_at_random(4) > 0).astype(np.float32)
    assert _best_shift(picture, np.roll(picture, shift, (0, 1))).tolist() == list(shift)


@pytest.mark.parametrize("most_states", [assignment.MOST_STATES, 0])
@pytest.mark.parametrize("seed", range(20))
def test_no_other_choice_of_accounts_saves_more(seed, most_states, monkeypatch):
    monkeypatch.setattr(assignment, "MOST_STATES", most_states)  # 0: by the integer program
    random = np.random.default_rng(seed)
    befores, afters, count = 4, 5, 10
    source = random.integers(0, befores, count)
    targets = np.stack([random.choice(afters, 2, replace=False) for _ in range(count)])
    targets[random.random(count) < 0.5, 1] = -1
    lost, new = random.uniform(1, 6, befores), random.uniform(1, 6, afters)
    costs = random.uniform(0, 8, count).round(int(seed % 2) * 3)  # every second one has ties
    accounts = Accounts(source, targets, costs, lost, new, np.full(count, -1))

    def total(which) -> float:
        """What a choice costs; infinite if an object is in two of its accounts."""
        used = [*source[list(which)], *(befores + target for target in targets[list(which)].ravel()
                                        if target >= 0)]  # fmt: skip
        if len(set(used)) < len(used):
            return np.inf
        missing = set(range(befores + afters)) - set(used)
        alone = np.concatenate([lost, new])[list(missing)].sum()
        return costs[list(which)].sum() + alone

    choices = (c for size in range(befores + 1) for c in itertools.combinations(range(count), size))
    assert total(cheapest(accounts)) == pytest.approx(min(map(total, choices)))


def test_intensities_of_numbers_that_fit_no_table_are_those_of_small_numbers():
    frame = drawn_at_random(5)
    pixels = np.random.default_rng(5).random((*frame.shape, 2))
    ids = np.unique(frame[frame > 0])
    expected = [pixels[frame == number].mean(0) for number in ids]
    np.testing.assert_allclose(mean_intensities(frame, pixels), expected)
    large = np.where(frame > 0, frame + 2**40, 0)
    np.testing.assert_array_equal(mean_intensities(large, pixels), mean_intensities(frame, pixels))
    np.testing.assert_array_equal(renumbered(large, ids + 2**40, ids), renumbered(frame, ids, ids))
