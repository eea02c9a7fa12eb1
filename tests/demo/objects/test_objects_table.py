"""The table of objects as a visitor meets it, on a page of its own, in a real browser."""

import re
from collections.abc import Iterator

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from demo.objects.table import count_in_words, in_words, objects_table, say, show_objects
from demo.parts.object_options import read_min_size
from demo.viewer.object_layer import NEIGHBOUR_PIXELS, object_hues
from unet_hf.errors import ConfigError
from unet_hf.objects.histogram import AreaHistogram
from unet_hf.objects.objects import Objects

from ...support.drawn import disc, drawn


@pytest.fixture(scope="module")
def objects() -> Objects:
    """400 rectangles of many sizes."""
    mask = np.zeros((400, 400), bool)
    rng = np.random.default_rng(0)
    for top in range(0, 400, 20):
        for left in range(0, 400, 20):
            height, width = rng.integers(2, 18, 2)
            mask[top : top + height, left : left + width] = True
    return drawn(mask, pixel_size=None).objects(pixel_size=(0.5, "µm"))


@pytest.fixture
def page(browser: Browser, objects: Objects) -> Iterator[Page]:
    """A page with the table alone, and what it told Python."""
    with gr.Blocks(analytics_enabled=False) as blocks:
        table = objects_table()
        told, asked = gr.JSON(elem_id="told"), gr.Markdown(elem_id="asked")
        few, none, words = gr.Button("few"), gr.Button("none"), gr.Button("words")

        def chosen(event: gr.EventData) -> dict:
            return {"id": event.id, "box": event.box}

        table.select(chosen, None, told, api_visibility="private")
        blocks.load(lambda: show_objects(objects), None, table)
        few.click(lambda: show_objects(drawn(np.eye(3)).objects()), None, table)
        none.click(lambda: show_objects(drawn(np.zeros((3, 3))).objects(), 0.5), None, table)
        words.click(lambda: say("This image is large.", ask=True), None, table)
        table.submit(lambda: "asked", None, asked, api_visibility="private")
    _, url, _ = blocks.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, run_history=False
    )
    context = browser.new_context(viewport={"width": 1100, "height": 900})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(url)
    expect(page.locator("#objects tr.row").first).to_be_visible(timeout=30_000)
    yield page
    context.close()
    blocks.close()
    assert not faults


def column(page: Page, number: int) -> list[str]:
    return page.locator(f"#objects tr.row td:nth-child({number})").all_inner_texts()


def test_the_rows_in_sight_are_there_with_words_and_histogram_and_are_sorted(
    page: Page, objects: Objects
):
    expect(page.locator("#objects .count")).to_have_text("400 objects")
    expect(page.locator("#objects .words")).to_have_text(in_words(objects))
    drawing = page.get_by_role("img", name="Areas of the objects (400), in µm²")
    counts = AreaHistogram.from_objects(objects).counts.tolist()
    labels = drawing.locator("rect title").all_text_contents()
    assert [int(label.rpartition(": ")[2]) for label in labels] == counts
    expect(drawing).to_contain_text("area (µm²)")
    expect(drawing.locator("rect").first).to_have_css("fill", "rgb(0, 114, 178)")
    expect(page.locator("#objects thead")).to_contain_text("area (µm²)")
    assert 10 <= page.locator("#objects tr.row").count() < 60 < len(objects)
    assert column(page, 1)[:3] == ["1", "2", "3"]

    # A head sorts by its column, and again the other way.
    head = page.get_by_role("button", name="area (µm²)")
    areas = objects.table["area_um2"]
    for click, expected in ((1, areas.min()), (2, areas.max())):
        head.click()
        direction = {1: "ascending", 2: "descending"}[click]
        cell = page.locator("#objects th", has=page.get_by_role("button", name="area (µm²)"))
        expect(cell).to_have_attribute("aria-sort", direction)
        assert float(column(page, 2)[0]) == expected
    page.get_by_role("button", name="no.").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#objects tr.row td").first).to_have_text("1")

    # A phone is not made wider by the table.
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    scroll = page.locator("#objects .scroll")
    assert scroll.evaluate("(box) => box.scrollWidth > box.clientWidth")  # within itself


def test_an_object_is_marked_and_scrolled_to_when_it_is_named(page: Page):
    name = (
        "(id) => document.querySelector('#objects .objects')"
        ".dispatchEvent(new CustomEvent('objects:highlight', { detail: id }))"
    )
    page.evaluate(name, 350)
    marked = page.locator("#objects tr[aria-selected=true]")
    expect(marked).to_have_attribute("data-id", "350")
    expect(marked).to_be_in_viewport()
    page.evaluate(name, None)
    expect(marked).to_have_count(0)
    expect(page.locator("#told")).not_to_contain_text("id")  # nobody chose it


def test_a_chosen_row_tells_python_and_scripts_the_id_and_the_box(page: Page, objects: Objects):
    page.evaluate(
        "() => document.addEventListener('objects:select', (e) => { window.told = e.detail; })"
    )
    page.get_by_role("button", name="area (µm²)").click()
    row = page.locator("#objects tr.row").nth(4)
    number = int(row.get_attribute("data-id"))
    row.click()
    table = {name: values[number - 1] for name, values in objects.table.items()}
    box = {
        "x": table["left_px"],
        "y": table["top_px"],
        "width": table["right_px"] - table["left_px"],
        "height": table["bottom_px"] - table["top_px"],
    }
    assert page.evaluate("window.told") == {"id": number, "box": box}
    told = page.locator("#told")
    expect(told).to_contain_text(re.compile(rf"id\D+{number}\b"))
    expect(told).to_contain_text(re.compile(rf"height\D+{box['height']}\b"))
    expect(page.locator("#objects tr[aria-selected=true]")).to_have_attribute(
        "data-id", f"{number}"
    )


def test_the_arrow_keys_walk_through_the_rows_and_another_result_takes_their_place(page: Page):
    grid = page.get_by_role("grid")
    grid.focus()
    marked = page.locator("#objects tr[aria-selected=true]")
    for key, expected in (("ArrowDown", 1), ("PageDown", 11), ("PageDown", 21), ("ArrowUp", 20)):
        page.keyboard.press(key)
        expect(marked).to_have_attribute("data-id", f"{expected}")
        # What a screen reader is told: the focus stays on the table.
        expect(grid).to_have_attribute("aria-activedescendant", marked.get_attribute("id"))
    expect(marked).to_be_in_viewport()

    # Another result takes the place of the first.
    page.locator("#objects tr.row").nth(2).click()
    page.get_by_role("button", name="few").click()
    expect(page.locator("#objects tr.row")).to_have_count(3)
    expect(page.locator("#objects tr[aria-selected=true]")).to_have_count(0)
    expect(page.locator("#objects thead")).to_contain_text("area (px²)")
    page.get_by_role("button", name="none").click()
    expect(page.locator("#objects .count")).to_have_text("0 objects")
    expect(page.locator("#objects .words")).to_contain_text("None found. Lower the threshold.")
    expect(page.locator("#objects table")).to_be_hidden()
    page.get_by_role("button", name="words").click()
    expect(page.locator("#objects .words")).to_have_text("This image is large.")
    page.get_by_role("button", name="Count objects").click()
    expect(page.locator("#asked")).to_have_text("asked")


def test_the_words_say_how_many_how_large_and_how_they_were_counted():
    two = disc((70, 110), 35, 35, 20) | disc((70, 110), 35, 70, 20)
    objects = drawn(two).objects(method="watershed", min_size=30)
    assert count_in_words(objects.counts()) == ["2", "objects"]
    assert in_words(objects, 0.65).endswith(
        " px². Counted at threshold 0.65, touching objects split, 30 px or more."
    )
    one = drawn(two).objects()
    assert count_in_words(one.counts()) == ["1", "object"]
    assert "connected regions" in in_words(one, 0.65)
    classes = drawn(np.array([[1, 0, 2, 0, 2]]), names=("ground", "cell", "vessel")).objects()
    assert count_in_words(classes.counts()) == ["3", "objects: 1 cell, 2 vessel"]
    assert "3 touch the border" in in_words(classes)
    assert "choose a smaller smallest size" in in_words(drawn(two).objects(min_size=9999), 0.5)


@pytest.mark.parametrize(
    ("text", "size"), [("20", 20), (" 20 px ", 20), ("1 000", 1000), ("", 0), (None, 0)]
)
def test_a_smallest_size_is_read_as_people_type_it(text, size):
    assert read_min_size(text) == size


@pytest.mark.parametrize("text", ["-5", "2.5", "many", "²", "1" * 30])
def test_what_is_no_smallest_size_is_told(text):
    with pytest.raises(ConfigError, match="Type a number of pixels"):
        read_min_size(text)


def test_neighbours_have_different_colours():
    blocks = np.kron(np.arange(1, 101).reshape(10, 10), np.ones((6, 6), int))  # all touch
    hues = object_hues(blocks)
    assert hues.shape == (100,)
    for gap in NEIGHBOUR_PIXELS[:2]:
        for one, other in ((blocks[gap:], blocks[:-gap]), (blocks[:, gap:], blocks[:, :-gap])):
            differ = one != other
            assert (hues[one[differ] - 1] != hues[other[differ] - 1]).all()
    assert object_hues(np.zeros((4, 4), int)).shape == (0,)


def test_an_object_keeps_its_colour_while_others_come_and_go():
    rng = np.random.default_rng(0)
    before = np.kron(np.arange(1, 101).reshape(10, 10), np.ones((6, 6), int))  # all touch
    hues = object_hues(before)
    merged = np.where(before == 57, 56, before)  # one object less, in which two lie
    split = before.copy()
    split[:2, :6] = 101  # a third of the first
    grown = np.where((before > 90) & (rng.random(before.shape) < 0.3), 0, before)
    for after, same in ((merged, 56), (split, 100), (grown, 100)):
        ids, labels = np.unique(after, return_inverse=True)
        labels = labels.reshape(after.shape) + (0 if ids[0] == 0 else 1)
        now = object_hues(labels, (before, hues))
        kept = ids[ids > 0][: len(now)]
        stays = [now[number] == hues[old - 1] for number, old in enumerate(kept) if old <= same]
        assert np.mean(stays) > 0.97  # but for a neighbour that the new one has
        one, other = labels[:, 1:], labels[:, :-1]
        differ = (one != other) & (one > 0) & (other > 0)
        assert (now[one[differ] - 1] != now[other[differ] - 1]).all()
    assert object_hues(before[:30], (before, hues)).shape == (50,)  # of another picture
