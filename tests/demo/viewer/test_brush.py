"""The brush of the viewer: what is painted covers the pixels that the rule says, and is kept."""

import re
from collections.abc import Iterator
from itertools import pairwise

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from demo.viewer.component import painted, show_image, show_map, tell, viewer
from unet_hf.images.image_data import ImageData

from ...support.viewing import camera, canvas_of, drawing, fly, silence, viewer_of

HEIGHT, WIDTH, ERASER = 240, 330, 255
COLORS = ["#999999", "#d55e00", "#0072b2"]
CELLS, ROADS = ["ground", "nucleus"], ["void", "road", "roof"]


def image_of(seed: int) -> ImageData:
    pixels = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 1), np.uint8)
    return ImageData(pixels, source=f"{seed}.png", format="array", axes="YX")


def result_of(seed: int, names: list[str]) -> dict:
    mask = (np.indices((HEIGHT, WIDTH)).sum(axis=0) // 40 % 2).astype(np.uint8)
    return show_map(image_of(seed), mask, names, COLORS[: len(names)], "made up")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with a viewer that paints, and buttons that show something else in it."""
    shown = {
        "First": lambda: result_of(1, CELLS),
        "Second": large,
        "Roads": lambda: result_of(1, ROADS),
        "Bare": lambda: show_image(image_of(1)),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("served")))
        with gr.Blocks(analytics_enabled=False) as demo:
            picture = viewer(paints=True)
            said = gr.Textbox(elem_id="said")
            gr.Textbox(elem_id="typed")
            for name, show in shown.items():
                gr.Button(name).click(show, None, picture, show_progress="hidden")
            own = gr.JSON({"classes": [{"name": "axon"}, {"name": "myelin"}]}, visible="hidden")
            gr.Button("Own").click(None, own, None, js=tell("viewer", "paint"))
            picture.input(on_input, None, said, show_progress="hidden")
            demo.load(shown["First"], None, picture)
        _, address, _ = demo.launch(
            prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", run_history=False
        )
        yield address
        demo.close()


def large() -> dict:
    """A picture that is sent thinned out, and in tiles."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("demo.viewer.component.MOST_PIXELS", HEIGHT * WIDTH // 4)
        patch.setattr("demo.viewer.tiles.SIDE", 128)
        patch.setattr("demo.viewer.payload.SIDE", 128)
        return result_of(2, CELLS)


def on_input(event: gr.EventData) -> str:
    return f"{event.picture}: {event.strokes} of {event.total}"


def visit(browser: Browser, url: str, **options) -> tuple[Page, Locator]:
    page = browser.new_context(reduced_motion="reduce", **options).new_page()
    page.goto(url)
    root = viewer_of(page)
    expect(root.locator("canvas.drawn")).to_be_visible()
    root.locator("[data-brush=toggle]").click()
    expect(root.locator(".palette")).to_be_visible()
    return page, root


# A stroke over the picture, and before anything else happens, a reload.
PAINT_AND_RELOAD = """(root, top) => {
  const canvas = root.querySelector("canvas"), box = canvas.getBoundingClientRect();
  canvas.setPointerCapture = () => {};  // there is no such pointer
  for (const [kind, left] of [["down", 100], ["move", 130], ["move", 160], ["up", 160]]) {
    canvas.dispatchEvent(new PointerEvent(`pointer${kind}`, { pointerType: "mouse", pointerId: 1,
      isPrimary: true, button: 0, buttons: kind === "up" ? 0 : 1, bubbles: true,
      clientX: box.left + left, clientY: box.top + top }));
  }
  location.reload();
}"""


@pytest.fixture(scope="module")
def opened(browser: Browser, url: str) -> Iterator[tuple[Page, Locator]]:
    page, root = visit(browser, url, viewport={"width": 1000, "height": 900})
    yield page, root
    page.context.close()


@pytest.fixture
def page(opened: tuple[Page, Locator]) -> Iterator[Page]:
    """One page for all, with the first picture and nothing painted on it."""
    page, root = opened
    root.locator(".classes [data-paint='1']").click()
    yield page
    if root.locator("[data-brush=clear]").is_enabled():
        root.locator("[data-brush=clear]").click()


def strokes_on(page: Page, seed: int = 1) -> list[dict]:
    """Those on the picture that was made from a seed."""
    pictures = page.evaluate(painted())["pictures"].values()
    found = [picture["strokes"] for picture in pictures if picture["name"] == f"{seed}.png"]
    assert len(found) <= 1
    return found[0] if found else []


def drag(page: Page, root: Locator, *places: tuple[float, float], button: str = "left") -> None:
    """With the mouse, over places in CSS pixels from the corner of the canvas."""
    root.evaluate("(root) => root.scrollIntoView()")
    box = root.locator("canvas").bounding_box()
    (left, top), *others = places
    page.mouse.move(box["x"] + left, box["y"] + top)
    page.mouse.down(button=button)
    for left, top in others:
        page.mouse.move(box["x"] + left, box["y"] + top, steps=4)
    page.mouse.up(button=button)


def covered(strokes: list[dict]) -> np.ndarray:
    """(H, W) uint8: the rule, said once more, for each pixel and each segment."""
    y, x = 4 * np.indices((HEIGHT, WIDTH)) + 2
    label = np.full((HEIGHT, WIDTH), ERASER, np.uint8)
    for stroke in strokes:
        points = np.array(stroke["points"]).reshape(-1, 2)
        for a, b in pairwise([points[0], *points] if len(points) == 1 else points):
            d, p = b - a, np.stack([x - a[0], y - a[1]])
            t, length, reach = p[0] * d[0] + p[1] * d[1], d @ d, stroke["radius"] ** 2
            beside = (d[0] * p[1] - d[1] * p[0]) ** 2 <= reach * length
            near_b = (x - b[0]) ** 2 + (y - b[1]) ** 2 <= reach
            inside = np.where(t >= length, near_b, beside)
            label[np.where(t <= 0, (p**2).sum(axis=0) <= reach, inside)] = stroke["class"]
    return label


# Whether the viewer says of pixels that something is painted there, and what.
SAID = """async (root, places) => {
  const canvas = root.querySelector("canvas"), box = canvas.getBoundingClientRect();
  const eye = JSON.parse(root.dataset.camera), found = [];
  for (const [x, y] of places) {
    const drawn = new Promise((done) => root.addEventListener("viewer:drawn", done, {once: true}));
    canvas.dispatchEvent(new PointerEvent("pointermove", { pointerType: "mouse", bubbles: true,
      clientX: box.left + box.width / 2 + (x + 0.5 - eye.x) * eye.zoom,
      clientY: box.top + box.height / 2 + (y + 0.5 - eye.y) * eye.zoom }));
    await drawn;
    found.push(root.querySelector(".readout").textContent);
  }
  return found;
}"""


def assert_covers(page: Page, root: Locator, seed: int = 1) -> None:
    """At the border of what is painted, and on both sides of it."""
    label = covered(strokes_on(page, seed))
    edge = np.argwhere(label[1:-1, 1:-1] != label[:-2, 1:-1]) + 1
    some = np.random.default_rng(0).permutation(edge)[:30]
    places = np.concatenate([some, some - [1, 0]])
    for (y, x), words in zip(places, root.evaluate(SAID, places[:, ::-1].tolist()), strict=True):
        assert words.startswith(f"x {x}  y {y} · ")
        name = words.partition(" · painted ")[2]
        assert name == ("" if label[y, x] == ERASER else CELLS[label[y, x]]), words


def test_strokes_cover_the_pixels_that_the_rule_says(page: Page):
    root = viewer_of(page)
    bare = canvas_of(root)
    drag(page, root, (200, 100), (330, 160), (300, 260))
    page.keyboard.press("1")
    page.keyboard.press("]")
    drag(page, root, (250, 240), (420, 100))
    page.keyboard.press("e")
    drag(page, root, (280, 90), (310, 200))
    expect(page.locator("#said textarea, #said input")).to_have_value(f"{key()}: 3 of 3")
    strokes = strokes_on(page)
    assert [stroke["class"] for stroke in strokes] == [1, 0, ERASER]
    assert strokes[0]["radius"] < strokes[1]["radius"]
    assert all(isinstance(place, int) for stroke in strokes for place in stroke["points"])
    assert_covers(page, root)
    assert not np.array_equal(canvas_of(root), bare)


def key() -> str:
    return show_image(image_of(1))["picture"]


@pytest.mark.deep("brush.test.js undoes, does again and clears")
def test_strokes_can_be_undone_done_again_and_cleared(page: Page):
    root = viewer_of(page)
    drag(page, root, (200, 100), (260, 100))
    drag(page, root, (200, 150), (260, 150))
    both = strokes_on(page)
    assert len(both) == 2
    for press, expected in (
        ("Control+z", both[:1]), ("Control+z", []), ("Control+Shift+Z", both[:1]),
        ("Control+y", both),
    ):  # fmt: skip
        page.keyboard.press(press)
        assert strokes_on(page) == expected
    root.get_by_role("button", name="Clear").click()
    assert strokes_on(page) == []
    root.get_by_role("button", name="Undo").click()
    assert strokes_on(page) == both
    expect(root.locator(".strokes")).to_have_text("2 strokes: 2 nucleus")


@pytest.mark.deep("test_one_finger_paints_and_two_move moves and zooms")
def test_the_picture_is_moved_and_zoomed_while_one_paints(page: Page):
    root = viewer_of(page)
    fly(root, 100, 80, 60, 40)
    near = camera(root)
    drag(page, root, (300, 150), (420, 210))
    box = root.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    with drawing(root):
        page.mouse.wheel(0, -200)
    closer = camera(root)
    assert closer["zoom"] > near["zoom"]
    page.keyboard.down(" ")
    drag(page, root, (300, 200), (360, 230))
    page.keyboard.up(" ")
    assert camera(root)["x"] < closer["x"]
    moved = camera(root)
    drag(page, root, (300, 200), (360, 230), button="middle")
    assert camera(root)["x"] < moved["x"]
    assert len(strokes_on(page)) == 1
    root.locator("canvas").press("Enter")  # a dot in the middle
    eye, dot = camera(root), strokes_on(page)[1]
    assert dot["points"] == pytest.approx([4 * eye["x"], 4 * eye["y"]], abs=1)
    drag(page, root, (310, 190), (330, 260))
    assert len(strokes_on(page)) == 3
    fly(root, 0, 0, WIDTH, HEIGHT)
    assert_covers(page, root)
    root.locator("canvas").press("0")


def test_strokes_on_a_hidden_class_stay_and_keys_hide_classes_only_while_nobody_paints(page: Page):
    root = viewer_of(page)
    drag(page, root, (200, 100), (260, 100))
    hidden = root.locator(".legend [data-id='1']")
    page.keyboard.press("2")
    expect(hidden).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("b")
    page.keyboard.press("2")
    expect(hidden).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("b")
    assert_covers(page, root)
    hidden.click()
    with silence(page):
        page.keyboard.press("[")
        page.keyboard.press("]")


def test_keys_of_the_brush_act_wherever_the_focus_is_but_where_text_is_typed(page: Page):
    root, button = viewer_of(page), page.get_by_role("button", name="Bare", exact=True)
    ground, eraser = root.locator("[data-paint='0']"), root.locator("[data-brush=eraser]")
    drag(page, root, (200, 100), (260, 100))
    thin = root.locator(".brush_size").input_value()
    button.focus()  # as after a click in a list of files
    page.keyboard.press("1")
    expect(ground).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("]")
    expect(root.locator(".brush_size")).not_to_have_value(thin)
    page.keyboard.press("[")
    page.keyboard.press("e")
    expect(eraser).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Control+z")
    expect(root).to_have_attribute("data-strokes", "0")
    page.keyboard.press("Control+y")
    expect(root).to_have_attribute("data-strokes", "1")
    typed = page.locator("#typed textarea, #typed input")
    typed.focus()
    page.keyboard.type("1")
    expect(typed).to_have_value("1")
    expect(eraser).to_have_attribute("aria-pressed", "true")
    holder = page.locator("#viewer")
    holder.evaluate("(one) => { one.style.display = 'none'; }")  # on a tab that is not seen
    button.focus()
    page.keyboard.press("1")
    page.keyboard.press("Control+z")
    holder.evaluate("(one) => { one.style.display = ''; }")
    expect(eraser).to_have_attribute("aria-pressed", "true")
    expect(root).to_have_attribute("data-strokes", "1")
    button.focus()
    page.keyboard.press("2")
    root.locator("[data-brush=toggle]").click()
    button.focus()
    page.keyboard.press("1")  # nobody paints
    root.locator("[data-brush=toggle]").click()
    expect(ground).to_have_attribute("aria-pressed", "false")


def test_strokes_belong_to_their_picture_and_to_their_classes(page: Page):
    root = viewer_of(page)

    def show(name: str, count: int) -> None:
        before = root.locator("canvas").get_attribute("data-serial")
        page.get_by_role("button", name=name, exact=True).click()
        expect(root.locator("canvas")).not_to_have_attribute("data-serial", before)
        expect(root).to_have_attribute("data-strokes", str(count))

    drag(page, root, (200, 100), (260, 100))
    show("Second", 0)
    # Python was told that the brush is before another picture, and prepares for a stroke on it.
    expect(page.locator("#said textarea")).to_have_value(re.compile(": 0 of 1$"))
    drag(page, root, (200, 200), (260, 200))
    assert len(page.evaluate(painted())["pictures"]) == 2
    assert_covers(page, root, seed=2)
    root.locator("canvas").press("Control+z")
    show("First", 1)
    root.locator("canvas").press("Control+z")
    expect(root).to_have_attribute("data-strokes", "0")
    page.keyboard.press("Control+y")
    show("Bare", 1)
    show("Roads", 0)
    notice = root.locator(".notice")
    expect(notice).to_contain_text("1 stroke for “ground, nucleus” is kept")
    assert page.evaluate(painted()) == {
        "classes": [{"name": n, "color": c} for n, c in zip(ROADS, COLORS, strict=True)],
        "pictures": {},
    }
    page.get_by_role("button", name="Own", exact=True).click()
    expect(root.locator(".classes span")).to_have_text(["axon", "myelin"])
    root.get_by_role("button", name="+ class").click()
    page.keyboard.type("axon")
    expect(root.locator(".fault")).to_contain_text("“axon” already")
    page.keyboard.type("s")
    page.keyboard.press("Enter")
    show("First", 0)  # classes of one's own stay
    assert [one["name"] for one in page.evaluate(painted())["classes"]] == [
        "axon", "myelin", "axons",
    ]  # fmt: skip
    root.locator(".lists").select_option(label="ground, nucleus · 1 stroke · of this result")
    expect(root).to_have_attribute("data-strokes", "1")


@pytest.mark.deep("brush.test.js renames")
def test_a_renamed_class_is_said_to_be_the_one_it_was(page: Page):
    root = viewer_of(page)
    drag(page, root, (200, 100), (260, 100))

    def formerly() -> list[str] | None:
        return page.evaluate(painted())["classes"][1].get("formerly")

    assert formerly() is None
    root.locator("[data-brush=edit]").click()
    name = root.locator(".class_name")
    name.fill("cell")
    name.press_sequentially("s")  # what is typed letter by letter is one name
    assert formerly() == CELLS[1:]
    assert [one["name"] for one in page.evaluate(painted())["classes"]] == ["ground", "cells"]
    page.get_by_role("button", name="First", exact=True).click()  # as the network calls them
    expect(root).to_have_attribute("data-strokes", "1")
    name.fill("nucleus")
    name.press("Enter")
    assert formerly() == ["cells"]  # something may have been taught under it


def test_what_comes_into_view_while_one_paints_ends_no_stroke_of_its_picture_and_moves_nothing(
    page: Page,
):
    root = viewer_of(page)

    def paint_while_there_comes(name: str) -> None:
        before = root.locator("canvas").get_attribute("data-serial")
        box = root.locator("canvas").bounding_box()
        page.mouse.move(box["x"] + 200, box["y"] + 100)
        page.mouse.down()
        page.mouse.move(box["x"] + 240, box["y"] + 100, steps=4)
        page.get_by_role("button", name=name, exact=True).evaluate("(button) => button.click()")
        expect(root.locator("canvas")).not_to_have_attribute("data-serial", before)
        page.mouse.move(box["x"] + 280, box["y"] + 140, steps=4)
        page.mouse.up()

    root.evaluate("(root) => root.scrollIntoView()")
    fitted = camera(root)
    paint_while_there_comes("First")
    (stroke,) = strokes_on(page)
    across = np.ptp(np.reshape(stroke["points"], (-1, 2)), axis=0)
    assert across[1] / across[0] == pytest.approx(0.5, abs=0.1)  # all of it
    assert camera(root) == fitted
    assert_covers(page, root)
    paint_while_there_comes("Second")
    expect(root).to_have_attribute("data-strokes", "0")
    assert len(strokes_on(page)) == 2 and not strokes_on(page, seed=2)
    assert camera(root)["fitted"]
    before = root.locator("canvas").get_attribute("data-serial")
    page.get_by_role("button", name="First", exact=True).click()
    expect(root.locator("canvas")).not_to_have_attribute("data-serial", before)


def test_a_reload_keeps_strokes_and_undo_takes_them_away_one_by_one(page: Page):
    root = viewer_of(page)
    for top in (100, 140):
        drag(page, root, (200, top), (260, top))
    before = strokes_on(page)
    page.reload()
    expect(root).to_have_attribute("data-strokes", "2")
    assert strokes_on(page) == before
    root.locator("canvas").press("b")
    expect(root.locator(".palette")).to_be_visible()
    page.keyboard.press("Control+z")
    assert strokes_on(page) == before[:1]


def test_a_stroke_that_ends_as_the_page_is_reloaded_is_kept(page: Page):
    root = viewer_of(page)
    for count in range(1, 6):  # each was lost once in three times while the browser still wrote it
        with page.expect_navigation():
            root.evaluate(PAINT_AND_RELOAD, 80 + 20 * count)
        expect(root).to_have_attribute("data-strokes", str(count))
        root.locator("canvas").press("b")
        expect(root.locator(".palette")).to_be_visible()


def test_one_finger_paints_and_two_move(browser: Browser, url: str):
    page, root = visit(browser, url, viewport={"width": 390, "height": 844}, has_touch=True)
    root.locator("canvas").scroll_into_view_if_needed()
    box = root.locator("canvas").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    session, before = page.context.new_cdp_session(page), camera(root)

    def touch(kind: str, *offsets: float) -> None:
        points = [
            {"x": middle[0] + offset, "y": middle[1], "id": finger}
            for finger, offset in enumerate(offsets)
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", -30)
    touch("touchMove", -28)
    touch("touchStart", -28, 30)  # the stroke was not meant
    with drawing(root):
        touch("touchMove", -45, 45)
        touch("touchMove", -90, 90)
    touch("touchEnd")
    assert camera(root)["zoom"] > 2 * before["zoom"]
    assert strokes_on(page) == []
    root.locator("canvas").press("0")
    touch("touchStart", -30)
    touch("touchMove", -10)
    touch("touchMove", 20)
    touch("touchEnd")
    expect(root).to_have_attribute("data-strokes", "1")
    assert camera(root) == before
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.close()
