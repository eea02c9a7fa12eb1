"""The tab of films: corrections and fields count, and what is wrong is refused in words."""

import json
from pathlib import Path
from types import SimpleNamespace

import PIL.Image
import pytest

from demo.server import archives, limits
from unet_hf import UNet

from ...support.drawn_film import FRAMES, drawn_frames, stack
from ...support.film_page import FilmPage, table_of


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return stack(tmp_path / "film.tif", drawn_frames())


@pytest.fixture
def page(learned: str, tmp_path: Path, monkeypatch) -> FilmPage:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    return FilmPage(learned)


# -------------------------------------------------------------------- corrections


def test_corrections_change_tracks_and_tables_and_nothing_else(page: FilmPage, film: Path):
    page.send(film)
    page.start()
    page.run()
    before = page.value
    cut = {"kind": "cut", "object": [3, 2]}
    page.edit(cut)
    assert page.value["edits"] == [cut]
    assert page.value["refused"] == ""
    assert page.value["tracks"] != before["tracks"]
    same = ("id", "images", "labels", "frames")
    assert all(page.value[name] == before[name] for name in same)
    assert "0 divisions, 6 frames, 1 correction" in page.shown["film_progress"]
    with page.zip() as packed:
        assert json.loads(packed.read("corrections.json")) == [cut]
        assert {row["parent"] for row in table_of(packed, "tracks.csv")} == {"0"}
        corrected = packed.read("tracks/res_track.txt")
    page.edit(cut, {"kind": "join", "from": [4, 1], "to": [2, 1]})
    assert page.value["edits"] == [cut]
    assert "is not later than" in page.value["refused"]
    with page.zip() as packed:
        assert packed.read("tracks/res_track.txt") == corrected
    page.edit()
    with page.zip() as packed:
        assert "corrections.json" not in packed.namelist()
        assert packed.read("tracks/res_track.txt") != corrected


def test_corrections_stay_when_the_film_is_linked_again(page: FilmPage, film: Path):
    page.send(film)
    page.start()
    page.run()
    page.edit({"kind": "cut", "object": [2, 1]})
    page.start(divisions=0)
    page.run()
    assert page.value["edits"] == [{"kind": "cut", "object": [2, 1]}]


@pytest.mark.parametrize(
    "edits", ["nothing", [7], [{"kind": "cut", "object": [0, 99]}], [{"kind": "paint"}] * 9]
)
def test_corrections_that_are_none_are_refused_in_words(page, film, edits, monkeypatch):
    monkeypatch.setattr(limits, "FILM_EDITS", 8)
    page.send(film)
    page.start()
    page.edit()
    assert "not linked yet" in page.told
    page.run()
    page.show(page.events.on_edits(page.job, SimpleNamespace(edits=edits)))
    assert page.value["refused"]
    assert page.value["edits"] == []


# ------------------------------------------------------------------------- errors


def test_depth_is_frames_only_where_the_visitor_says_so(page: FilmPage, tmp_path: Path):
    page.send(stack(tmp_path / "deep.tif", drawn_frames(), "ZYX"))
    assert "Z is depth" in page.told
    assert "say so: “TYX”." in page.told
    assert page.shown["film_axes"]["visible"] is True
    page.start()
    assert "Z is depth" in page.told
    page.start(axes="tyx")
    page.run()
    assert "4 tracks, 1 division, 6 frames" in page.shown["film_progress"]


def test_one_picture_is_sent_to_the_other_tab(page: FilmPage, tmp_path: Path):
    PIL.Image.fromarray(drawn_frames()[0]).save(tmp_path / "one.png")
    page.send(tmp_path / "one.png")
    assert "A single picture is for the tab Segment." in page.told
    assert page.job is None
    assert not page.shown["film_run"]["interactive"]


def test_a_frame_that_is_not_usable_ends_the_film_before_it(page: FilmPage, tmp_path: Path):
    paths = [tmp_path / f"t{number}.png" for number in range(FRAMES)]
    for path, frame in zip(paths, drawn_frames(), strict=True):
        PIL.Image.fromarray(frame).save(path)
    paths[4].write_bytes(b"no image")
    page.send(*paths)
    page.start()
    page.run()
    assert "Frame 5: t4.png is not an image" in page.shown["film_progress"]
    assert "Ended early: 4 of 6 frames. The reason is below" in page.shown["film_progress"]
    assert page.shown["film_run"]["value"].startswith("Follow the cells")  # no "Go on"
    assert "Mend this frame, or leave it out of the film.<" in page.shown["film_progress"]
    assert page.value["frames"] == 4
    assert str(page.job.folder) not in page.shown["film_progress"]
    paths[1].write_bytes(b"no image")
    page.send(*paths)
    page.start()
    page.run()
    assert 'role="alert"' in page.shown["film_progress"]
    assert page.usable() == (True, False, False)


def test_a_gray_animation_has_no_channels_to_choose(page: FilmPage, tmp_path: Path):
    gray = [PIL.Image.fromarray(frame) for frame in drawn_frames()]
    colored = [PIL.Image.merge("RGB", (frame, frame, gray[0])) for frame in gray]
    colored[0].putpixel((0, 0), (255, 0, 0))
    for frames, visible in ((gray, "hidden"), (colored, True)):
        frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
        page.send(tmp_path / "film.gif")
        assert page.shown["film_channel"]["visible"] == visible


def test_objects_are_found_and_measured_as_the_fields_say(page: FilmPage, tmp_path: Path, learned):
    path = stack(tmp_path / "film.tif", drawn_frames())
    page.send(path)
    assert page.shown["film_pixel_size"] == ""
    own = {"seed": "0.4", "min_size": "100", "pixel_size": "0.5 um"}
    page.start(**own)
    page.run()
    tracked = UNet.from_pretrained(learned).track(
        path,
        objects={"seed": 0.4, "min_size": 100, "pixel_size": "0.5 um"},
        linking={"divisions": 0.2},
    )
    with page.zip() as packed:
        saved = tracked.save(tmp_path / "saved")
        assert packed.read("objects.csv") == (saved / "objects.csv").read_bytes()
        command = packed.read("reproduce.txt").decode()
    assert "--seed 0.4 --min_size 100 --pixel_size '0.5 um'" in command
    assert page.value["pixel_size"] == [0.5, "µm"]
    wrong_ones = {"seed": "7", "min_size": "few", "pixel_size": "small", "interval": "5 parsecs"}
    for name, wrong in wrong_ones.items():
        page.start(**own | {name: wrong})
        assert 'role="alert"' in page.told


def test_what_is_too_large_is_refused_before_it_is_read(page: FilmPage, film: Path, monkeypatch):
    monkeypatch.setattr(limits, "FILM_FRAMES", 5)
    page.send(film)
    assert "has 6 frames; the limit of this page is 5" in page.told
    monkeypatch.setattr(limits, "FILM_FRAMES", 6)
    monkeypatch.setattr(limits, "FILM_FRAME_PIXELS", 48 * 64 - 1)
    page.send(film)
    assert page.job is None
    assert "pixels" in page.told
    monkeypatch.setattr(archives, "MAX_BYTES", 100)
    page.send(film)
    assert "MB, unpacked" in page.told


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [("FILM_OBJECTS", 6, "more than 6 objects"), ("FILM_BYTES", 700, "the limit of this page")],
)
def test_a_film_that_grows_too_large_ends(page: FilmPage, film, monkeypatch, limit, value, words):
    monkeypatch.setattr(limits, limit, value)
    page.send(film)
    page.start()
    page.run()
    assert words in page.shown["film_progress"]
    assert 2 <= page.value["frames"] < FRAMES


@pytest.mark.parametrize("cut", ["high", "7"])
def test_a_threshold_that_is_none_starts_nothing(page: FilmPage, film: Path, cut: str):
    page.send(film)
    page.start(threshold=cut)
    if not page.told:  # what the checkpoint says of it
        page.run()
    assert 'role="alert"' in page.told + page.shown["film_progress"]
    assert page.shown["film_run"]["interactive"]
