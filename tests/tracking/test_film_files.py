"""The files of a followed film: lineage, outlines, overlay film, and which are written."""

import json
import re
import zipfile
from colorsys import rgb_to_hsv
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import PIL.Image
import pytest
import tifffile

from unet_hf.errors import ConfigError
from unet_hf.film import TrackedFilm
from unet_hf.film.frames import Frames, open_film
from unet_hf.film.outlines import frame_geojson, write_outlines
from unet_hf.film.outputs import FILM_OUTPUTS, checked_film_outputs, remove_others
from unet_hf.film.overlay import DrawnFilm, outlined, shown_size, window_of, write_overlay
from unet_hf.tracking import FrameObjects, Tracks, link
from unet_hf.tracking.colors import as_hex, track_colors
from unet_hf.tracking.families import families
from unet_hf.tracking.lineage import MOST, lineage_svg

SVG = "{http://www.w3.org/2000/svg}"


def tracks_of(parent: list[int], first: list[int], last: list[int], frames: int) -> Tracks:
    """Tracks from 1 on, whose objects have their numbers, in all frames of their lives."""
    ids = np.arange(1, len(parent) + 1)
    lives = [np.array(values, np.int64) for values in (parent, first, last)]
    objects = []
    for frame in range(frames):
        there = ids[(lives[1] <= frame) & (frame <= lives[2])]
        nowhere = np.zeros((len(there), 2))
        objects.append(FrameObjects(there, there, nowhere[:, 0], nowhere))
    return Tracks(ids, *lives, tuple(objects), (8, 8), ())


@pytest.fixture
def labels() -> np.ndarray:
    """(4, 32, 40): object 2 of the first frame divides after two frames; another one is alone."""
    film = np.zeros((4, 32, 40), np.uint16)
    film[:, 2:6, 2:6] = 1
    film[:2, 12:20, 10:26] = 2
    film[2:, 12:20, 8:16] = 2
    film[2:, 12:20, 20:28] = 3
    return film


@pytest.fixture
def film(labels) -> Frames:
    return open_film(np.where(labels > 0, 200, 20).astype(np.uint8))


@pytest.fixture
def tracked(film, labels) -> TrackedFilm:
    return TrackedFilm("film.tif", link(labels), None, {}, (), film)


# ------------------------------------------------------------------------------------ lineage


def test_daughters_lie_beside_their_mother_and_families_below_one_another():
    # 1 divides into 3 and 4, and 4 into 5 and 6; 2 is alone.
    first, second = families(np.arange(1, 7), np.array([0, 0, 1, 1, 4, 4]))
    assert first.tracks == (1, 3, 4, 5, 6) and first.height == 3
    assert dict(zip(first.tracks, first.rows, strict=True)) == {3: 0, 5: 1, 6: 2, 4: 1.5, 1: 0.75}
    assert (second.tracks, second.rows, second.height) == ((2,), (0.0,), 1)
    assert first.divides and not second.divides


def test_a_long_line_of_cells_is_a_family():
    count = 5000  # deeper than Python's stack
    (family,) = families(np.arange(1, count + 1), np.arange(count))
    assert family.tracks == tuple(range(1, count + 1)) and family.height == 1
    assert set(family.rows) == {0.0}


def test_a_line_of_the_picture_runs_from_the_first_frame_to_the_last_one():
    tracks = tracks_of([0, 1, 1], [0, 3, 3], [2, 4, 5], 6)
    picture = lineage_svg(tracks, "a & b.tif")
    root = ElementTree.fromstring(picture)
    lines = [path for path in root.iter(f"{SVG}path") if path.get("class") == "l"]
    # 40 pixels a frame, from 16; rows of 14 from 71; the mother lies between its daughters.
    assert [path.get("d") for path in lines] == [
        "M16 78H96", "M96 78V71H176", "M96 78V85H216",
    ]  # fmt: skip
    assert [path.get("stroke") for path in lines] == [
        as_hex(color) for color in track_colors(tracks, on_white=True)
    ]
    assert lines[2].find(f"{SVG}title").text == "track 3, frames 4 to 6, from 1"
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert words[0] == "a & b.tif: 3 tracks, 1 division"
    assert words[1:4] == ["frame 1", "4", "6"]


def test_of_many_tracks_only_families_with_divisions_are_drawn_and_the_picture_says_so():
    alone = 5000 - 3
    tracks = tracks_of([0] * alone + [0, alone + 1, alone + 1], [0] * 5000, [9] * 5000, 10)
    root = ElementTree.fromstring(lineage_svg(tracks, "film"))
    assert len([path for path in root.iter(f"{SVG}path") if path.get("class") == "l"]) == 3
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert words[:2] == [
        "film: 5,000 tracks, 1 division",
        "Only families with divisions are drawn, 3 of 5,000 tracks, as there are more than 300.",
    ]
    few = lineage_svg(tracks_of([0] * MOST, [0] * MOST, [9] * MOST, 10), "film")
    assert few.count('class="l"') == MOST and "Only families" not in few
    assert lineage_svg(tracks_of([], [], [], 3), "film").count('class="l"') == 0


def shades(colors: np.ndarray) -> np.ndarray:
    """Hues in degrees, as HSV has them."""
    return np.array([360 * rgb_to_hsv(*(color / 255))[0] for color in colors])


def apart(one: float, other: float) -> float:
    return abs((one - other + 180) % 360 - 180)


def test_neighbours_differ_in_colour_and_daughters_lie_on_both_sides_of_their_mother():
    many = np.arange(1, 31).reshape(5, 6)
    hues = shades(track_colors(link(np.stack([many, many]))))
    assert min(apart(*pair) for pair in pairwise(hues)) > 80
    before = np.zeros((40, 60), int)
    before[10:26, 10:26] = before[10:26, 40:56] = 1
    before[:, 30:] *= 2
    after = before.copy()
    after[10:26, 18:26] *= 3
    after[10:26, 17:18] = 0
    mother, other, *daughters = shades(track_colors(link(np.stack([before] * 2 + [after] * 3))))
    assert len(daughters) == 2
    assert all(20 < apart(mother, hue) < 80 for hue in daughters)
    assert apart(*daughters) > 40 and apart(mother, other) > 80


def test_the_colour_of_a_track_outlives_corrections_elsewhere_and_white_is_another_ground():
    labels = np.zeros((4, 20, 40), int)
    labels[:, 2:10, 2:10], labels[:, 2:10, 20:28] = 1, 2
    tracks = link(labels)
    changed = tracks.corrected([{"kind": "cut", "object": [2, 1]}])
    assert changed.id.tolist() == [1, 2, 3]
    assert np.array_equal(track_colors(changed)[:2], track_colors(tracks))
    assert (track_colors(tracks, on_white=True).sum(1) < track_colors(tracks).sum(1)).all()
    assert as_hex(np.array([255, 0, 16], np.uint8)) == "#ff0010"


# ----------------------------------------------------------------------------------- outlines


def test_outlines_are_those_of_the_tracks(tracked, tmp_path):
    tracked.save(tmp_path, only=["outlines"])
    files = sorted(path.name for path in (tmp_path / "outlines").iterdir())
    assert files == [f"frame{frame:03d}.geojson" for frame in range(4)]
    found = json.loads((tmp_path / "outlines" / "frame003.geojson").read_text())["features"]
    mother = int(tracked.tracks.relabelled(0)[15, 15])
    assert [one["properties"]["track"] for one in found] == [1, 3, 4]
    assert [one["properties"]["parent"] for one in found] == [0, mother, mother]
    assert [one["properties"]["name"] for one in found] == ["track 1", "track 3", "track 4"]
    assert found[0]["properties"]["color"] == track_colors(tracked.tracks)[0].tolist()
    corners = found[0]["geometry"]["coordinates"][0]
    assert corners == [[2, 2], [6, 2], [6, 6], [2, 6], [2, 2]]
    assert all(one["properties"]["frame"] == 3 for one in found)


def test_outlines_say_their_frame_in_a_stack_and_those_of_a_longer_film_go(labels, tmp_path):
    path = tmp_path / "film.tif"
    tifffile.imwrite(path, (labels > 0).astype(np.uint8), imagej=True, metadata={"axes": "TYX"})
    film, tracks = open_film(path), link(labels)
    plane = frame_geojson(tracks, 2, film.read(2).place, ["#102030"] * len(tracks))["features"][0][
        "geometry"
    ]["plane"]
    assert plane == {"c": -1, "z": 0, "t": 2}
    folder = tmp_path / "outlines"
    folder.mkdir()
    for name in ("frame004.geojson", "frames.geojson"):
        (folder / name).write_text("{}")
    write_outlines(film, tracks, folder)
    assert not (folder / "frame004.geojson").exists() and (folder / "frames.geojson").exists()


# ------------------------------------------------------------------------------------ overlay


def test_an_outline_is_two_pixels_thick_and_each_of_two_that_touch_has_its_own():
    labels = np.zeros((1, 8), np.uint16)
    labels[0, 2:4], labels[0, 4:7] = 5, 9
    assert outlined(labels).tolist() == [[0, 5, 5, 5, 9, 0, 9, 9]]
    assert (outlined(labels.T) == outlined(labels).T).all()


def test_the_film_has_outlines_in_the_colours_of_the_tracks(tracked, tmp_path):
    write_overlay(tracked.frames, tracked.tracks, tmp_path)
    drawn = DrawnFilm(tracked.frames, tracked.tracks)
    with PIL.Image.open(tmp_path / "overlay.webp") as film:
        assert film.n_frames == 2  # frames that are alike are one that is shown longer
        for shown, frame in ((0, 0), (1, 2)):
            film.seek(shown)
            drawn.seek(frame)
            exact = np.array(drawn)
            seen = np.array(film.convert("RGB")).astype(int)
            assert np.abs(seen - exact).mean() < 10  # it is compressed with losses
            colors = np.concatenate([[[0, 0, 0]], track_colors(tracked.tracks)])
            relabelled = tracked.tracks.relabelled(frame)
            assert (exact[2, 2] == colors[relabelled[2, 2]]).all()
            assert (exact[12, 10] == colors[relabelled[12, 10]]).all()
            assert exact[4, 4].tolist() == [200] * 3 and exact[30, 2].tolist() == [20] * 3


def test_frames_are_asked_for_one_after_another_and_none_is_kept(tracked, tmp_path):
    frames, asked = tracked.frames, []

    def read(index: int):
        asked.append(index)
        return frames.read(index)

    film = Frames("film", frames.count, frames.first, None, (), read)
    write_overlay(film, tracked.tracks, tmp_path)
    # Three say how bright all are, the first one (kept by the film) how large; then each in turn.
    assert asked == [2, 3, 1, 2, 3]


def test_one_window_is_for_all_frames_and_large_ones_are_scaled_down():
    frames = np.zeros((5, 8, 8), np.uint16)
    frames[0], frames[2, 0, 0], frames[4] = 100, 4000, 900
    low, high = window_of(open_film(frames))
    assert low == 0 and 900 < high <= 4000
    assert window_of(open_film(frames.astype(np.uint8))) == (0, 255)
    assert shown_size(512, 300) == (512, 300)
    assert shown_size(4096, 2048) == (1024, 512)
    labels = np.zeros((2, 2048, 64), np.uint8)
    labels[:, 1024:] = 1
    drawn = DrawnFilm(open_film(labels * 200), link(labels))
    assert drawn.size == (32, 1024)
    # The lower half is one object: its outline begins where it does.
    changed = np.flatnonzero((np.diff(np.array(drawn)[:, 16].astype(int), axis=0) != 0).any(1))
    assert changed.tolist() == [510, 512]


def test_without_webp_the_frames_are_in_a_zip(tracked, tmp_path, monkeypatch):
    PIL.Image.init()
    monkeypatch.delitem(PIL.Image.SAVE_ALL, "WEBP")
    tracked.save(tmp_path, only=["overlay"])
    assert [path.name for path in tmp_path.iterdir()] == ["overlay.zip"]
    with zipfile.ZipFile(tmp_path / "overlay.zip") as archive:
        assert archive.namelist() == [f"frame{frame:03d}.png" for frame in range(4)]
        with archive.open("frame002.png") as file, PIL.Image.open(file) as image:
            drawn = DrawnFilm(tracked.frames, tracked.tracks)
            drawn.seek(2)
            assert (np.array(image) == np.array(drawn)).all()


# ---------------------------------------------------------------------------- which are written


def test_what_is_asked_for_is_written_and_the_same_bytes_each_time(tracked, tmp_path):
    tracked.save(tmp_path / "usual")
    assert sorted(path.name for path in (tmp_path / "usual").iterdir()) == [
        "lineage.svg", "objects.csv", "tracks", "tracks.csv",
    ]  # fmt: skip
    for name in ("once", "twice"):
        tracked.save(tmp_path / name, only=FILM_OUTPUTS)

    def files(folder: Path) -> dict[str, bytes]:
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}

    once = files(tmp_path / "once")
    assert once == files(tmp_path / "twice")
    assert {"overlay.webp", "lineage.svg", "outlines/frame000.geojson"} <= set(once)


def test_a_name_that_is_none_is_refused_before_anything_is_written(tracked, tmp_path):
    with pytest.raises(ConfigError, match=r"no output film.*tables, masks, lineage, outlines"):
        tracked.save(tmp_path / "out", only=["film"])
    assert checked_film_outputs("masks") == ["masks"]
    assert checked_film_outputs(["overlay", "tables"]) == ["tables", "overlay"]


def test_a_picture_that_fails_leaves_the_old_one(tracked, tmp_path, monkeypatch):
    (tmp_path / "overlay.webp").write_bytes(b"old")

    def fail(*_, **__) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(DrawnFilm, "save", fail)
    with pytest.raises(OSError, match="full"):
        tracked.save(tmp_path, only=["overlay"])
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [
        ("overlay.webp", b"old")
    ]


def test_what_another_linking_has_left_goes_and_nothing_else(tracked, tmp_path):
    tracked.save(tmp_path, only=FILM_OUTPUTS)
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "outlines" / "notes.txt").write_text("mine")
    remove_others(tmp_path, ["tables"])
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"tracks.csv", "objects.csv", "notes.txt", str(Path("outlines", "notes.txt"))}


def test_the_command_offers_the_names_that_can_be_saved(capsys):
    from unet_hf.cli.main import main

    with pytest.raises(SystemExit):
        main(["track", "--help"])
    assert "--only tables,masks,lineage,outlines,overlay" in re.sub(
        r"\s+", " ", capsys.readouterr().out
    )
    with pytest.raises(SystemExit) as ended:
        main(["track", "film.tif", "--model", "unet-nuclei", "--output", "x", "--only", "video"])
    assert ended.value.code == 2
    assert "there is no 'video'" in capsys.readouterr().err
