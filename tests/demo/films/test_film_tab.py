"""The tab of films: what the player is shown, how a film goes on, and what visitors take home."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from playwright.sync_api import Page, expect

from demo.films import tab as film_tab
from demo.films.following import Asked
from demo.films.job import FilmJob
from demo.films.pictures import runs
from demo.films.tab import FilmTab
from demo.films.told import notes_html
from demo.server.checkpoints.models import load_model
from demo.server.folders import ResultFolders
from unet_hf import UNet
from unet_hf.film.linking import settled_linking

from ...support.drawn_film import FRAMES, drawn_frames, stack
from ...support.film_page import FilmPage, file_of, table_of
from ...support.serving import Gate, until


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return stack(tmp_path / "film.tif", drawn_frames())


@pytest.fixture
def page(learned: str, tmp_path: Path, monkeypatch) -> FilmPage:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    return FilmPage(learned)


# ------------------------------------------------------------------- a whole film


def test_a_film_is_followed_as_python_follows_it(page: FilmPage, film: Path, learned, tmp_path):
    page.send(film)
    assert page.shown["film_run"]["value"].startswith("Follow the cells of 6 frames with ")
    page.start()
    assert page.usable() == (False, True, False)
    page.run()
    assert page.usable() == (True, False, True)
    assert "4 tracks, 1 division, 6 frames" in page.shown["film_progress"]

    model = UNet.from_pretrained(learned)
    expected = model.track(film, linking={"divisions": 0.2})
    saved = expected.save(tmp_path / "saved")
    with page.zip() as packed:
        files = {file.relative_to(saved).as_posix() for file in saved.rglob("*") if file.is_file()}
        assert set(packed.namelist()) == {*files, "reproduce.txt"}
        assert all(packed.read(name) == (saved / name).read_bytes() for name in files)
        assert "--divisions 0.2" in packed.read("reproduce.txt").decode()


def test_files_that_are_taken_home_have_the_name_of_the_film(page: FilmPage, film: Path):
    page.send(film)
    page.start()
    page.run()
    kinds = ("everything", "lineage", "outlines")
    names = [Path(film_tab.write(kind, page.job)).name for kind in kinds]
    assert names == ["film_tracks.zip", "film_lineage.svg", "film_outlines.zip"]


def test_notes_are_in_words_of_the_page():
    _, (note,) = settled_linking(None, {})
    shown = notes_html([note, "the axes are TYX"])
    assert "--divisions" not in shown and "“Cells divide” above overrides it" in shown
    assert "The axes are TYX." in shown


def test_the_first_frame_is_shown_before_anything_is_found(page: FilmPage, film: Path):
    page.send(film)
    value = page.value
    assert (len(value["images"]), value["labels"], value["tracks"]) == (1, [], None)
    assert value["frames"] == FRAMES
    assert np.array_equal(
        np.asarray(PIL.Image.open(file_of(value["images"][0]))), drawn_frames()[0]
    )


def test_a_first_run_keeps_the_picture_that_a_browser_may_be_reading(page: FilmPage, film: Path):
    page.send(film)
    before = page.value
    page.start()
    assert (page.value["id"], page.value["images"]) == (before["id"], before["images"])
    page.run()
    assert file_of(before["images"][0]).is_file()


def test_the_player_is_given_frames_numbers_and_tracks(page: FilmPage, film: Path, learned: str):
    page.send(film)
    page.start()
    page.run()
    value = page.value
    assert (value["name"], value["width"], value["height"]) == ("film.tif", 64, 48)
    assert value["frames"] == len(value["images"]) == len(value["labels"]) == FRAMES
    frames = drawn_frames()
    tracked = UNet.from_pretrained(learned).track(film, linking={"divisions": 0.2})
    for index, (image, labels) in enumerate(zip(value["images"], value["labels"], strict=True)):
        assert np.array_equal(np.asarray(PIL.Image.open(file_of(image))), frames[index])
        assert file_of(labels).read_bytes() == runs(tracked.tracks.labels[index])
    tracks = json.loads(file_of(value["tracks"]).read_text())
    objects = tracks["objects"]
    assert objects["frame"] == sorted(objects["frame"])
    assert {len(column) for column in objects.values()} == {len(tracked.table()["t"])}
    assert (tracks["area_unit"], set(objects["intensity"])) == ("px", {200.0})
    assert tracks["tracks"]["parent"] == tracked.tracks.parent.tolist()


def test_lengths_are_told_in_the_unit_of_the_pixels(page: FilmPage, tmp_path: Path):
    path = stack(tmp_path / "s.tif", drawn_frames(), resolution=(2, 2))
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        tiff.pages[0].tags["ImageDescription"].overwrite("ImageJ=1.11a\nframes=6\nunit=um\n")
    page.send(path)
    assert page.shown["film_pixel_size"] == "0.5 um"
    page.start(pixel_size="0.5 um")
    assert page.job.asked.pixel_size == ""  # the file's own, with all its digits
    page.run()
    assert page.value["pixel_size"] == [0.5, "µm"]
    tracks = json.loads(file_of(page.value["tracks"]).read_text())
    assert tracks["area_unit"] == "µm²"
    assert min(tracks["objects"]["area"]) < 20  # 64 pixels of a quarter each


def test_the_time_between_frames_is_that_of_the_file_or_of_the_field(page, tmp_path: Path):
    options = {"imagej": True, "metadata": {"axes": "TYX", "finterval": 300.0, "tunit": "sec"}}
    tifffile.imwrite(tmp_path / "timed.tif", drawn_frames(), **options)
    page.send(tmp_path / "timed.tif")
    assert page.shown["film_interval"] == "5 min"
    page.start(interval="5 min")
    page.run()
    assert "“Time between frames” above overrides it" in page.shown["film_progress"]
    with page.zip() as packed:
        assert float(table_of(packed, "objects.csv")[-1]["time_min"]) == 25
        assert "--frame_interval" not in packed.read("reproduce.txt").decode()
    page.start(interval="30 s")
    page.run()
    with page.zip() as packed:
        assert float(table_of(packed, "objects.csv")[-1]["time_min"]) == 2.5
        assert "--frame_interval 30" in packed.read("reproduce.txt").decode()


def test_files_are_frames_in_the_order_in_which_people_count(page: FilmPage, tmp_path: Path):
    paths = [tmp_path / f"t{9 + number}.png" for number in range(FRAMES)]
    for path, frame in zip(paths, drawn_frames(), strict=True):
        PIL.Image.fromarray(frame).save(path)
    with zipfile.ZipFile(tmp_path / "frames.zip", "w") as packed:
        for path in reversed(paths):
            packed.write(path, f"film/{path.name}")
        packed.writestr("film/notes.txt", "no image")
    for sent in (sorted(paths), [tmp_path / "frames.zip"]):
        page.send(*sent)
        page.start()
        page.run()
        assert "4 tracks, 1 division, 6 frames" in page.shown["film_progress"]
    assert "notes.txt is no image" in page.shown["film_progress"]
    assert page.value["name"] == "frames.zip"


def test_brightness_does_not_flicker(page: FilmPage, tmp_path: Path):
    """One window for all frames: a frame that is half as bright is drawn half as bright."""
    frames = drawn_frames().astype(np.uint16) * 20
    frames[3] //= 2
    page.send(stack(tmp_path / "deep.tif", frames))
    page.start()
    page.run()
    drawn = [np.asarray(PIL.Image.open(file_of(image))).max() for image in page.value["images"]]
    assert drawn[3] == pytest.approx(drawn[0] / 2, abs=2)


# ------------------------------------------------------------------ stop and go on


def test_a_film_that_is_stopped_keeps_its_frames_and_goes_on(page: FilmPage, film, gate: Gate):
    page.send(film)
    page.start()
    gate.let(3)
    for updates in page.events.on_run(page.job):
        page.show(updates)
        if len(gate.asked) == 4 and page.job.status.state == "running":
            page.events.on_stop(page.job)
            gate.let(1)
    assert "Stopped: 3 of 6 frames" in page.shown["film_progress"]
    assert "Stopped after 3 of 6 frames." in page.shown["film_progress"]
    assert page.shown["film_run"]["value"] == "Go on"
    assert page.value["frames"] == len(page.value["images"]) == 3
    with page.zip() as packed:
        assert {row["t"] for row in table_of(packed, "objects.csv")} == {"0", "1", "2"}
    id_, first = page.value["id"], page.value["images"]
    gate.let(100)
    page.start()
    assert page.value["frames"] == FRAMES
    assert page.value["tracks"] is None
    page.run()
    assert len(gate.asked) == 4 + 3
    assert (page.value["id"], page.value["images"][:3]) == (id_, first)
    assert "4 tracks, 1 division, 6 frames" in page.shown["film_progress"]


def test_a_film_that_is_stopped_at_once_says_that_there_is_nothing(page: FilmPage, film, gate):
    page.send(film)
    page.start()
    page.job.stop()
    page.run()
    assert "Stopped: 0 of 6 frames" in page.shown["film_progress"]
    assert page.usable() == (True, False, False)
    assert gate.asked == []


def test_whoever_closes_the_page_stops_the_film(page: FilmPage, film: Path, gate: Gate):
    page.send(film)
    page.start()
    told = page.events.on_run(page.job)
    next(told)
    until(lambda: len(gate.asked) == 1)
    told.close()
    gate.let(100)
    until(lambda: page.job.status.state == "stopped")
    assert len(gate.asked) == 1


def test_only_links_are_made_again_where_only_divisions_change(page: FilmPage, film, gate: Gate):
    gate.let(100)
    page.send(film)
    page.start()
    page.run()
    page.start(divisions=0)
    page.run()
    assert len(gate.asked) == FRAMES
    assert "0 divisions" in page.shown["film_progress"]
    old = page.value["id"], file_of(page.value["images"][0])
    page.start(threshold="0.3")
    page.run()
    assert len(gate.asked) == 2 * FRAMES
    assert page.value["id"] != old[0]
    assert not old[1].exists()


# ----------------------------------------------------------------- whose it is


def test_another_film_takes_the_place_of_the_first(page: FilmPage, film: Path, gate: Gate):
    page.send(film)
    first = page.job
    page.send(film)
    assert page.job is not first
    assert not first.folder.exists()
    assert not first.shown.exists()
    page.start()
    running = page.job
    page.send(film)
    assert "A film is at work" in page.told
    assert page.job is running


@pytest.mark.parametrize("what", ["folder", "shown"])
def test_a_film_that_is_gone_leaves_no_button_behind(page: FilmPage, film: Path, what: str):
    page.send(film)
    page.start()
    page.run()
    job = page.job
    shutil.rmtree(getattr(job, what))
    page.edit()
    assert "gone after an hour" in page.shown["film_progress"]
    assert page.usable() == (False, False, False)
    assert page.value is None
    with pytest.raises(Exception, match="gone after an hour"):
        film_tab.write("everything", job)


def test_two_visitors_have_nothing_in_common(page: FilmPage, film: Path, learned: str):
    other = FilmPage(learned)
    for visitor in (page, other):
        visitor.send(film)
        visitor.start()
        visitor.run()
    assert page.value["id"] != other.value["id"]
    assert not {*page.value["images"]} & {*other.value["images"]}
    assert page.job.folder != other.job.folder


def test_an_example_is_drawn_and_left_to_the_shipped_checkpoint(page: FilmPage):
    page.show(page.events.on_example(None))
    assert page.shown["film_model"] == "unet-nuclei"
    assert page.job.film.count == 20
    assert page.shown["film_run"]["value"] == "Follow the cells of 20 frames with Cell nuclei"


def test_a_film_does_not_fill_the_memory(film: Path, learned: str, tmp_path: Path):
    """Objects are read from the disk when they are needed."""
    for name in ("job", "shown"):
        (tmp_path / name).mkdir()
    job = FilmJob([str(film)], tmp_path / "job", tmp_path / "shown")
    job.open()
    job.start(Asked(learned))
    list(job.run(load_model(learned)))
    labels = job.linked.film.tracks.labels
    assert not isinstance(labels, (list, np.ndarray))
    shutil.rmtree(tmp_path / "job")
    with pytest.raises(FileNotFoundError):
        labels[0]


# -------------------------------------------------------------------- in a browser


def test_a_visitor_drops_a_film_and_takes_its_tracks_home(
    served: Callable, learned: str, film: Path, tmp_path: Path
):
    page: Page = served(lambda: FilmTab([learned], learned, ResultFolders()))
    page.locator("#film_upload input[type=file]").set_input_files(film)
    start = page.locator("#film_run")
    expect(start).to_be_enabled()
    expect(start).to_contain_text("Follow the cells of 6 frames")
    start.click()
    expect(page.locator("#film_counts")).to_contain_text("tracks", timeout=60_000)
    expect(page.locator("#film_progress [role=status]")).to_have_text("Finished: 6 of 6 frames.")
    player, asked = page.locator(".film"), []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    player.locator("tr.row").first.click()
    expect(player).not_to_have_attribute("data-track", "0")
    player.locator(".stage").press("ArrowRight")
    player.get_by_role("button", name="Cut here").click()
    expect(player.locator(".told")).to_have_text("1 correction")
    with page.expect_download() as download:
        page.get_by_role("button", name="Everything (zip)").click()
    download.value.save_as(tmp_path / "home.zip")
    with zipfile.ZipFile(tmp_path / "home.zip") as packed:
        names = set(packed.namelist())
        assert {"tracks/res_track.txt", "tracks/mask005.tif", "objects.csv", "tracks.csv"} <= names
        assert {row["t"] for row in table_of(packed, "objects.csv")} == set("012345")
    assert asked == []  # nobody leaves the page by taking files home
    other: Page = page.another()
    expect(other.locator("#film_run")).to_be_disabled()
    expect(other.locator("#film_counts")).to_have_count(0)
