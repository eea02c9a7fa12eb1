"""Large pictures: the tiles hold every pixel, and from near by the browser draws and reads them."""

import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from demo.viewer.component import show_image, show_map, show_result, viewer
from demo.viewer.payload import probability_codes
from unet_hf import Segmentation
from unet_hf.predict.decision import decide
from unet_hf.predict.overlay import color_table, to_display

from ...support.made_up import COLORS, image_of
from ...support.viewing import (
    camera,
    canvas_of,
    complete,
    drawing,
    fly,
    read,
    silence,
    slide,
    viewer_of,
)

HEIGHT, WIDTH, SIDE = 700, 900, 128
NAMES = ["background", "nucleus", "border"]


def random(dtype: str, *shape: int) -> np.ndarray:
    """No two neighbours alike: whoever draws or reads the neighbour is found out."""
    values = np.random.default_rng(sum(shape)).normal(100, 40, shape)
    return values.clip(0, 255).astype(dtype) if dtype == "uint8" else (37 * values).astype(dtype)


def result_of(classes: int, pixels: np.ndarray) -> Segmentation:
    scores = np.random.default_rng(classes).random((classes, *pixels.shape[:2]), np.float32) ** 3
    probabilities = scores / scores.sum(axis=0)
    threshold = 0.4 if classes == 2 else None
    return Segmentation(
        mask=decide(probabilities, threshold),
        probabilities=probabilities,
        id2label=dict(enumerate(NAMES[:classes])),
        colors=COLORS[:classes],
        threshold=threshold,
        image=image_of(pixels),
    )


TWO = result_of(2, random("uint16", HEIGHT, WIDTH))
THREE = result_of(3, random("float32", HEIGHT, WIDTH))
COLOR = image_of(random("uint8", HEIGHT, WIDTH, 3))


@pytest.fixture(autouse=True, scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Pictures of half a megapixel are thinned out to half their sides, and have small tiles."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("served")))
        patch.setattr("demo.viewer.component.MOST_PIXELS", HEIGHT * WIDTH // 4)
        patch.setattr("demo.viewer.tiles.SIDE", SIDE)
        patch.setattr("demo.viewer.payload.SIDE", SIDE)
        yield


# ------------------------------------------------------------------------- what is sent


def tiles_of(payload: dict, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """One plane, put together from all tiles as a browser takes them apart."""
    whole, planes = np.zeros(shape, planes_dtype(payload, name)), payload["planes"]
    seen = np.zeros(shape[:2], int)
    for path in Path(payload["data"]["path"]).parent.glob("tile_*.bin"):
        column, row = map(int, re.findall(r"\d+", path.name))
        place = np.s_[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
        content, start = zlib.decompress(path.read_bytes()), 0
        pixels = seen[place].size
        for plane in planes:
            if plane["name"] == "counts":
                continue
            count = pixels * (payload["channels"] if plane["name"] == "image" else 1)
            values = np.frombuffer(content, plane["dtype"], count, start)
            start += values.nbytes
            if plane["name"] == name:
                whole[place] = values.reshape(whole[place].shape)
        assert start == len(content)
        seen[place] += 1
    assert (seen == 1).all()
    return whole


def planes_dtype(payload: dict, name: str) -> str:
    return next(plane["dtype"] for plane in payload["planes"] if plane["name"] == name)


@pytest.mark.parametrize("size", [(1, 1), (128, 256), (129, 300), (3, 641), (500, 257)])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int64", "float16", "float32"])
def test_each_tile_is_a_part_of_the_picture(
    size: tuple[int, int], dtype: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("demo.viewer.component.MOST_PIXELS", max(1, size[0] * size[1] // 9))
    pixels = random(dtype, *size, 1)
    payload = show_image(image_of(pixels))
    if size == (1, 1):
        assert payload["tiles"] is None
        return
    assert np.array_equal(tiles_of(payload, "image", pixels.shape), pixels)
    assert payload["tiles"] == {"side": SIDE, "range": [float(pixels.min()), float(pixels.max())]}


def test_tiles_have_all_that_is_known_of_a_pixel():
    payload = show_result(TWO)
    codes = probability_codes(TWO.probabilities[1])
    assert np.array_equal(tiles_of(payload, "codes", codes.shape), codes)
    payload = show_result(THREE)
    assert np.array_equal(tiles_of(payload, "classes", THREE.mask.shape), THREE.mask)
    best = np.rint(THREE.probabilities.max(axis=0) * 65535)
    assert np.array_equal(tiles_of(payload, "probability", best.shape), best)
    assert tiles_of(payload, "entropy", best.shape).std() > 10
    payload = show_image(COLOR)
    assert np.array_equal(tiles_of(payload, "image", COLOR.pixels.shape), COLOR.pixels)


def test_values_that_are_not_finite_have_no_part_in_the_range():
    pixels = random("float32", HEIGHT, WIDTH)
    pixels[::7, ::5], pixels[1], pixels[2] = np.nan, np.inf, -np.inf
    finite = pixels[np.isfinite(pixels)]
    payload = show_image(image_of(pixels))
    assert payload["tiles"]["range"] == [finite.min(), finite.max()]
    assert show_image(image_of(pixels * np.nan))["tiles"]["range"] == [0, 0]


def test_a_picture_that_is_sent_at_once_has_no_tiles():
    payload = show_image(image_of(random("uint8", HEIGHT // 2, WIDTH // 2)))
    assert payload["tiles"] is None
    assert [path.name for path in Path(payload["data"]["path"]).parent.iterdir()] == ["pixels.bin"]


def test_a_transfer_that_could_not_be_written_leaves_nothing(monkeypatch: pytest.MonkeyPatch):
    beside = Path(show_image(COLOR)["data"]["path"]).parents[1]
    before = set(beside.iterdir())
    opened = Path.open

    def full(path: Path, *arguments):
        if path.name == "tile_3_2.bin":
            raise OSError("no space left on device")
        return opened(path, *arguments)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="no space left"):
        show_image(COLOR)
    assert set(beside.iterdir()) == before


# ------------------------------------------------------------------------- what is drawn


@pytest.fixture(scope="module")
def url(small: None) -> Iterator[str]:
    """Two classes in tiles and, beside it, all at once; three classes, a map, a color image."""
    mask = random("uint8", HEIGHT, WIDTH) % 2

    def on_load() -> list[dict]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("demo.viewer.component.MOST_PIXELS", HEIGHT * WIDTH)
            whole = show_result(TWO)
        errors = show_map(THREE.image, mask, ["right", "wrong"], COLORS[:2], "errors")
        return [show_result(TWO), whole, show_result(THREE), errors, show_image(COLOR)]

    with gr.Blocks(analytics_enabled=False) as demo:
        with gr.Row():
            two, whole = viewer("two", group="pair"), viewer("whole", group="pair")
        with gr.Row():
            three, errors = viewer("three"), viewer("errors")
        color = viewer("color")
        said = gr.Textbox(elem_id="said")
        demo.load(on_load, None, [two, whole, three, errors, color])
        two.select(_place_and_value, None, said)
    _, address, _ = demo.launch(
        prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", run_history=False
    )
    yield address
    demo.close()


def _place_and_value(event: gr.EventData) -> str:
    return f"{event.x} {event.y} {event.value}"


@pytest.fixture(scope="module")
def shared(browser: Browser, url: str) -> Iterator[Page]:
    # So low that a whole picture is drawn from what is sent at once.
    context = browser.new_context(reduced_motion="reduce", viewport={"width": 1000, "height": 480})
    page = context.new_page()
    page.goto(url)
    yield page
    context.close()


@pytest.fixture
def page(shared: Page) -> Iterator[Page]:
    """Opened anew, as a visitor's reload would."""
    shared.reload()
    expect(shared.locator("canvas.drawn")).to_have_count(5, timeout=30_000)
    yield shared
    shared.unroute_all(behavior="ignoreErrors")


@pytest.fixture
def asked(page: Page) -> Iterator[list[str]]:
    """Names of the tiles that were asked for, one by one."""
    names: list[str] = []

    def listen(request) -> None:
        names.extend(re.findall(r"tile_\d+_\d+", request.url))

    page.on("request", listen)
    yield names
    page.remove_listener("request", listen)


def in_view(root) -> set[str]:
    """The tiles of which the stage shows a part."""
    eye, box = camera(root), root.locator("canvas").bounding_box()
    tiles = []
    for middle, length, side in (
        (eye["x"], box["width"], WIDTH),
        (eye["y"], box["height"], HEIGHT),
    ):
        half = length / eye["zoom"] / 2
        first, last = max(0, middle - half), min(side, middle + half)
        tiles.append(range(int(first // SIDE), int(np.ceil(last / SIDE))))
    return {f"tile_{column}_{row}" for column in tiles[0] for row in tiles[1]}


def hold(page: Page) -> list[Route]:
    """Tiles do not arrive until their routes are continued."""
    held: list[Route] = []
    page.route("**/tile_*", lambda route: held.append(route))
    return held


def test_from_afar_no_tile_is_asked_for_and_from_near_by_those_in_view(
    page: Page, asked: list[str]
):
    two = viewer_of(page, "two")
    assert two.get_attribute("data-missing") == "0"
    slide(two, ".opacity", 0.8)
    assert asked == []
    assert not page.workers
    fly(two, 300, 200, 60, 40)
    complete(two)
    assert len(page.workers) == 1  # it unpacks them, so that the page does not halt
    expected = in_view(two)
    assert 2 < len(expected) < 48
    assert sorted(asked) == sorted(expected)
    with silence(page):  # what is there is all that these need
        slide(two, ".threshold", 0.7)
        slide(two, ".opacity", 0.3)
        for control in (
            "[data-id='1']", "[data-toggle=outline]", "[data-toggle=split]",
            "[data-view=probability]", "[data-view=uncertainty]", "[data-do=zoomIn]",
        ):  # fmt: skip
            with drawing(two):
                two.locator(control).click()


@pytest.mark.parametrize(
    "zooms", [pytest.param(zooms, marks=pytest.mark.deep("as at 3")) for zooms in (1, 9)] + [3]
)
def test_in_tiles_a_picture_looks_as_if_sent_at_once(page: Page, zooms: int):
    two, whole = viewer_of(page, "two"), viewer_of(page, "whole")
    for _ in range(zooms):
        with drawing(two), drawing(whole):
            two.locator("[data-do=zoomIn]").click()
    complete(two)
    assert camera(two) == camera(whole)
    assert np.array_equal(canvas_of(two), canvas_of(whole))
    for control in ("[data-toggle=outline]", "[data-view=probability]", "[data-view=uncertainty]"):
        for root in (two, whole):
            with drawing(root):
                root.locator(control).click()
        assert np.array_equal(canvas_of(two), canvas_of(whole)), control


@pytest.mark.deep("tiles look as a picture sent at once, which test_viewer.py reads")
def test_two_classes_are_drawn_and_read_pixel_by_pixel(page: Page):
    two = viewer_of(page, "two")
    two.get_by_role("button", name="background").click()  # it is not painted at first
    slide(two, ".opacity", 1)
    slide(two, ".threshold", 0.73)
    fly(two, 300, 200, 150, 100)
    complete(two)
    mask = TWO.with_threshold(0.73).mask
    for pixel in read(two, 200):
        place = (pixel.y, pixel.x)
        assert pixel.label == NAMES[mask[place]]
        assert pixel.color == tuple(color_table(COLORS)[mask[place]])
        assert pixel.value == str(TWO.image.pixels[place][0])
        assert pixel.probability == pytest.approx(TWO.probabilities[1][place], abs=1.5e-5)
    slide(two, ".opacity", 0)
    display = to_display(TWO.image)
    for pixel in read(two, 40):
        assert np.abs(np.subtract(pixel.color, display[pixel.y, pixel.x], dtype=int)).max() <= 1


# The first worker breaks down at once, and there is no other.
NO_WORKERS = """const Real = Worker; let started = 0;
window.Worker = function () {
  if (started++) throw new Error("no workers here");
  return new Real(URL.createObjectURL(new Blob(["throw new Error('broken')"])));
};"""


@pytest.mark.deep("no browser of today is without workers")
def test_where_workers_are_not_to_be_had_the_page_unpacks(page: Page):
    bare = page.context.new_page()
    bare.add_init_script(NO_WORKERS)
    bare.goto(page.url)
    expect(bare.locator("canvas.drawn")).to_have_count(5)
    for name, result in (("two", TWO), ("three", THREE)):
        root = viewer_of(bare, name)
        fly(root, 300, 200, 150, 100)
        complete(root)
        for pixel in read(root, 20):
            assert pixel.label == NAMES[result.mask[pixel.y, pixel.x]]
            assert np.float32(pixel.value) == np.float32(result.image.pixels[pixel.y, pixel.x, 0])
    bare.close()


@pytest.mark.deep("as two classes are")
def test_several_classes_maps_and_colors_are_drawn_and_read_pixel_by_pixel(page: Page):
    three, errors, color = (viewer_of(page, name) for name in ("three", "errors", "color"))
    mask = random("uint8", HEIGHT, WIDTH) % 2
    for root in (three, errors, color):
        fly(root, 500, 300, 150, 100)
        complete(root)
    three.get_by_role("button", name="background").click()
    slide(three, ".opacity", 1)
    for pixel in read(three, 60):
        place = (pixel.y, pixel.x)
        assert pixel.label == NAMES[THREE.mask[place]]
        assert pixel.color == tuple(color_table(COLORS)[THREE.mask[place]])
        assert np.float32(pixel.value) == THREE.image.pixels[place][0]
    slide(errors, ".opacity", 1)
    for pixel in read(errors, 60):
        assert pixel.label == ["right", "wrong"][mask[pixel.y, pixel.x]]
        assert pixel.color == tuple(color_table(COLORS)[mask[pixel.y, pixel.x]])
    for pixel in read(color, 60):
        assert pixel.color == tuple(COLOR.pixels[pixel.y, pixel.x])
        assert pixel.value == ", ".join(map(str, COLOR.pixels[pixel.y, pixel.x]))


def test_a_pixel_whose_tile_is_not_there_is_not_read_from_its_neighbour(page: Page):
    two = viewer_of(page, "two")
    held, line = hold(page), two.locator(".readout")
    two.locator("canvas").click(position={"x": 200, "y": 151})
    said = page.locator("#said textarea, #said input")
    expect(line).to_have_text(re.compile(r"x \d+  y \d+ · … uint16 · …"))
    x, y = map(int, re.findall(r"\d+", line.inner_text())[:2])
    expect(said).to_have_value(f"{x} {y} None")
    assert len(held) == 1  # the one under the pointer, from afar
    held[0].continue_()
    value, label = TWO.image.pixels[y, x, 0], NAMES[TWO.mask[y, x]]
    expect(line).to_contain_text(f"x {x}  y {y} · {value} uint16 · {label} · P")
    two.locator("canvas").click(position={"x": 200, "y": 151})
    expect(said).to_have_value(f"{x} {y} {label}")


@pytest.mark.deep("only those in view are asked for: above")
def test_few_tiles_are_asked_for_at_once_and_given_up_when_out_of_view(page: Page):
    two, held, given_up = viewer_of(page, "two"), hold(page), []
    page.on("requestfailed", lambda request: given_up.append(request.url))
    fly(two, 300, 200, 60, 40)
    expect(two).to_have_attribute("data-missing", str(len(in_view(two))))
    assert len(in_view(two)) > 4
    with page.expect_event("requestfailed", lambda _: len(given_up) == 4):
        two.locator("[data-do=fit]").click()
    complete(two)
    assert sorted(given_up) == sorted(route.request.url for route in held)
    page.unroute_all(behavior="ignoreErrors")
    fly(two, 300, 200, 60, 40)
    complete(two)


def test_a_tile_that_fails_is_tried_again_and_then_told(page: Page, asked: list[str]):
    two, line = viewer_of(page, "two"), viewer_of(page, "two").locator(".readout")
    page.route("**/tile_*", lambda route: route.abort())
    fly(two, 300, 200, 4, 3)
    expect(line).to_contain_text("detail not available")
    assert set(asked) == in_view(two)
    assert max(asked.count(name) for name in asked) == 3
    before = canvas_of(two)
    slide(two, ".threshold", 0.8)  # the coarse picture is still drawn
    assert not np.array_equal(canvas_of(two), before)

    page.unroute_all(behavior="ignoreErrors")
    with drawing(two):
        two.locator("[data-do=fit]").click()
    expect(line).not_to_contain_text("detail")
    fly(two, 300, 200, 4, 3)
    complete(two)


@pytest.mark.deep("colors.test.js has shares that follow the threshold")
def test_shares_of_the_legend_are_those_of_all_pixels(page: Page):
    two, three = viewer_of(page, "two"), viewer_of(page, "three")
    for threshold in (0.4, 0.75):
        slide(two, ".threshold", threshold)
        share = TWO.with_threshold(threshold).areas()["nucleus"]["share"]
        expect(two.locator(".legend b").nth(1)).to_have_text(f"{100 * share:.1f} %")
    for name, shown in zip(NAMES, three.locator(".legend b").all(), strict=True):
        expect(shown).to_have_text(f"{100 * THREE.areas()[name]['share']:.1f} %")
