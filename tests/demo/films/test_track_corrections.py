"""Links of tracks, cut and joined by hand."""

import csv

import numpy as np
import pytest

from demo.synthetic import film
from unet_hf.errors import ConfigError
from unet_hf.evaluation.tracks import track_scores
from unet_hf.tracking import Tracks, link
from unet_hf.tracking.summary import summary

from ...tracking.test_tracking import frame_of, rows_of


@pytest.fixture(scope="module")
def tracks() -> Tracks:
    """1 divides after frame 2 into 2 and 3, objects 1 and 2 of their frames; 4 lies beside them,
    object 3 (2 in the first frames)."""
    mother = [frame_of((30, 30, 8), (30, 65, 7))] * 3
    daughters = [frame_of((30, 24, 5.7), (30, 36, 5.7), (30, 65, 7))] * 3
    found = link(np.stack(mother + daughters))
    assert rows_of(found) == [(1, 0, 2, 0), (2, 0, 5, 0), (3, 3, 5, 1), (4, 3, 5, 1)]
    return found


def cut(frame: int, name: int) -> dict:
    return {"kind": "cut", "object": [frame, name]}


def join(earlier: tuple[int, int], later: tuple[int, int]) -> dict:
    return {"kind": "join", "from": list(earlier), "to": list(later)}


def test_no_edit_changes_nothing(tracks):
    same = tracks.corrected([])
    assert rows_of(same) == rows_of(tracks)
    assert all(
        np.array_equal(one.tracks, other.tracks)
        for one, other in zip(same.frames, tracks.frames, strict=True)
    )


def test_a_cut_begins_a_track_and_the_rest_keep_their_ids(tracks):
    assert rows_of(tracks.corrected([cut(4, 3)])) == [
        (1, 0, 2, 0), (2, 0, 3, 0), (3, 3, 5, 1), (4, 3, 5, 1), (5, 4, 5, 0),
    ]  # fmt: skip


def test_a_mother_whose_daughter_is_cut_off_goes_on_as_the_other_one(tracks):
    changed = tracks.corrected([cut(3, 2)])
    assert rows_of(changed) == [(1, 0, 5, 0), (2, 0, 5, 0), (4, 3, 5, 0)]
    assert changed.divisions == 0
    assert rows_of(changed.corrected([join((2, 1), (3, 2))])) == [
        (1, 0, 2, 0), (2, 0, 5, 0), (4, 3, 5, 1), (5, 3, 5, 1),
    ]  # fmt: skip
    assert np.unique(changed.relabelled(5)[30, [24, 36]]).tolist() == [1, 4]


def test_what_a_joined_object_was_before_is_cut(tracks):
    # The cell beside becomes the second daughter: its own last frames stay behind.
    changed = tracks.corrected([cut(3, 3), join((2, 2), (3, 2))])
    assert rows_of(changed) == [(1, 0, 5, 0), (2, 0, 5, 0), (5, 3, 5, 0)]
    assert changed.relabelled(4)[30, [24, 36, 65]].tolist() == [1, 2, 5]


def test_a_join_over_frames_between_leaves_a_gap_and_may_divide(tracks):
    changed = tracks.corrected([cut(3, 1), cut(3, 2), cut(5, 2), join((2, 1), (5, 2))])
    # What lay between keeps its number, for it begins first.
    assert rows_of(changed) == [(1, 0, 5, 0), (2, 0, 5, 0), (3, 3, 5, 0), (4, 3, 4, 0)]
    late = tracks.corrected([cut(3, 2), join((2, 1), (4, 2))])
    assert rows_of(late) == [
        (1, 0, 2, 0), (2, 0, 5, 0), (3, 3, 5, 1), (4, 3, 3, 0), (5, 4, 5, 1),
    ]  # fmt: skip


def test_files_and_tables_of_ids_with_gaps_agree(tracks, tmp_path):
    changed = tracks.corrected([cut(3, 1), join((2, 2), (3, 1))])
    assert rows_of(changed) == [(1, 0, 5, 0), (2, 0, 2, 0), (3, 3, 5, 2), (5, 3, 5, 2)]
    changed.save(tmp_path / "tracks")
    lines = (tmp_path / "tracks" / "res_track.txt").read_text().split("\n")
    assert lines == ["1 0 5 0", "2 0 2 0", "3 3 5 2", "5 3 5 2", ""]
    with changed.save_table(tmp_path / "objects.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["track_id"], row["parent"]) for row in rows} == {
        ("1", "0"), ("2", "0"), ("3", "2"), ("5", "2"),
    }  # fmt: skip
    columns = summary(changed)
    assert columns["track_id"].tolist() == [1, 2, 3, 5]
    assert columns["frames"].tolist() == [6, 3, 3, 3]
    areas = [tracks.frames[0].areas[1], tracks.frames[4].areas[0]]
    assert columns["area_px"][1:3].tolist() == areas


def test_corrections_mend_what_the_challenge_scores(tmp_path):
    from benchmarks.tracking import save_truth

    drawn = film("fluorescence", frames=8, size=160, cells=12, seed=7, life=6)
    save_truth(drawn, tmp_path / "01_GT")
    # Each track ends after every frame, but where it divides; joins put them together again.
    true = link(drawn.labels)
    links = [
        ((t, int(name)), (t + 1, int(name)))
        for t in range(7)
        for name in np.intersect1d(true.frames[t].ids, true.frames[t + 1].ids)
    ]
    apart = true.corrected([cut(*later) for _, later in links])
    again = apart.corrected([join(*one) for one in links])
    found = {
        name: track_scores(
            tracks.save(tmp_path / name), tmp_path / "01_GT"
        )  # raises if it is not valid
        for name, tracks in (("true", true), ("apart", apart), ("again", again))
    }
    assert found["apart"]["LNK"] < found["true"]["LNK"] == found["again"]["LNK"]
    assert len(apart) > len(again) == len(true)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (cut(0, 1), "object 1 of frame 0 begins a track already"),
        (cut(9, 1), "there is no frame 9; the film has 6, counted from 0"),
        (cut(1, 7), "frame 1 has no object 7"),
        (cut(1, "x"), "names the object"),
        (cut(float("inf"), 1), "names the object [inf, 1]"),
        (cut(1.7, 1), "names the object [1.7, 1]"),
        ({"kind": "cut", "object": "12"}, "names the object '12'"),
        ({"kind": []}, "Edit 2 is {'kind': []}. Expected"),
        (join((3, 1), (3, 2)), "object 2 of frame 3 is not later than object 1 of frame 3"),
        (join((3, 1), (4, 1)), "are joined already"),
        (join((2, 1), (3, 3)), "has two daughters already. Cut one of them first"),
        ({"kind": "swap"}, "Edit 2 is {'kind': 'swap'}. Expected"),
        ({"kind": "join", "from": [0, 1]}, "Expected"),
    ],
)
def test_an_edit_that_cannot_be_made_says_why(tracks, edit, words):
    with pytest.raises(ConfigError) as error:
        tracks.corrected([cut(5, 3), edit])
    assert words in str(error.value)
    assert "Edit 2" in str(error.value)


@pytest.mark.parametrize("edits", [None, 7, "cut", cut(5, 3)])
def test_edits_are_a_list(tracks, edits):
    with pytest.raises(ConfigError, match="which is no list"):
        tracks.corrected(edits)
