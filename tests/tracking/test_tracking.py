"""Objects followed through films: who is who, who divides, and the files that say so."""

import csv
import inspect

import numpy as np
import pytest
import tifffile

from demo.synthetic import film
from unet_hf.errors import ConfigError, ShapeError, UnsupportedLayoutError
from unet_hf.tracking import Linker, Tracks, link
from unet_hf.tracking.weights import Weights

from ..support.drawn import disc

SHAPE = (60, 80)


def frame_of(*discs: tuple[float, float, float], shape=SHAPE) -> np.ndarray:
    """(H, W) uint8: discs of y, x, radius, numbered from 1 in this order."""
    frame = np.zeros(shape, np.uint8)
    for index, (y, x, radius) in enumerate(discs, 1):
        frame[disc(shape, y, x, radius)] = index
    return frame


def rows_of(tracks: Tracks) -> list[tuple[int, ...]]:
    """(id, first, last, parent) of each track."""
    columns = (tracks.id, tracks.first, tracks.last, tracks.parent)
    return [tuple(row) for row in np.stack(columns, 1).tolist()]


def test_cells_that_pass_each_other_keep_their_ids_whatever_their_numbers_are():
    films = [((20, 10 + 5 * t, 5), (33, 60 - 5 * t, 5)) for t in range(10)]
    # The numbers of the objects change places in every frame.
    frames = [frame_of(*(discs if t % 2 else discs[::-1])) for t, discs in enumerate(films)]
    tracks = link(np.stack(frames))
    assert rows_of(tracks) == [(1, 0, 9, 0), (2, 0, 9, 0)]
    upper = [tracks.relabelled(t)[20, 10 + 5 * t] for t in range(10)]
    lower = [tracks.relabelled(t)[33, 60 - 5 * t] for t in range(10)]
    assert (len(set(upper)), len(set(lower))) == (1, 1)
    assert upper[0] != lower[0]


def test_a_division_is_found_with_its_mother():
    mother = [frame_of((30, 30, 8), (30, 65, 7))] * 3
    daughters = [frame_of((30, 24, 5.7), (30, 36, 5.7), (30, 65, 7))] * 3
    tracks = link(np.stack(mother + daughters))
    assert rows_of(tracks) == [(1, 0, 2, 0), (2, 0, 5, 0), (3, 3, 5, 1), (4, 3, 5, 1)]
    assert tracks.divisions == 1


def test_without_divisions_a_daughter_is_a_new_cell():
    mother = [frame_of((30, 30, 8))] * 3
    daughters = [frame_of((30, 24, 5.7), (30, 36, 5.7))] * 3
    tracks = link(np.stack(mother + daughters), divisions=0)
    assert tracks.divisions == 0
    assert (tracks.parent == 0).all()


def test_a_cell_that_comes_near_another_one_is_no_daughter():
    frames = [frame_of((30, 30, 8))] * 3 + [frame_of((30, 30, 8), (30, 44, 5))] * 3
    tracks = link(np.stack(frames))
    assert rows_of(tracks) == [(1, 0, 5, 0), (2, 3, 5, 0)]


@pytest.mark.parametrize("look", ["fluorescence", "phase", "dic"])
def test_no_division_is_invented_in_a_drawn_film_without(look):
    drawn = film(look, frames=12, size=160, cells=16, seed=3, life=None)
    assert link(drawn.labels).divisions == 0


@pytest.mark.parametrize("missing", [1, 2])
def test_a_gap_is_closed(missing):
    cells = [frame_of((30, 20 + 2 * t, 6), (10, 60, 5)) for t in range(8)]
    for t in range(3, 3 + missing):
        cells[t][cells[t] == 1] = 0
    tracks = link(np.stack(cells))
    assert rows_of(tracks) == [(1, 0, 7, 0), (2, 0, 7, 0)]


def test_two_cells_that_are_one_object_for_a_frame_do_not_divide():
    frames = [frame_of((30, 30, 6), (30, 43, 6)) for _ in range(7)]
    frames[4][frames[4] == 2] = 1
    tracks = link(np.stack(frames))
    assert rows_of(tracks) == [(1, 0, 6, 0), (2, 0, 6, 0)]


def test_a_gap_that_is_longer_than_allowed_begins_a_track():
    cells = [frame_of((30, 20, 6), (10, 60, 5)) for _ in range(8)]
    cells[3][cells[3] == 1] = 0
    assert rows_of(link(np.stack(cells), gaps=0)) == [(1, 0, 2, 0), (2, 0, 7, 0), (3, 4, 7, 0)]


def test_a_jump_of_the_whole_picture_changes_nothing():
    places = np.array([(40, 40), (40, 58), (56, 47), (62, 70), (75, 52), (80, 80)])
    jumps = [(0, 0), (0, 0), (17, -21), (17, -21), (-15, 12)]
    frames = [
        frame_of(*((*(place + jump), 6) for place in places), shape=(120, 120)) for jump in jumps
    ]
    tracks = link(np.stack(frames))
    assert rows_of(tracks) == [(index, 0, 4, 0) for index in range(1, 7)]
    assert all((objects.ids == objects.tracks).all() for objects in tracks.frames)
    assert len(link(np.stack(frames), register=False)) > 6


def test_a_cell_that_leaves_and_one_that_enters_are_two_tracks():
    leaves = [(20, 60 + 7 * t, 5) for t in range(3)]
    enters = [(20, 4 + 5 * t, 5) for t in range(4)]
    frames = [frame_of((45, 40, 6), leaves[t]) for t in range(3)]
    frames += [frame_of((45, 40, 6), enters[t]) for t in range(4)]
    assert rows_of(link(np.stack(frames))) == [(1, 0, 6, 0), (2, 0, 2, 0), (3, 3, 6, 0)]


def test_larger_pictures_of_the_same_film_give_the_same_tracks():
    drawn = film("phase", frames=10, size=128, cells=10, seed=1)
    large = drawn.labels.repeat(3, 1).repeat(3, 2)
    assert rows_of(link(large)) == rows_of(link(drawn.labels))


def test_empty_frames_are_frames():
    empty, one = np.zeros(SHAPE, np.uint8), frame_of((30, 30, 6))
    assert len(link(np.stack([empty, empty]))) == 0
    assert rows_of(link(np.stack([empty, one, empty, one]))) == [(1, 1, 3, 0)]


def test_an_iterator_gives_what_an_array_gives_and_tells_its_progress():
    labels = film("dic", frames=6, size=96, cells=8, seed=2).labels
    done: list[int] = []
    streamed = link((frame for frame in labels), progress=done.append)
    array = link(labels)
    assert done == [1, 2, 3, 4, 5, 6]
    assert rows_of(streamed) == rows_of(array)
    for t in range(6):
        np.testing.assert_array_equal(streamed.relabelled(t), array.relabelled(t))


def test_what_follows_does_not_change_the_tracks_before():
    labels = film("fluorescence", frames=10, size=128, cells=12, seed=4).labels
    first, all_of_it = link(labels[:6]), link(labels)
    for before, after in zip(first.frames, all_of_it.frames, strict=False):
        np.testing.assert_array_equal(before.tracks, after.tracks)


def test_the_linker_of_single_frames_has_the_defaults_of_link():
    defaults = {
        name: one.default
        for function in (link, Linker.__init__)
        for name, one in inspect.signature(function).parameters.items()
        if one.kind is one.KEYWORD_ONLY
    }
    assert {name: defaults[name] for name in vars(Weights())} == vars(Weights())
    assert (defaults["gaps"], defaults["register"]) == (2, True)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.uint64])
def test_any_type_of_integer_is_taken(dtype):
    labels = np.stack([frame_of((30, 30, 6)), frame_of((30, 32, 6))]).astype(dtype)
    labels[1] *= 100
    tracks = link(labels)
    assert rows_of(tracks) == [(1, 0, 1, 0)]
    assert tracks.relabelled(1).dtype == np.uint16
    np.testing.assert_array_equal(tracks.relabelled(1), labels[1] > 0)


# ------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("labels", "error", "says"),
    [
        (np.zeros((1, 8, 8), int), ConfigError, "at least two"),
        (np.zeros((8, 8), int), ShapeError, r"\(T, H, W\)"),
        (np.zeros((2, 3, 8, 8), int), ShapeError, r"\(T, H, W\)"),
        ([np.zeros((8, 8), int), np.zeros((8, 9), int)], ShapeError, "8 x 9"),
        ([np.zeros((8, 8, 3), int)] * 2, ShapeError, "Frame 0"),
        (np.zeros((2, 8, 8)), UnsupportedLayoutError, "float64"),
        (np.zeros((2, 8, 8), bool), UnsupportedLayoutError, "bool"),
        (np.full((2, 8, 8), -3), UnsupportedLayoutError, "-3"),
        (7, ConfigError, "int"),
        ([], ConfigError, "0 frames"),
    ],
)
def test_labels_that_are_no_film_are_refused(labels, error, says):
    with pytest.raises(error, match=says):
        link(labels)


@pytest.mark.parametrize(
    "options",
    [
        {"divisions": -0.1},
        {"divisions": 2},
        {"divisions": "often"},
        {"gaps": 1.5},
        {"gaps": -1},
        {"turnover": 0},
        {"max_distance": float("nan")},
        {"area_spread": 0},
    ],
)
def test_options_that_are_not_usable_are_named(options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        link(np.zeros((2, 8, 8), int), **options)


def test_a_frame_that_is_not_there_is_refused():
    tracks = link(np.zeros((2, 8, 8), int))
    with pytest.raises(ConfigError, match="no frame 2"):
        tracks.relabelled(2)


# -------------------------------------------------------------------------------------- files


def test_the_files_of_the_challenge_hold_the_same_tracks(tmp_path):
    tracks = link(film("fluorescence", frames=12, size=128, cells=10, seed=6, life=8).labels)
    assert tracks.divisions > 0
    assert tracks.save(tmp_path / "01_RES") == tmp_path / "01_RES"
    names = sorted(path.name for path in (tmp_path / "01_RES").iterdir())
    assert names == [*(f"mask{t:03d}.tif" for t in range(12)), "res_track.txt"]
    assert read_challenge(tmp_path / "01_RES") == rows_of(tracks)
    for t in range(12):
        with tifffile.TiffFile(tmp_path / "01_RES" / f"mask{t:03d}.tif") as file:
            assert file.pages[0].compression.name == "ADOBE_DEFLATE"
            assert file.asarray().dtype == np.uint16
            np.testing.assert_array_equal(file.asarray(), tracks.relabelled(t))


def read_challenge(folder) -> list[tuple[int, int, int, int]]:
    """Reads (L, B, E, P), and checks that each track is in the masks of its frames."""
    rows = [tuple(map(int, line.split())) for line in (folder / "res_track.txt").open()]
    for t, path in enumerate(sorted(folder.glob("mask*.tif"))):
        there = [track for track, first, last, _ in rows if first <= t <= last]
        assert np.unique(tifffile.imread(path)).tolist() == [0, *there]
    return rows


def test_a_track_of_the_challenge_goes_on_under_a_new_id_after_a_gap(tmp_path):
    cells = [frame_of((30, 20, 6), (10, 60, 5)) for _ in range(6)]
    cells[2][cells[2] == 1] = 0
    tracks = link(np.stack(cells))
    tracks.save(tmp_path / "out")
    assert rows_of(tracks) == [(1, 0, 5, 0), (2, 0, 5, 0)]
    assert read_challenge(tmp_path / "out") == [(1, 0, 1, 0), (2, 0, 5, 0), (3, 3, 5, 1)]


def test_saving_again_replaces_a_longer_film_and_gives_the_same_bytes(tmp_path):
    labels = film("phase", frames=8, size=96, cells=8, seed=0).labels
    link(labels).save(tmp_path / "a")
    link(labels[:5]).save(tmp_path / "a")
    link(labels[:5]).save(tmp_path / "b")
    files = [{path.name: path.read_bytes() for path in (tmp_path / one).iterdir()} for one in "ab"]
    assert files[0] == files[1]


def test_a_save_that_fails_leaves_no_folder(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", full)
    with pytest.raises(OSError):
        link(np.stack([frame_of((30, 30, 6))] * 2)).save(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_more_tracks_than_16_bits_hold_are_not_saved(tmp_path):
    labels = np.zeros((2, 200, 400), int)  # every pixel is an object
    labels[0, :, :200] = labels[1, :, 200:] = np.arange(1, 200**2 + 1).reshape(200, 200)
    linker = Linker(gaps=0, register=False, divisions=0, turnover=0.9, max_distance=1e-3)
    for frame in labels:
        linker.add(frame)
    tracks = linker.tracks(labels)
    with pytest.raises(ConfigError, match="65,535"):
        tracks.save(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    assert tracks.relabelled(1).dtype == np.uint32


def test_a_file_is_not_taken_for_a_folder(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ConfigError, match="is a file"):
        link(np.zeros((2, 8, 8), int)).save(tmp_path / "out")


def test_the_table_begins_with_the_columns_of_naparis_tracks_layer(tmp_path):
    frames = [frame_of((30, 20, 6)), frame_of((30, 22, 6))]
    path = link(np.stack(frames)).save_table(tmp_path / "tables" / "tracks.csv")
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["track_id", "t", "y", "x", "area", "parent"]
    area = str(int(disc(SHAPE, 30, 20, 6).sum()))
    assert rows[1:] == [["1", "0", "30", "20", area, "0"], ["1", "1", "30", "22", area, "0"]]


# ---------------------------------------------------------------------------------- the truth


@pytest.mark.parametrize("look", ["fluorescence", "phase", "dic"])
def test_the_truth_of_a_drawn_film_is_consistent(look):
    drawn = film(look, frames=12, size=128, cells=10, seed=2, life=8)
    assert drawn.frames.shape == drawn.labels.shape == (12, 128, 128)
    assert (drawn.frames.dtype, drawn.labels.dtype) == (np.uint8, np.int32)
    there = {track: [] for track in drawn.tracks[:, 0].tolist()}
    for t, frame in enumerate(drawn.labels):
        for track in np.unique(frame[frame > 0]).tolist():
            there[track].append(t)
    parents = drawn.tracks[:, 3]
    for track, first, last, parent in drawn.tracks.tolist():
        assert there[track] == list(range(first, last + 1))
        if parent:
            assert drawn.tracks[parent - 1, 2] == first - 1
            assert (parents == parent).sum() == 2
    assert (parents > 0).any()


def test_the_same_seed_draws_the_same_film():
    one, again, other = (film("dic", frames=3, size=96, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.frames, again.frames)
    np.testing.assert_array_equal(one.labels, again.labels)
    assert not np.array_equal(one.labels, other.labels)


@pytest.mark.parametrize("look", ["fluorescence", "phase", "dic"])
def test_true_masks_of_a_drawn_film_are_linked_as_the_truth_says(look, tmp_path):
    from benchmarks.tracking import save_truth
    from unet_hf.evaluation.tracks import track_scores

    drawn = film(look, frames=12, size=160, cells=14, seed=7)
    save_truth(drawn, tmp_path / "01_GT")
    link(drawn.labels).save(tmp_path / "01_RES")
    found = track_scores(tmp_path / "01_RES", tmp_path / "01_GT")
    assert found["TRA"] >= 0.99
