"""The viewer: what the browser draws and says of a picture is what Python has."""

import re
from collections.abc import Iterator

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from demo.viewer.component import show_image, show_map, show_result, tell, viewer
from demo.viewer.drawn_as_seen import cut_as_seen, draw_as_seen
from unet_hf import Segmentation
from unet_hf.predict.overlay import color_table, display_window, to_display

from ...support.made_up import COLORS, EMPTY, HEIGHT, THREE, TWO, WIDTH, image_of
from ...support.viewing import (
    camera,
    canvas_of,
    contrast,
    drawing,
    read,
    seen,
    silence,
    slide,
    viewer_of,
)

FEW_MISSED = {"threshold": 0.23, "words": "At most 10 % are expected to be missed."}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with four viewers: two classes, three classes, a map beside it, a color image."""
    color = np.random.default_rng(4).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    mask = (np.indices((HEIGHT, WIDTH)).sum(axis=0) // 40 % 2).astype(np.uint8)

    def on_load() -> list[dict]:
        return [
            show_result(TWO, 0.5, pixel_size=(0.25, "µm")) | {"few_missed": FEW_MISSED},
            show_result(THREE),
            show_map(THREE.image, mask, ["right", "wrong"], COLORS[:2], "errors"),
            show_image(image_of(color), camera={"x": 200, "y": 90, "zoom": 12}),
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("served")))
        with gr.Blocks(analytics_enabled=False) as demo:
            two = viewer("two")
            with gr.Row():
                three, errors = viewer("three", group="pair"), viewer("errors", group="pair")
            bare = viewer("bare")
            said = gr.Textbox(elem_id="said")
            box = gr.JSON({"x": 40, "y": 60, "width": 20, "height": 10}, visible="hidden")
            gr.Button("Fly").click(None, box, None, js=tell("two", "fly"))
            demo.load(on_load, None, [two, three, errors, bare])

            def on_select(event: gr.EventData) -> str:
                return f"{event.x} {event.y} {event.value}"

            two.select(on_select, None, said)
        _, address, _ = demo.launch(
            prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", run_history=False
        )
        yield address
        demo.close()


def opened(browser: Browser, url: str, **options) -> Page:
    page = browser.new_context(reduced_motion="reduce", **options).new_page()
    page.goto(url)
    expect(page.locator("canvas.drawn")).to_have_count(4, timeout=30_000)
    return page


@pytest.fixture(scope="module")
def shared(browser: Browser, url: str) -> Iterator[Page]:
    page = opened(browser, url, viewport={"width": 1000, "height": 900})
    yield page
    page.context.close()


@pytest.fixture
def page(shared: Page) -> Page:
    """One page for all: opened anew, as a visitor's reload would."""
    shared.reload()
    expect(shared.locator("canvas.drawn")).to_have_count(4, timeout=30_000)
    return shared


def colors_of(mask: np.ndarray) -> np.ndarray:
    return color_table(COLORS)[mask]


def test_each_pixel_is_read_and_drawn_as_python_has_it(page: Page):
    two = viewer_of(page, "two")
    slide(two, ".opacity", 1)
    for threshold in (0.4, 0.73):
        slide(two, ".threshold", threshold)
        mask = TWO.with_threshold(threshold).mask
        for pixel in read(two, 60):
            place = (pixel.y, pixel.x)
            if pixel.y < EMPTY:
                assert (pixel.label, pixel.probability) == ("no class", None)
                continue
            assert pixel.label == TWO.id2label[int(mask[place])]
            assert pixel.color == tuple(colors_of(mask)[place])
            assert (pixel.value, pixel.dtype) == (str(TWO.image.pixels[place][0]), "uint16")
            assert pixel.probability == pytest.approx(TWO.probabilities[1][place], abs=1.5e-5)
        for _ in range(4):
            two.get_by_role("button", name="Zoom in").click()


@pytest.mark.deep("the overlay file has what the canvas shows")
def test_without_classes_the_picture_is_drawn_as_the_overlay_has_it(page: Page):
    two = viewer_of(page, "two")
    slide(two, ".opacity", 0)
    display = to_display(TWO.image)
    for pixel in read(two, 40):
        assert np.abs(np.subtract(pixel.color, display[pixel.y, pixel.x], dtype=int)).max() <= 1


def test_floats_and_three_classes_are_read_as_python_has_them(page: Page):
    three = viewer_of(page, "three")
    slide(three, ".opacity", 1)
    for pixel in read(three, 60):
        place = (pixel.y, pixel.x)
        if pixel.y < EMPTY:
            assert (pixel.value, pixel.label, pixel.color) == ("NaN", "no class", (0, 0, 0))
            continue
        assert np.float32(pixel.value) == THREE.image.pixels[place][0]
        assert pixel.label == THREE.id2label[int(THREE.mask[place])]
        assert pixel.color == tuple(colors_of(THREE.mask)[place])
        assert pixel.probability == pytest.approx(
            THREE.probabilities.max(axis=0)[place], abs=1.5e-5
        )


def test_everything_changes_the_picture_and_asks_nobody(page: Page):
    two = viewer_of(page, "two")
    seen = [canvas_of(two)]

    def changed() -> None:
        now = canvas_of(two)
        assert not np.array_equal(now, seen[-1])
        seen.append(now)

    with silence(page):
        slide(two, ".opacity", 0.9)
        changed()
        slide(two, ".threshold", 0.6)
        changed()
        for control in (
            "[data-id='1']", "[data-id='1']", "[data-toggle=outline]", "[data-toggle=split]",
            "[data-view=probability]", "[data-view=uncertainty]", "[data-do=zoomIn]",
        ):  # fmt: skip
            with drawing(two):
                two.locator(control).click()
            changed()
        two.locator("summary").click()
        slide(two, ".high", 9000)
        changed()
        with drawing(two):
            two.locator(".colormap").select_option("Inferno")
        changed()


def test_python_is_told_how_the_picture_is_looked_at(page: Page):
    two, three = viewer_of(page, "two"), viewer_of(page, "three")
    assert seen(two) == {
        "opacity": 0.5, "threshold": 0.4, "outline": False, "hidden": [], "view": "classes",
        "window": [*display_window(TWO.image)],
        "colormap": "Gray", "split": None, "fitted": True,
        "camera": {"x": WIDTH / 2, "y": HEIGHT / 2, "zoom": camera(two)["zoom"]},
        "pixel_size": None, "thresholds": {},
    }  # fmt: skip
    assert seen(three)["threshold"] is None
    slide(two, ".opacity", 0.9)
    slide(two, ".threshold", 0.6)
    two.locator("summary").click()
    slide(two, ".high", 9000)
    two.locator(".colormap").select_option("Inferno")
    for control in ("[data-id='1']", "[data-toggle=outline]", "[data-view=probability]"):
        two.locator(control).click()
    with drawing(two):
        two.locator("[data-do=zoomIn]").click()
    now = seen(two)
    assert (now["opacity"], now["threshold"]) == (0.9, 0.6)
    assert (now["hidden"], now["outline"], now["view"]) == ([1], True, "probability")
    assert (now["window"][1], now["colormap"]) == (9000, "Inferno")
    assert now["camera"] | {"fitted": now["fitted"]} == camera(two)
    assert not now["fitted"]


@pytest.mark.deep("test_share_link.py opens a link's view")
def test_a_picture_is_opened_where_it_is_asked_for(page: Page):
    eye = camera(viewer_of(page, "bare"))
    assert (eye["x"], eye["y"], eye["zoom"], eye["fitted"]) == (200, 90, 12, False)


@pytest.mark.deep("colors.test.js paints the classes that are not hidden")
def test_a_class_that_is_hidden_leaves_its_pixels_bare(page: Page):
    two = viewer_of(page, "two")
    slide(two, ".opacity", 1)
    chip = two.get_by_role("button", name="nucleus")
    expect(chip).to_have_attribute("aria-pressed", "true")
    with drawing(two):
        chip.click()
    expect(chip).to_have_attribute("aria-pressed", "false")
    colors = color_table(COLORS)
    for pixel in read(two, 60):
        painted = TWO.mask[pixel.y, pixel.x] == 0 and pixel.y >= EMPTY
        assert (pixel.color == tuple(colors[0])) == painted
        assert pixel.color != tuple(colors[1])


@pytest.mark.deep("the overlay file has what the canvas shows, split, too")
def test_the_split_bares_what_is_left_of_it(page: Page):
    two = viewer_of(page, "two")
    slide(two, ".opacity", 0)
    bare = canvas_of(two)
    slide(two, ".opacity", 1)
    full = canvas_of(two)
    with drawing(two):
        two.locator("[data-toggle=split]").click()
    with drawing(two):
        two.get_by_role("slider", name="Before and after").press("ArrowLeft")
    split, line = canvas_of(two), round(0.48 * full.shape[1])
    assert np.array_equal(split[:, :line], bare[:, :line])
    assert np.array_equal(split[:, line:], full[:, line:])


@pytest.mark.parametrize(
    ("name", "result"),
    [("two", TWO), pytest.param("three", THREE, marks=pytest.mark.deep("as with two"))],
)
def test_the_overlay_file_has_what_the_canvas_shows(page: Page, name: str, result: Segmentation):
    root = viewer_of(page, name)
    root.locator("summary").click()

    def same() -> None:
        now = seen(root)
        file = np.asarray(draw_as_seen(cut_as_seen(result, now), now)).astype(int)
        assert file.shape == (HEIGHT, WIDTH, 3)
        for pixel in read(root, 25):
            assert np.abs(file[pixel.y, pixel.x] - pixel.color).max() <= 1

    root.locator(".colormap").select_option("Inferno")
    slide(root, ".opacity", 0.3)
    if result is TWO:
        slide(root, ".threshold", 0.55)
        slide(root, ".high", 9000)
    with drawing(root):
        root.locator("[data-toggle=split]").click()
    assert WIDTH / 2 - 1 <= seen(root)["split"] <= WIDTH / 2 + 1
    same()
    for view in ("probability", "uncertainty"):
        with drawing(root):
            root.locator(f"[data-view={view}]").click()
        same()
    with drawing(root):
        root.locator("[data-do=zoomIn]").click()
    same()


@pytest.mark.deep("colors.test.js has shares that follow the threshold")
def test_shares_of_the_legend_follow_the_threshold(page: Page):
    two = viewer_of(page, "two")
    for threshold in (0.4, 0.8):
        slide(two, ".threshold", threshold)
        share = TWO.with_threshold(threshold).areas()["nucleus"]["share"]
        expect(two.locator(".legend b").nth(1)).to_have_text(f"{100 * share:.1f} %")


def test_the_threshold_that_misses_little_is_one_click_and_says_what_it_assumes(page: Page):
    two, three = viewer_of(page, "two"), viewer_of(page, "three")
    button = two.get_by_role("button", name="Miss little: 0.23")
    expect(button).to_have_attribute("aria-pressed", "false")
    expect(two.locator(".few p")).to_have_text(FEW_MISSED["words"])
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert seen(two)["threshold"] == 0.23
    expect(two.locator(".said")).to_have_text(FEW_MISSED["words"])
    expect(three.locator(".few")).to_be_hidden()


def test_viewers_of_one_group_move_together_and_others_stay(page: Page):
    three, errors, two = (viewer_of(page, name) for name in ("three", "errors", "two"))
    still = camera(two)
    three.scroll_into_view_if_needed()
    box = three.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 120)
    page.keyboard.down("Control")
    with drawing(errors):
        page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    page.mouse.down()
    with drawing(errors):
        page.mouse.move(box["x"] + 140, box["y"] + 100)
    page.mouse.up()
    assert camera(three) == camera(errors)
    assert not camera(three)["fitted"]
    assert camera(two) == still


@pytest.mark.deep("camera.test.js keeps the point under the pointer")
def test_a_wheel_keeps_the_pixel_under_the_pointer(page: Page):
    two = viewer_of(page, "two")
    box = two.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2 + 90, box["y"] + 135)
    expect(two.locator(".readout")).to_contain_text("x ")
    before = two.locator(".readout").inner_text()
    page.keyboard.down("Control")
    with drawing(two):
        page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    assert two.locator(".readout").inner_text() == before


def test_it_flies_to_a_region_that_blinks(page: Page):
    two = viewer_of(page, "two")
    with silence(page), drawing(two):
        page.get_by_role("button", name="Fly").click()
    eye = camera(two)
    assert (eye["x"], eye["y"]) == (50, 65)
    assert eye["zoom"] > 5
    expect(two.locator(".flash")).to_be_visible()
    box, picture = two.locator(".flash").bounding_box(), two.locator("canvas").bounding_box()
    assert box["x"] + box["width"] / 2 == pytest.approx(picture["x"] + picture["width"] / 2, abs=1)
    expect(two.locator(".flash")).to_be_hidden()


def test_a_click_tells_python_the_pixel(page: Page):
    two = viewer_of(page, "two")
    two.locator("canvas").click(position={"x": 500, "y": 200})
    told = re.compile(r"x (\d+)\s+y (\d+) · \S+ uint16 · (\w+)")
    expect(two.locator(".readout")).to_have_text(told)  # with the next frame
    x, y, label = told.search(two.locator(".readout").inner_text()).groups()
    expect(page.locator("#said textarea, #said input")).to_have_value(f"{x} {y} {label}")


@pytest.mark.deep("viewers of a group are dragged, and a click tells the pixel")
def test_a_drag_is_no_click(page: Page):
    two = viewer_of(page, "two")
    with drawing(two):
        two.locator("canvas").press("+")
    box = two.locator("canvas").bounding_box()
    with silence(page):
        page.mouse.move(box["x"] + 300, box["y"] + 200)
        page.mouse.down()
        with drawing(two):
            page.mouse.move(box["x"] + 340, box["y"] + 230)
        page.mouse.up()


def test_the_scale_bar_is_as_long_as_it_says(page: Page):
    two = viewer_of(page, "two")
    number, unit = two.locator(".scale span").inner_text().split()
    assert unit == "µm"
    length = two.locator(".scale i").bounding_box()["width"]
    assert length / camera(two)["zoom"] * 0.25 == pytest.approx(float(number), rel=0.01)
    bare = viewer_of(page, "bare")
    expect(bare.locator(".scale")).to_be_hidden()
    bare.locator("summary").click()
    bare.locator(".size").fill("2 nm")
    expect(bare.locator(".scale span")).to_contain_text("nm")


def test_keys_do_all_that_a_mouse_does(page: Page):
    two = viewer_of(page, "two")
    canvas = two.locator("canvas")
    page.keyboard.press("Tab")
    for _ in range(5):
        if canvas.evaluate("(canvas) => canvas === document.activeElement"):
            break
        page.keyboard.press("Tab")
    expect(canvas).to_be_focused()
    assert canvas.evaluate("(canvas) => getComputedStyle(canvas).outlineStyle") == "solid"

    start = camera(two)
    for key in "++":
        with drawing(two):
            page.keyboard.press(key)
    assert camera(two)["zoom"] == pytest.approx(start["zoom"] * 2.25)
    with drawing(two):
        page.keyboard.press("ArrowRight")
    assert camera(two)["x"] > start["x"]
    middle = camera(two)
    expect(two.locator(".readout")).to_contain_text(f"x {int(middle['x'])}  y {int(middle['y'])}")
    with drawing(two):
        page.keyboard.press("0")
    assert camera(two) == start
    page.keyboard.press("2")
    expect(two.locator("[data-id='1']")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("o")
    expect(two.locator("[data-toggle=outline]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("v")
    expect(two.locator("[data-view=probability]")).to_have_attribute("aria-pressed", "true")

    page.keyboard.press("h")
    dialog = two.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(canvas).to_be_focused()

    reached = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("document.activeElement.innerText || document.activeElement.className")
        )
    for control in ("Fit", "Uncertainty", "Split", "opacity", "threshold", "Display"):
        assert control in reached


def test_fingers_tap_pinch_and_drag(browser: Browser, url: str):
    page = opened(browser, url, viewport={"width": 390, "height": 844}, has_touch=True)
    two = viewer_of(page, "two")
    two.scroll_into_view_if_needed()
    box = two.locator("canvas").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.touchscreen.tap(*middle)
    expect(two.locator(".readout")).to_contain_text("uint16 · ")

    session, before = page.context.new_cdp_session(page), camera(two)

    def touch(kind: str, *offsets: float) -> None:
        points = [
            {"x": middle[0] + offset, "y": middle[1], "id": finger}
            for finger, offset in enumerate(offsets)
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", -30, 30)
    with drawing(two):
        touch("touchMove", -45, 45)
        touch("touchMove", -90, 90)
    touch("touchEnd")
    assert camera(two)["zoom"] == pytest.approx(3 * before["zoom"], rel=0.1)
    assert camera(two)["x"] == pytest.approx(before["x"], abs=5)

    pinched = camera(two)
    touch("touchStart", 0)
    with drawing(two):
        touch("touchMove", 20)
        touch("touchMove", 60)
    touch("touchEnd")
    assert camera(two)["x"] < pinched["x"] - 5
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.close()


def test_a_picture_that_is_gone_is_said(page: Page):
    page.route("**/pixels.bin", lambda route: route.fulfill(status=403))
    page.reload()
    hint = viewer_of(page, "two").locator(".hint")
    expect(hint).to_contain_text("did not arrive")
    page.unroute_all(behavior="ignoreErrors")


@pytest.mark.deep("test_page.py asks axe about contrast")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_what_they_stand_on(browser: Browser, url: str, scheme: str):
    """WCAG's contrast of 4.5 to 1 for everything that is read below the picture."""
    page = opened(browser, url, color_scheme=scheme)
    viewer_of(page, "two").locator("summary").click()
    for selector in (".legend span", ".choice button", ".slide", "details p", ".readout"):
        ratio = contrast(viewer_of(page, "two").locator(selector).first)
        assert ratio >= 4.5, selector
    page.context.close()
