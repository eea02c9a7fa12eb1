"""What is out of the ordinary: objects in pieces, objects that are one, and a fast one alone."""

import numpy as np
import pytest

from unet_hf.tracking import Tracks, link

from ..support.drawn import disc

SHAPE = (60, 80)


def cell_in_pieces(frames: int, split: set[int], share: float = 0.5, speed: int = 1) -> np.ndarray:
    """(frames, H, W): a cell that crawls, in two pieces in some frames, and three others.

    share: of its width, on the left of the gap.
    """
    film = np.zeros((frames, *SHAPE), np.uint8)
    for t, frame in enumerate(film):
        left = 20 + speed * t
        frame[24:36, left : left + 20] = 1
        if t in split:
            cut = left + int(20 * share)
            frame[24:36, cut + 1 : left + 20] = 2
            frame[24:36, cut] = 0
        for number, y, x in ((3, 8, 12), (4, 50, 20), (5, 50, 60)):
            frame[disc(SHAPE, y, x + speed * t / 2, 5)] = number
    return film


def tracks_of(film: np.ndarray, tracks: Tracks, number: int) -> list[int]:
    """The tracks that an object with this number has, frame by frame."""
    there = [t for t, frame in enumerate(film) if (frame == number).any()]
    found = [np.unique(tracks.relabelled(t)[film[t] == number]) for t in there]
    return [int(track) for (track,) in found]


@pytest.mark.parametrize("share", [0.4, 0.5, 0.7])
@pytest.mark.parametrize("split", [{3}, {3, 4}, {1}, {2, 6}])
def test_a_cell_that_is_in_pieces_for_a_frame_or_two_is_one_track(split, share):
    film = cell_in_pieces(10, split, share)
    tracks = link(film)
    assert tracks.divisions == 0
    whole = set(range(10)) - split
    (track,) = {int(tracks.relabelled(t)[30, 22 + t]) for t in whole}
    assert (tracks.first[track - 1], tracks.last[track - 1]) == (0, 9)
    for t in split:  # the larger piece is the cell
        larger = 22 + t if share >= 0.5 else 38 + t
        assert tracks.relabelled(t)[30, larger] == track
    assert tracks.id.tolist() == list(range(1, len(tracks) + 1))
    assert sorted({one for frame in tracks.frames for one in frame.tracks.tolist()}) == (
        tracks.id.tolist()
    )


def test_daughters_that_stay_apart_are_a_division_of_the_frame_in_which_they_part():
    tracks = link(cell_in_pieces(10, set(range(4, 10))))
    assert tracks.divisions == 1
    daughters = tracks.parent > 0
    assert tracks.first[daughters].tolist() == [4, 4]


def test_daughters_that_are_one_object_for_a_frame_have_parted_before():
    film = cell_in_pieces(10, {4, 6, 7, 8, 9})
    tracks = link(film)
    assert tracks.divisions == 1
    assert tracks.first[tracks.parent > 0].tolist() == [4, 4]
    assert len(set(tracks_of(film, tracks, 2))) == 1


def test_what_divides_after_it_was_in_pieces_is_the_mother_of_its_daughters():
    film = cell_in_pieces(14, {2, *range(9, 14)})
    tracks = link(film)
    assert tracks.divisions == 1
    mother = int(tracks.parent.max())
    assert (tracks.first[mother - 1], tracks.last[mother - 1]) == (0, 8)


@pytest.mark.parametrize("merged", [{4}, {4, 5}, {1, 2}])
@pytest.mark.parametrize("speed", [0, 1])
def test_cells_that_are_one_object_for_a_frame_or_two_keep_their_tracks(merged, speed):
    film = np.zeros((10, *SHAPE), np.uint8)
    for t, frame in enumerate(film):
        frame[disc(SHAPE, 30, 25 + speed * t, 7)] = 1
        frame[disc(SHAPE, 30, 39 + speed * t, 6)] = 1 if t in merged else 2
        for number, y, x in ((3, 8, 12), (4, 50, 20), (5, 50, 60)):
            frame[disc(SHAPE, y, x + speed * t, 5)] = number
    tracks = link(film)
    assert tracks.divisions == 0
    assert len(tracks) == 5
    assert len(set(tracks_of(film, tracks, 1))) == len(set(tracks_of(film, tracks, 2))) == 1


def test_what_held_another_cell_divides_when_it_does():
    film = np.zeros((12, *SHAPE), np.uint8)
    for t, frame in enumerate(film):
        frame[disc(SHAPE, 30, 25, 7)] = 1
        frame[disc(SHAPE, 30, 39, 6)] = 1 if t in (3, 4) else 2
        if t >= 8:  # the first one divides
            frame[frame == 1] = 0
            frame[disc(SHAPE, 24, 24, 5)], frame[disc(SHAPE, 36, 24, 5)] = 1, 6
        for number, y, x in ((3, 8, 12), (4, 50, 20), (5, 50, 60)):
            frame[disc(SHAPE, y, x, 4)] = number
    tracks = link(film)
    assert tracks.divisions == 1 and len(tracks) == 7
    assert tracks.first[tracks.parent > 0].tolist() == [8, 8]
    assert len(set(tracks_of(film, tracks, 2))) == 1


@pytest.mark.parametrize("missing", [1, 2])
def test_a_division_is_of_the_frame_in_which_only_one_daughter_is_there(missing):
    film = cell_in_pieces(10, set(range(4, 10)))
    film[4][film[4] == missing] = 0
    tracks = link(film)
    assert tracks.divisions == 1
    daughters = np.flatnonzero(tracks.parent > 0)
    assert sorted(tracks.first[daughters].tolist()) == [4, 5]
    mother = int(tracks.parent.max())
    assert tracks.last[mother - 1] == 3
    assert len(set(tracks_of(film, tracks, 3 - missing)[-6:])) == 1
    assert (np.diff(tracks.first) >= 0).all()


def fast(speed: float, *others: tuple[float, float], size: int = 1) -> np.ndarray:
    """(6, 120 size, 160 size): a disc that goes right, and discs that stay."""
    shape = (120 * size, 160 * size)
    film = np.zeros((6, *shape), np.uint8)
    for t, frame in enumerate(film):
        for number, (y, x) in enumerate([(30, 12 + speed * t), *others], 1):
            frame[disc(shape, y * size, x * size, 4 * size)] = number
    return film


@pytest.mark.parametrize("size", [1, 3])
def test_a_fast_cell_keeps_its_track_where_nothing_else_is(size):
    others = [(70, 20), (100, 40), (72, 90), (104, 120)]
    film = fast(24, *others, size=size)  # 3.4 sizes a frame
    tracks = link(film)
    assert len(tracks) == 5
    assert len(set(tracks_of(film, tracks, 1))) == 1
    assert len(link(fast(31, *others, size=size))) > 5  # 4.4 sizes: too far


def test_a_cell_that_appears_beside_another_one_is_not_one_that_vanished_elsewhere():
    film = fast(0, (80, 20), (30, 60))
    film[:3, 30:50, 80:] = 0
    film[3:][film[3:] == 1] = 0  # vanishes at x = 12
    film[3:, 28:34, 46:53] = 9  # appears 5 sizes away, and the cell at x = 60 is nearer
    tracks = link(film)
    assert tracks_of(film, tracks, 9)[0] not in tracks_of(film, tracks, 1)
