"""Strokes that were taken home are opened again, from a zip that may be anybody's."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from playwright.sync_api import Page, expect

from demo.interface import build
from demo.server.predictions import FIRST, Place
from demo.teach import strokes_file
from demo.teach.open_row import note_places
from demo.teach.sitting import Sitting
from demo.teach.strokes_file import open_strokes
from demo.teach.strokes_in import read_painted
from demo.teach.take_home import pack_strokes
from demo.viewer.component import painted, picture_key
from unet_hf import read_image
from unet_hf.errors import ConfigError

from .test_teach_page import CELL, CLASSES, GROUND, drag

KEY = "96 96 1"
GOOD = {"classes": CLASSES, "names": {KEY: "a.png"}, "strokes": {KEY: GROUND + CELL}}


def written(path: Path, value: object) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def zipped(path: Path, entries: dict[str, bytes | str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def test_what_was_taken_home_comes_back_with_its_images(picture, tmp_path):
    stack = tmp_path / "stack.tif"
    pages = np.random.default_rng(0).integers(0, 4000, (3, 40, 50), np.uint16)
    gray = {"photometric": "minisblack"}
    tifffile.imwrite(stack, pages, metadata={"axes": "ZYX"}, **gray)
    many = tmp_path / "many.tif"
    channels = np.random.default_rng(1).integers(0, 4000, (5, 40, 50), np.uint16)
    tifffile.imwrite(many, channels, metadata={"axes": "QYX"}, **gray)
    places = [(picture, FIRST), (stack, Place(page=2)), (many, Place(axes="CYX"))]
    places.append((many, Place(axes="CYX", channel=3)))
    sitting, pictures = Sitting(), {}
    for path, place in places:
        image = read_image(path, page=place.page, axes=place.axes, channel=place.channel)
        sitting.note_place(picture_key(image), str(path), place)
        known = {"width": image.width, "height": image.height, "strokes": GROUND + CELL}
        pictures[picture_key(image)] = known | {"name": path.name}
    renamed = [CLASSES[0], CLASSES[1] | {"formerly": ["nucleus", "blob"]}]
    given = {"classes": renamed, "pictures": pictures}
    home = pack_strokes(read_painted(given, sitting), tmp_path)
    opened = open_strokes(home, tmp_path / "opened")
    assert opened.painted == given
    names = [path.name for path in opened.images]
    assert names == ["many.tif", "many_2.tif", "nuclei.png", "stack.tif"]
    again = Sitting()
    assert note_places(opened, again) == 0
    assert set(again.places) == set(pictures)
    assert read_painted(opened.painted, again).absent == []


def test_the_bare_file_of_strokes_is_enough_and_says_how_many_images_are_missing(tmp_path):
    opened = open_strokes(written(tmp_path / "strokes.json", GOOD), tmp_path / "opened")
    assert opened.painted["pictures"][KEY]["strokes"] == GROUND + CELL
    assert note_places(opened, Sitting()) == 1


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("no JSON", "no strokes that can be read"),
        ("[" * 100_000, "no strokes that can be read"),
        ([], "no strokes that can be read"),
        ({"classes": CLASSES}, "no strokes that can be read"),
        (GOOD | {"names": 3}, "no strokes that can be read"),
        (GOOD | {"classes": []}, "no usable list of classes"),
        (GOOD | {"classes": CLASSES * 11}, "no usable list of classes"),
        (GOOD | {"classes": [{"name": "a", "color": "red;"}]}, "no usable list of classes"),
        (GOOD | {"classes": [CLASSES[0], CLASSES[0]]}, "two classes of one name"),
        (GOOD | {"classes": [CLASSES[0] | {"formerly": [7]}]}, "no usable list of classes"),
        (GOOD | {"classes": [CLASSES[0] | {"formerly": 101 * ["x"]}]}, "no usable list"),
        (GOOD | {"strokes": {}}, "on 0 images"),
        (GOOD | {"strokes": {f"9 9 {n}": [] for n in range(31)}}, "on 31 images"),
        (GOOD | {"strokes": {"<b>": []}}, "is no image"),
        (GOOD | {"strokes": {KEY: 3}}, "Strokes are a list"),
        (GOOD | {"strokes": {KEY: [{"class": 7, "radius": 9, "points": [0, 0]}]}}, "of class 7"),
        (GOOD | {"strokes": {KEY: [{"class": 0, "radius": 9, "points": [1e400]}]}}, "be read"),
    ],
)
def test_what_is_no_file_of_strokes_is_refused_in_words(tmp_path, value, says):
    path = written(tmp_path / "x.json", value)
    with pytest.raises(ConfigError, match=says):
        open_strokes(path, tmp_path / "opened")


def test_a_zip_of_somebody_who_means_harm_writes_nothing_outside(tmp_path, monkeypatch):
    good, image = json.dumps(GOOD), b"an image, as far as its name goes"
    harm = {
        "strokes/strokes.json": good,
        "../images/out.png": image,
        "/images/root.png": image,
        "strokes/images/in.png": image,
        "strokes/masks/in.png": image,
    }
    (tmp_path / "inner").mkdir()
    path = zipped(tmp_path / "inner" / "harm.zip", harm)
    opened = open_strokes(path, tmp_path / "inner" / "opened")
    assert [one.name for one in opened.images] == ["in.png"]
    there = {one.name for one in tmp_path.rglob("*") if one.is_file()}
    assert there == {"harm.zip", "in.png"}
    for entries, says in (
        ({"a.png": image}, "has no file strokes.json"),
        ({"a/strokes.json": good, "b/strokes.json": good}, "has 2 files strokes.json"),
        (
            {"strokes.json": good} | {f"images/{n}.png": image for n in range(31)},
            "has 31 images",
        ),
    ):
        with pytest.raises(ConfigError, match=says):
            open_strokes(zipped(tmp_path / "b.zip", entries), tmp_path / says.replace(" ", "_"))
    (tmp_path / "cut.zip").write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ConfigError, match="damaged zip"):
        open_strokes(tmp_path / "cut.zip", tmp_path / "cut")
    monkeypatch.setattr(strokes_file, "MOST_BYTES", 2**10)
    bomb = zipped(tmp_path / "bomb.zip", {"strokes.json": " " * 2**20 + good})
    with pytest.raises(ConfigError, match="are more than"):
        open_strokes(bomb, tmp_path / "bomb")


# -------------------------------------------------------------------------------- in a browser


def strokes_of(page: Page) -> dict:
    """Strokes by picture, the classes they are of."""
    told = page.evaluate(painted())
    names = [one["name"] for one in told["classes"]]
    return {"classes": names} | {k: one["strokes"] for k, one in told["pictures"].items()}


def teaching(page: Page) -> None:
    expect(page.locator("#viewer .whose")).to_contain_text("threshold", timeout=60_000)
    page.locator("#teach").get_by_text("Teach", exact=True).first.click()


def choose(page: Page, path: Path) -> None:
    """As people do; the same file may be chosen once more."""
    with page.expect_file_chooser() as chooser:
        page.locator("#teach_open_button").click()
    chooser.value.set_files(path)


@pytest.mark.deep("what was taken home comes back with its images: above")
@pytest.mark.usefixtures("forked_teaching")
def test_a_visitor_brings_strokes_back_where_nothing_was_kept(served, tiny, picture, tmp_path):
    page = served(build(tiny))
    teaching(page)
    page.locator("#upload input[type=file]").set_input_files(str(picture))
    expect(page.locator("#viewer .whose")).to_contain_text("nuclei.png", timeout=30_000)
    expect(page.locator("#viewer .whose")).to_contain_text("threshold", timeout=60_000)
    page.locator("#teach_paint").click()
    for key, top in (("1", 0.2), ("2", 0.6), ("e", 0.62)):
        page.keyboard.press(key)
        drag(page, 0.5, top)
    expect(page.locator("#teach_progress")).to_contain_text("2 strokes", timeout=60_000)
    before = strokes_of(page)
    with page.expect_download(timeout=60_000) as download:
        page.locator("#teach_downloads").get_by_text("Strokes").click()
    home = tmp_path / "strokes.zip"
    download.value.save_as(home)

    other = page.another()
    teaching(other)
    notice, by = other.locator("#viewer .palette .notice"), other.locator("#viewer .whose")
    choose(other, home)
    expect(by).to_contain_text("nuclei.png", timeout=60_000)
    expect(notice).to_have_text("3 strokes opened.", timeout=30_000)
    assert strokes_of(other) == before
    expect(other.locator("#viewer .viewer")).to_have_attribute("data-strokes", "3")
    expect(other.locator("#teach_progress")).to_contain_text("2 strokes", timeout=60_000)
    expect(other.locator("#files")).to_contain_text("nuclei.png")
    row = other.locator("#teach_progress tr", has_text="nuclei.png")
    expect(row).to_have_attribute("aria-current", "true")
    other.locator("#gallery button, #examples button").nth(1).click()
    expect(by).not_to_contain_text("nuclei.png", timeout=60_000)
    expect(row).not_to_have_attribute("aria-current", "true")
    # Whatever classes the result in view has, those of the file are painted.
    choose(other, home)
    expect(notice).to_have_text("3 strokes were here already.", timeout=60_000)
    expect(row).to_have_attribute("aria-current", "true", timeout=60_000)

    # What is painted here stays.
    other.locator("#viewer canvas").press("1")
    drag(other, 0.2, 0.4)
    expect(other.locator("#viewer .viewer")).to_have_attribute("data-strokes", "4")
    other.locator("#viewer canvas").press("Control+z")
    other.locator("#viewer canvas").press("Control+z")
    choose(other, home)
    expect(notice).to_contain_text("strokes of the file came after it", timeout=60_000)
    (key,) = set(before) - {"classes"}
    assert strokes_of(other)[key] == before[key][:2] + before[key]

    (tmp_path / "bad.json").write_text("{")
    choose(other, tmp_path / "bad.json")
    expect(other.locator("#teach_opened")).to_contain_text("no strokes that can be read")
    assert strokes_of(other)[key] == before[key][:2] + before[key]
    other.reload()
    expect(other.locator("#viewer .whose")).to_contain_text("threshold", timeout=60_000)
    other.locator(".notice:visible button").click()  # the upload has to be sent again
    other.wait_for_function(f"Object.keys(({painted()}).pictures).length === 1")
    assert strokes_of(other)[key] == before[key][:2] + before[key]
