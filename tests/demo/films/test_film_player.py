"""The film player as a visitor meets it, on a page of its own, in a real browser."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Dialog, Locator, Page, Route, expect

from demo.films.pictures import runs
from demo.films.player import FilmValue, film_player
from demo.parts.gradio_internals import served_address, upload_folder

FRAMES, HEIGHT, WIDTH = 6, 48, 64
# Track 1 moves to the right, track 2 stays, track 3 divides after frame 2 into 4 and 5. By track:
# frame -> id in that frame, and the centre (x, y).
CELLS = {
    1: {frame: (1, 10 + 3 * frame, 10) for frame in range(FRAMES)},
    2: dict.fromkeys(range(FRAMES), (2, 50, 12)),
    3: dict.fromkeys(range(3), (3, 30, 34)),
    4: dict.fromkeys(range(3, FRAMES), (3, 24, 34)),
    5: dict.fromkeys(range(3, FRAMES), (4, 38, 34)),
}
COLORS = ("#40c080", "#c08040", "#6080e0", "#c060c0", "#a0b040", "#50b0c0")  # of tracks 1 to 6
PARENTS = {1: 0, 2: 0, 3: 0, 4: 3, 5: 3}
REFUSED = "This would be a third daughter. Cut a link first."


def write_film(folder: Path, frames: int = FRAMES) -> FilmValue:
    """A film whose cells are discs of four pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    images, labels = [], []
    for frame in range(frames):
        numbers = np.zeros((HEIGHT, WIDTH), np.uint32)
        for places in CELLS.values():
            if frame in places:
                number, x, y = places[frame]
                numbers[np.hypot(rows - y, columns - x) <= 4] = number
        gray = np.where(numbers > 0, 150, 60 + frame).astype(np.uint8)
        image, objects = folder / f"image{frame}.png", folder / f"labels{frame}.runs"
        PIL.Image.fromarray(gray).save(image)
        objects.write_bytes(runs(numbers))
        images.append(served_address(image))
        labels.append(served_address(objects))
    return FilmValue(
        id=folder.name, name="cells.tif", width=WIDTH, height=HEIGHT, frames=FRAMES,
        pixel_size=(0.5, "µm"), images=images, labels=labels,
        tracks=None, edits=[], refused="",
    )  # fmt: skip


def write_tracks(path: Path, cut: bool = False) -> str:
    """The tracks of this film; cut: track 2 ends after frame 1, and a new one begins."""
    rows = []
    for track, places in CELLS.items():
        for frame, (number, x, y) in places.items():
            own = 6 if cut and track == 2 and frame >= 2 else track
            rows.append((frame, number, own, float(x), float(y), 12.25 + frame, 150.0))
    rows.sort()
    names = ("frame", "id", "track", "x", "y", "area", "intensity")
    tracks = sorted({row[2] for row in rows})
    lives = {track: [row[0] for row in rows if row[2] == track] for track in tracks}
    file = {
        "objects": dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)),
        "area_unit": "µm²",
        "tracks": {
            "id": tracks,
            "parent": [PARENTS.get(track, 0) for track in tracks],
            "first": [min(lives[track]) for track in tracks],
            "last": [max(lives[track]) for track in tracks],
            "color": [COLORS[track - 1] for track in tracks],
        },
    }
    path.write_text(json.dumps(file), encoding="utf-8")
    return served_address(path)


@pytest.fixture
def build(tmp_path: Path) -> Callable[[], None]:
    """A page with a player, what it told Python, and a film in two steps."""

    def answer(event: gr.EventData) -> tuple[Any, Any]:
        edits = event.edits
        value = write_film(upload_folder() / "film")
        if edits and edits[-1]["kind"] == "join":
            edits, refused = edits[:-1], REFUSED
        else:
            refused = ""
        cut = {"kind": "cut", "object": [2, 2]} in edits
        address = write_tracks(upload_folder() / f"tracks{len(edits)}{cut}.json", cut=cut)
        return value | {"tracks": address, "edits": edits, "refused": refused}, event.edits

    def fill() -> None:
        player, told = film_player(), gr.JSON(elem_id="told")
        few, all_there = gr.Button("few"), gr.Button("all")
        few.click(lambda: write_film(upload_folder() / "film", frames=3), None, player)
        all_there.click(
            lambda: (
                write_film(upload_folder() / "film")
                | {"tracks": write_tracks(upload_folder() / "tracks.json")}
            ),
            None,
            player,
        )
        player.input(answer, None, [player, told], api_visibility="private")

    return fill


@pytest.fixture
def film(served: Callable, build: Callable) -> Locator:
    """The player with the whole film in it."""
    page = served(build)
    page.get_by_role("button", name="all", exact=True).click()
    film = page.locator("#film_player .film")
    expect(film.locator("tr.row")).to_have_count(5)
    expect(film).to_have_attribute("data-drawn", "0")
    return film


def at(film: Locator, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the film is on the canvas, in CSS pixels."""
    box, eye = film.locator("canvas").bounding_box(), json.loads(film.get_attribute("data-camera"))
    return (
        box["width"] / 2 + (x + 0.5 - eye["x"]) * eye["zoom"],
        box["height"] / 2 + (y + 0.5 - eye["y"]) * eye["zoom"],
    )


def click(film: Locator, x: float, y: float) -> None:
    left, top = at(film, x, y)
    film.locator("canvas").click(position={"x": left, "y": top})


def color(film: Locator, x: float, y: float) -> list[int]:
    """That is drawn at a pixel of the film."""
    script = """(canvas, [left, top]) => {
      const ratio = canvas.width / canvas.getBoundingClientRect().width;
      return [...canvas.getContext("2d").getImageData(left * ratio, top * ratio, 1, 1).data];
    }"""
    return film.locator("canvas").evaluate(script, list(at(film, x, y)))


def press(film: Locator, key: str, drawn: int) -> None:
    """Presses a key in the film, and waits for the frame that it leads to."""
    film.locator(".stage").press(key)
    expect(film).to_have_attribute("data-drawn", str(drawn))


def told(page: Page) -> list:
    """The edits that Python was told of last."""
    return json.loads(page.locator("#told").evaluate("(root) => root.innerText") or "null")


def test_keys_and_the_slider_go_through_the_frames_and_each_is_drawn(film: Locator):
    assert color(film, 3, 40) == [60, 60, 60, 255]
    for key, frame in (
        ("ArrowRight", 1), ("End", 5), ("ArrowRight", 5), ("Home", 0), ("Shift+ArrowRight", 5),
        ("ArrowLeft", 4), ("Shift+ArrowLeft", 0),
    ):  # fmt: skip
        press(film, key, frame)
        assert color(film, 3, 40) == [60 + frame] * 3 + [255], key
    slider = film.get_by_role("slider", name="Frame", exact=True)
    slider.fill("3")
    expect(film).to_have_attribute("data-drawn", "2")
    expect(slider).to_have_attribute("aria-valuetext", "Frame 3 of 6")
    expect(film.get_by_role("img", name="Frame 3 of 6: 3 objects")).to_be_visible()
    slider.press("ArrowRight")
    expect(film).to_have_attribute("data-drawn", "3")


def test_space_plays_and_the_film_begins_again(film: Locator):
    film.locator(".speed select").select_option("20")
    film.locator(".stage").press(" ")
    expect(film.get_by_role("button", name="Pause")).to_be_visible()
    for frame in (3, 5, 1):
        expect(film).to_have_attribute("data-drawn", str(frame))
    film.locator(".stage").press(" ")
    expect(film.get_by_role("button", name="Play", exact=True)).to_be_visible()


@pytest.mark.deep("film.test.js has frames that come late")
def test_a_frame_that_comes_late_covers_no_newer_one(served: Callable, build: Callable):
    page, held = served(build), []
    page.route("**/image1.png", lambda route: held.append(route))
    page.get_by_role("button", name="all", exact=True).click()
    film = page.locator("#film_player .film")
    expect(film).to_have_attribute("data-drawn", "0")
    film.locator(".stage").press("ArrowRight")
    expect(film).to_have_attribute("data-frame", "1")
    press(film, "ArrowRight", 2)
    held[0].continue_()
    expect(page.locator("tr.row")).to_have_count(5)
    page.wait_for_timeout(300)
    assert film.get_attribute("data-drawn") == "2"
    assert color(film, 3, 40) == [62, 62, 62, 255]
    press(film, "ArrowLeft", 1)
    assert color(film, 3, 40) == [61, 61, 61, 255]


def test_only_frames_that_are_there_can_be_reached(served: Callable, build: Callable):
    page = served(build)
    page.get_by_role("button", name="few").click()
    film = page.locator("#film_player .film")
    expect(film.locator(".where")).to_have_text("1 of 6; 3 are there so far")
    expect(film).to_have_attribute("data-drawn", "0")
    press(film, "End", 2)
    before = color(film, 50, 12)
    assert len(set(before[:3])) > 1  # in the one colour of objects that have no track yet
    assert color(film, 30, 34) == before
    page.get_by_role("button", name="all", exact=True).click()
    expect(film.locator("tr.row")).to_have_count(5)
    expect(film).to_have_attribute("data-drawn", "2")  # nobody is taken elsewhere
    expect(film.locator(".where")).to_have_text("3 of 6")
    press(film, "End", 5)


def test_a_cell_has_its_colour_in_every_frame_and_others_have_others(film: Locator):
    first = [color(film, *CELLS[track][0][1:]) for track in (1, 2, 3)]
    assert len({tuple(one) for one in first}) == 3
    press(film, "ArrowRight", 1)
    assert [color(film, *CELLS[track][1][1:]) for track in (1, 2, 3)] == first
    press(film, "End", 5)
    last = [color(film, *CELLS[track][5][1:]) for track in (1, 2, 4, 5)]
    assert last[:2] == first[:2]
    assert len({tuple(one) for one in [*first, *last]}) == 5
    film.get_by_role("button", name="Objects").click()
    expect(film.get_by_role("button", name="Objects")).to_have_attribute("aria-pressed", "false")
    film.page.wait_for_timeout(100)
    assert color(film, 50, 12) == [150, 150, 150, 255]


def test_a_click_chooses_a_track_and_its_relatives_are_a_click_away(film: Locator):
    click(film, 30, 34)
    expect(film).to_have_attribute("data-track", "3")
    side = film.locator(".side")
    expect(side.locator("h3")).to_contain_text("Track 3")
    expect(side.locator(".life")).to_have_text("1 to 3")
    expect(film.locator("tr.row[aria-selected=true]")).to_have_attribute("data-id", "3")
    side.locator(".daughters").get_by_role("button", name="Track 5").click()
    expect(film).to_have_attribute("data-track", "5")
    expect(film).to_have_attribute("data-drawn", "3")
    side.locator(".parent").get_by_role("button", name="Track 3").click()
    expect(film).to_have_attribute("data-drawn", "2")
    tree = side.locator("svg.tree")
    expect(tree.locator(".branch")).to_have_count(3)
    expect(tree.locator(".branch.chosen text")).to_have_text("3")
    box = tree.bounding_box()
    tree.click(position={"x": box["width"] * 0.85, "y": 15})  # the end of the first branch
    expect(film).to_have_attribute("data-track", "4")
    expect(film).to_have_attribute("data-drawn", "5")
    curve = side.locator("svg.curve").first
    expect(curve.locator("text").first).to_have_text("area (µm²)")
    box = curve.bounding_box()
    curve.click(position={"x": box["width"] * 0.2, "y": 50})
    expect(film).to_have_attribute("data-drawn", "3")
    film.locator(".stage").press("Escape")
    expect(film).to_have_attribute("data-track", "")
    expect(side.locator(".none")).to_be_visible()


@pytest.mark.deep("film.test.js sorts tracks; a click flies, above")
def test_the_table_is_sorted_by_keys_and_clicks_and_flies_to_a_track(film: Locator):
    film.get_by_role("button", name="first frame").click()
    film.get_by_role("button", name="first frame").click()
    expect(film.locator("tr.row td:first-child")).to_have_text(["4", "5", "1", "2", "3"])
    film.get_by_role("grid").press("ArrowDown")
    expect(film).to_have_attribute("data-track", "4")
    expect(film).to_have_attribute("data-drawn", "3")
    film.locator("tr.row[data-id='2']").click()
    expect(film).to_have_attribute("data-drawn", "0")
    film.page.wait_for_function(
        "(root) => !JSON.parse(root.dataset.camera).fitted", arg=film.element_handle()
    )
    film.page.wait_for_timeout(500)  # the flight
    assert json.loads(film.get_attribute("data-camera"))["x"] > WIDTH / 2 + 1
    click(film, 50, 12)
    expect(film).to_have_attribute("data-track", "2")
    film.locator(".stage").press("0")
    film.page.wait_for_function(
        "(root) => JSON.parse(root.dataset.camera).fitted", arg=film.element_handle()
    )


def test_a_cut_is_told_answered_and_undone_and_nobody_is_taken_elsewhere(film: Locator):
    click(film, 50, 12)
    cut = film.get_by_role("button", name="Cut here")
    expect(cut).to_be_disabled()  # the track begins here
    assert "begins in this frame" in cut.get_attribute("title")
    press(film, "ArrowRight", 1)
    press(film, "ArrowRight", 2)
    whole = film.get_attribute("data-camera")
    film.locator(".stage").press("+")
    expect(film).not_to_have_attribute("data-camera", whole)  # the zoom is drawn
    eye, kept = film.get_attribute("data-camera"), color(film, 10 + 6, 10)
    cut.click()
    expect(film.locator("tr.row")).to_have_count(6)
    assert told(film.page) == [{"kind": "cut", "object": [2, 2]}]
    expect(film).to_have_attribute("data-track", "6")  # what is in view stays chosen
    expect(film).to_have_attribute("data-edits", "1")
    expect(film.locator(".told")).to_have_text("1 correction")
    expect(film).to_have_attribute("data-drawn", "2")
    assert json.loads(film.get_attribute("data-camera"))["x"] == json.loads(eye)["x"]
    assert color(film, 10 + 6, 10) == kept
    film.locator(".stage").press("Control+z")
    expect(film.locator("tr.row")).to_have_count(5)
    assert told(film.page) == []
    expect(film).to_have_attribute("data-track", "2")
    film.locator(".stage").press("Control+Shift+Z")
    expect(film.locator("tr.row")).to_have_count(6)
    film.get_by_role("button", name="Undo").click()
    expect(film).to_have_attribute("data-edits", "0")
    expect(film.get_by_role("button", name="Undo")).to_be_disabled()


def test_the_browser_asks_before_corrections_are_lost(film: Locator):
    page, asked = film.page, []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    click(film, 50, 12)
    press(film, "ArrowRight", 1)
    press(film, "ArrowRight", 2)
    film.get_by_role("button", name="Cut here").click()
    expect(film.locator("tr.row")).to_have_count(6)
    with page.expect_event("dialog"):
        page.evaluate("setTimeout(() => location.reload())")
    assert asked == ["beforeunload"]
    film.get_by_role("button", name="Undo").click()
    expect(film.locator("tr.row")).to_have_count(5)  # the page goes on
    page.reload()
    expect(film.locator("tr.row")).to_have_count(0)
    assert asked == ["beforeunload"]  # there was nothing to lose


def test_tracks_that_did_not_load_are_asked_for_again(film: Locator):
    lost = []

    def lose_once(route: Route) -> None:
        lost.append(route.request.url)
        route.abort() if len(lost) == 1 else route.continue_()

    film.page.route("**/tracks1*.json", lose_once)
    click(film, 50, 12)
    press(film, "ArrowRight", 1)
    press(film, "ArrowRight", 2)
    film.get_by_role("button", name="Cut here").click()
    expect(film.locator(".refused")).to_have_text(
        "The tracks did not load. They are asked for again."
    )
    expect(film.locator("tr.row")).to_have_count(6)
    expect(film.locator(".refused")).to_have_text("")
    expect(film).to_have_attribute("data-edits", "1")
    assert len(lost) == 2


@pytest.mark.deep("film.test.js joins and is refused; a cut is told, above")
def test_a_join_takes_two_frames_and_a_refusal_says_why(film: Locator):
    press(film, "End", 5)
    click(film, 50, 12)
    film.get_by_role("button", name="Join to").click()
    words = film.locator(".joining p")
    expect(words).to_contain_text("Go to another frame")
    click(film, 25, 10)
    expect(words).to_contain_text("of one frame cannot be joined")
    press(film, "Home", 0)
    click(film, 30, 34)
    expect(words).to_be_hidden()
    expect(film.get_by_role("alert")).to_have_text(REFUSED)
    assert told(film.page) == [{"kind": "join", "from": [0, 3], "to": [5, 2]}]
    expect(film).to_have_attribute("data-edits", "0")
    expect(film).to_have_attribute("data-track", "2")
    film.get_by_role("button", name="Join to").click()
    film.locator(".stage").press("Escape")
    expect(words).to_be_hidden()
    expect(film).to_have_attribute("data-track", "2")  # the first Escape leaves the mode only


def test_a_phone_has_everything_below_each_other_and_nothing_beside_the_page(film: Locator):
    click(film, 30, 34)
    film.page.set_viewport_size({"width": 390, "height": 800})
    stage, side = film.locator(".stage").bounding_box(), film.locator(".side").bounding_box()
    assert side["y"] > stage["y"] + stage["height"]
    assert film.page.evaluate("document.documentElement.scrollWidth") <= 390
    film.locator("tr.row[data-id='2']").click()
    expect(film.locator(".stage")).to_be_in_viewport(ratio=0.99)
