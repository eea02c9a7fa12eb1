"""A visit from the first look to the last file, on the page as it is served.

Whatever a script complains of, and any request to another host, fails it.
"""

import csv
import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from playwright.sync_api import Page, expect

from demo.segment.examples import SAMPLE, examples
from demo.viewer.object_layer import object_hues
from unet_hf import UNet
from unet_hf.hub.find import SHIPPED

from ...support.browsing import type_over
from ...support.viewing import canvas_of, slide, viewer_of

pytestmark = pytest.mark.deep("each tab has its walk alone; test_browser.py opens the page")

NUCLEI = SHIPPED / "unet-nuclei" / SAMPLE


def open_example(page: Page, title: str) -> None:
    page.get_by_role("button", name=title).click()
    (example,) = (one for one in examples() if one.title == title)
    # The result that was there before has its buttons, too.
    label = re.compile(f"^{re.escape(Path(example.path).name)} with its classes painted over")
    expect(page.locator("#viewer canvas")).to_have_attribute("aria-label", label, timeout=60_000)
    expect(page.get_by_role("button", name="Mask (PNG)")).to_be_enabled(timeout=60_000)
    expect(page.locator("#facts")).to_contain_text(" s on CPU")


def test_two_thresholds_are_compared_and_another_picture_brings_all_of_its_own(page: Page):
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator("#compare_image")).to_contain_text("On the image in view: tissue.png")
    expect(page.locator("#compare_threshold_b").locator("input, textarea")).to_have_value("0.50")
    for picture in ("a", "b", "map"):
        expect(page.locator(f"#compare_{picture}")).to_be_hidden()  # no black boxes
    page.locator("#compare_run").click()
    expect(page.locator("#compare_told")).to_contain_text("They differ in", timeout=60_000)
    expect(page.locator("#compare_map canvas.drawn")).to_be_visible(timeout=30_000)

    # The panel tells of the checkpoint that is chosen, and the old objects go.
    page.get_by_role("tab", name="Segment").click()
    about, count = page.locator("#about"), page.locator("#objects .count")
    expect(about).to_contain_text("mean IoU 0.9326 on 38 images")
    # bfloat16 and float32 may part one nucleus differently.
    expect(count).to_have_text(re.compile("^20[123] objects$"), timeout=30_000)
    open_example(page, "Membranes (synthetic)")
    expect(about).to_contain_text("V_rand 0.9868")
    expect(about).to_contain_text("isbi-2012-em-non-commercial")
    expect(count).to_have_text(re.compile(r"^\d\d objects"))
    expect(page.locator("#objects .words")).to_contain_text("connected regions")  # as EM is counted


def test_objects_are_counted_found_in_the_picture_and_taken_home(page: Page, tmp_path: Path):
    open_example(page, "Nuclei (synthetic)")
    # Counted as the checkpoint says, without being asked.
    found = UNet.from_pretrained("unet-nuclei").segment(NUCLEI).objects()
    rows, count = page.locator("#objects tr.row"), page.locator("#objects .count")
    expect(count).to_have_text(f"{len(found)} objects", timeout=30_000)
    page.set_viewport_size({"width": 1440, "height": 900})
    for shown in (count, rows.nth(4).locator("td").first, page.locator("#viewer .stage")):
        expect(shown).to_be_in_viewport(ratio=0.9)  # at the same time, above the fold

    # A row flies to its object, and the picture's middle is then in its box. A picture out of
    # sight is scrolled to.
    page.mouse.wheel(0, 400)
    expect(page.locator("#viewer .stage")).not_to_be_in_viewport(ratio=0.9)
    rows.nth(4).click()
    expect(page.locator("#viewer .stage")).to_be_in_viewport(ratio=0.9)
    left, right = found.table["left_px"][4], found.table["right_px"][4]
    page.wait_for_function(
        "([low, high]) => { const x = JSON.parse(document.querySelector('#viewer .viewer')"
        ".dataset.camera).x; return low <= x && x <= high; }",
        arg=[float(left), float(right)],
    )
    # A click into the picture marks the row of the object that is there now.
    canvas = page.locator("#viewer canvas")
    rows.nth(0).click()
    expect(rows.nth(0)).to_have_attribute("aria-selected", "true")
    page.locator("#viewer").get_by_role("button", name="Fit").click()
    page.wait_for_function(
        "JSON.parse(document.querySelector('#viewer .viewer').dataset.camera).fitted"
    )
    y, x = np.argwhere(found.labels == 6)[found.table["area_px"][5] // 2]
    eye = json.loads(page.locator("#viewer .viewer").get_attribute("data-camera"))
    box = canvas.bounding_box()
    canvas.click(
        position={
            "x": box["width"] / 2 + (float(x) + 0.5 - eye["x"]) * eye["zoom"],
            "y": box["height"] / 2 + (float(y) + 0.5 - eye["y"]) * eye["zoom"],
        }
    )
    expect(page.locator("#objects tr.row[data-id='6']")).to_have_attribute("aria-selected", "true")

    # Each object has its colour, and the chosen one its line, until another one is chosen.
    page.locator("#viewer [data-view=objects]").click()
    expect(page.locator("#viewer [data-view=objects]")).to_have_attribute("aria-pressed", "true")
    drawn = canvas_of(viewer_of(page)).reshape(-1, 3)
    assert (drawn == 255).all(axis=1).sum() > 20
    with page.expect_download() as download:
        page.get_by_role("button", name="Overlay (PNG)").click()
    with PIL.Image.open(download.value.path()) as overlay:
        hues = object_hues(found.labels)
        places = [np.argwhere(found.labels == number)[0] for number in (1, 2)]
        colors = [np.asarray(overlay)[tuple(place)].astype(int) for place in places]
    assert hues[0] != hues[1]
    assert abs(colors[0] - colors[1]).max() > 40

    # At another threshold they are of the picture before, unless they are looked at.
    page.locator("#viewer [data-view=classes]").click()
    slide(viewer_of(page), "input.threshold", 0.2)
    expect(page.locator("#objects .stale")).to_have_text("Counted at 0.40; the picture is at 0.20.")
    again = UNet.from_pretrained("unet-nuclei").segment(NUCLEI, threshold=0.2).objects()
    with page.expect_download() as download:
        page.get_by_role("button", name="Everything (zip)").first.click()
    with zipfile.ZipFile(download.value.path()) as archive:  # is of the picture all the same
        assert json.loads(archive.read("summary.json"))["threshold"] == 0.2
        assert archive.read("objects.csv").decode().count("\n") == len(again) + 1
    page.get_by_role("button", name="Count again").click()
    expect(count).to_have_text(f"{len(again)} objects")
    expect(page.locator("#objects .stale")).to_be_hidden()
    expect(page.locator("#objects .words")).to_contain_text(
        "threshold 0.20, parted as the network learned"
    )
    slide(viewer_of(page), "input.threshold", 0.4)
    page.get_by_role("button", name="Count again").click()
    expect(count).to_have_text(f"{len(found)} objects")

    # One field for the scale bar and for the table, for people.
    page.get_by_role("button", name="Give the pixel size").click()
    page.keyboard.type("0,5 um")
    expect(page.locator("#viewer .scale")).to_contain_text("µm")
    expect(page.locator("#objects thead")).to_contain_text("area (µm²)")
    page.locator("#objects_options button").first.click()
    smallest = page.locator("#min_size")
    expect(smallest).to_have_value("15")  # the fields have been filled
    type_over(smallest, "-5")
    expect(page.locator("#min_size_told")).to_contain_text("The smallest size is '-5'.")
    type_over(smallest, "600")
    expect(page.locator("#objects .words")).to_contain_text("600 px or more")
    expect(page.locator("#min_size_told")).to_be_hidden()

    with page.expect_download() as download:
        page.get_by_role("button", name="Objects (CSV)").click()
    table = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert len(table) == (found.table["area_px"] >= 600).sum()
    with page.expect_download() as download:
        page.get_by_role("button", name="Everything (zip)").first.click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert "reproduce.txt" in archive.namelist()
        assert "unet-nuclei" in archive.read("reproduce.txt").decode()


def test_a_file_of_unknown_axes_is_asked_about_and_a_result_held_against_the_truth(
    page: Page, tmp_path: Path
):
    np.save(tmp_path / "stack.npy", np.tile(np.arange(120, dtype=np.uint8), (6, 90, 1)))
    page.locator("#upload input[type=file]").set_input_files(tmp_path / "stack.npy")
    expect(page.locator("#alert")).to_contain_text("no clear axes")
    axes = page.get_by_label("Axes")
    axes.fill("ZYX")
    axes.press("Enter")
    expect(page.locator("#facts")).to_contain_text("120 × 90 px", timeout=30_000)
    expect(page.locator("#alert")).to_be_hidden()
    expect(page.get_by_role("button", name="Mask (PNG)")).to_be_enabled(timeout=60_000)
    page.get_by_label("Page", exact=True).fill("3")
    expect(page.locator("#viewer .name")).to_have_text("stack.npy · page 3 of 0 to 5")
    expect(page.get_by_role("button", name="Mask (PNG)")).to_be_enabled(timeout=60_000)
    open_example(page, "Nuclei (synthetic)")
    expect(axes).to_be_hidden()

    mask = UNet.from_pretrained("unet-nuclei").segment(NUCLEI).mask
    PIL.Image.fromarray(mask * np.uint8(255)).save(tmp_path / "truth.png")
    page.get_by_role("button", name="Ground truth").click()
    page.locator("#truth input[type=file]").set_input_files(tmp_path / "truth.png")
    expect(page.locator("#truth_scores")).to_contain_text("1.0000", timeout=30_000)
    expect(page.locator("#truth_errors")).to_contain_text("There are none.")
    expect(page.locator("#truth_viewer canvas.drawn")).to_be_visible()
    # With another picture, the mask goes, and says so.
    open_example(page, "Tissue")
    expect(page.locator("#truth_intro")).to_contain_text("truth.png is of the image before.")
    expect(page.locator("#truth_scores table")).to_have_count(0)
    expect(page.locator("#truth_viewer canvas.drawn")).to_have_count(0)


def test_many_images_of_which_one_is_broken(page: Page, tmp_path: Path):
    for number in range(2):
        PIL.Image.open(NUCLEI).crop((0, 0, 128 + number, 96)).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    page.get_by_role("tab", name="Many images").click()
    page.locator("#batch_upload input[type=file]").set_input_files(sorted(tmp_path.iterdir()))
    start = page.locator("#batch_run")
    expect(start).to_be_enabled(timeout=30_000)
    start.click()
    save = page.locator("#batch_zip")
    expect(page.locator("#batch_progress")).to_contain_text("broken.png", timeout=60_000)
    expect(save).to_be_enabled(timeout=60_000)
    with page.expect_download() as download:
        save.click()
    with zipfile.ZipFile(download.value.path()) as archive:
        names = {Path(name).name for name in archive.namelist()}
    assert {"0_mask.png", "1_mask.png", "summary.csv", "failed.csv"} <= names
