"""Objects that a network tells apart, as a visitor meets them on the page."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
from playwright.sync_api import Page, expect

from demo.interface import build
from demo.viewer.object_layer import PALETTE
from unet_hf import UNet
from unet_hf.predict.overlay import color_table

from ...support.serving import CELLS, cones
from ...support.viewing import canvas_of, seen, slide, viewer_of


def click_on(page: Page, y: float, x: float) -> None:
    """On a pixel of the picture."""
    eye = json.loads(viewer_of(page).get_attribute("data-camera"))
    canvas = page.locator("#viewer canvas")
    box = canvas.bounding_box()
    canvas.click(
        position={
            "x": box["width"] / 2 + (x + 0.5 - eye["x"]) * eye["zoom"],
            "y": box["height"] / 2 + (y + 0.5 - eye["y"]) * eye["zoom"],
        }
    )


def drag(page: Page, slider: str, value: float, let_go: bool = True) -> None:
    page.locator(slider).evaluate(
        """(input, [value, letGo]) => {
        input.value = value;
        input.dispatchEvent(new Event("input", { bubbles: true }));
        if (letGo) input.dispatchEvent(new Event("change", { bubbles: true })); }""",
        [value, let_go],
    )


def middle_of(page: Page, radio: str) -> tuple[int, ...]:
    """The colour in the middle of a way of counting: that of a dot if it is the chosen one."""
    shot = page.locator(f"#counting {radio}").screenshot()
    with PIL.Image.open(io.BytesIO(shot)) as image:
        return image.convert("RGB").getpixel((image.width // 2, image.height // 2))


def colors_drawn(page: Page) -> set[tuple[int, int, int]]:
    """Those of the palette; the picture is painted in full."""
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    drawn = {tuple(color) for color in np.unique(canvas_of(viewer_of(page)).reshape(-1, 3), axis=0)}
    return drawn & {tuple(color) for color in color_table(PALETTE)}


def test_touching_cells_are_counted_parted_again_and_taken_home(
    served: Callable, learned: str, tmp_path: Path
):
    pixels = cones(96, CELLS)
    PIL.Image.fromarray(pixels).save(tmp_path / "cells.png")
    result = UNet.from_pretrained(learned).segment(pixels)
    found = result.objects()
    assert len(found) == len(CELLS) > len(result.objects(method="components"))

    page = served(build(learned))
    count, tally = page.locator("#objects .count"), page.locator("#viewer .tally")
    rows, words = page.locator("#objects tr.row"), page.locator("#objects .words")
    expect(rows.first).to_be_visible(timeout=60_000)
    page.locator("#upload input[type=file]").set_input_files(tmp_path / "cells.png")
    # As the checkpoint says, and beside the shares of the classes.
    for shown in (count, tally):
        expect(shown).to_have_text("5 objects")
    expect(page.locator("#viewer .legend")).to_contain_text("cell")
    expect(words).to_contain_text("parted as the network learned from seed height 0.50, 5 px")

    # A click on an object marks its row; each has its colour.
    page.locator("#viewer [data-view=objects]").click()
    slide(viewer_of(page), ".opacity", 1)
    before = colors_drawn(page)
    assert len(before) == len(CELLS)
    y, x, _ = CELLS[3]
    number = found.labels[y, x]
    click_on(page, y, x)
    expect(page.locator("#objects tr[aria-selected=true]")).to_have_attribute(
        "data-id", f"{number}"
    )

    # While the seed is dragged the picture and the number follow, and the rows as it is let go.
    page.locator("#objects_options button").first.click()
    assert middle_of(page, "[value=learned]") != middle_of(page, "[value=components]")
    drag(page, "#seed", 0.7, let_go=False)
    expect(count).to_have_text("4 objects")
    expect(tally).to_have_text("4 objects")
    assert seen(viewer_of(page))["view"] == "objects"
    assert colors_drawn(page) < before  # those that are left keep theirs
    drag(page, "#seed", 0.7)
    expect(words).to_contain_text("from seed height 0.70")
    expect(rows).to_have_count(4)
    areas = np.bincount(result.objects(seed=0.7).labels.ravel())[1:]
    drag(page, "#counting .size", 67, let_go=False)  # 480 pixels
    expect(page.locator("#min_size")).to_have_value("480")
    expect(count).to_have_text(f"{(areas >= 480).sum()} objects")
    drag(page, "#counting .size", 0)
    expect(rows).to_have_count(4)

    # The threshold brings its own objects while they are looked at, and measures at rest.
    again = result.with_threshold(0.9).objects(seed=0.7, min_size=0)
    slide(viewer_of(page), "input.threshold", 0.9)
    expect(words).to_contain_text("Counted at threshold 0.90")
    expect(page.locator("#objects .stale")).to_be_hidden()
    expect(count).to_have_text(f"{len(again)} objects")
    assert seen(viewer_of(page))["view"] == "objects"
    # In another view nothing is asked for.
    page.locator("#viewer [data-view=classes]").click()
    slide(viewer_of(page), "input.threshold", 0.5)
    expect(page.locator("#objects .stale")).to_have_text("Counted at 0.90; the picture is at 0.50.")
    page.get_by_role("button", name="Count again").click()
    expect(words).to_contain_text("Counted at threshold 0.50")

    # The table that is taken home has as many rows as objects are counted.
    with page.expect_download() as download:
        page.get_by_role("button", name="Objects (CSV)").click()
    table = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    expect(count).to_have_text(f"{len(table)} objects")
    expected = result.objects(seed=0.7, min_size=0)
    assert [int(row["area_px"]) for row in table] == expected.table["area_px"].tolist()

    # A batch is begun with the same recipe.
    page.get_by_role("button", name="Segment many images like this").click()
    expect(page.locator("#batch_seed").locator("input, textarea")).to_have_value("0.7")
