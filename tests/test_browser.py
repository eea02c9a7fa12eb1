"""The demo as a visitor meets it, in a real Chromium without a way out of this machine."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from playwright.sync_api import Browser, Page, expect, sync_playwright

from demo.examples import haematoxylin
from unet_hf import UNet
from unet_hf.errors import ChannelMismatchError, NonFiniteImageError
from unet_hf.synthetic import electron_micrograph

from .bad_inputs import BAD_INPUTS

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, demo_url: str) -> Iterator[Page]:
    """The demo, opened, its first example segmented. Fails on any script error, and on any
    request to another host."""
    context = browser.new_context(accept_downloads=True, viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((demo_url, "data:", "blob:"))
            else faults.append(f"asked for {request.url}")
        ),
    )
    page.goto(demo_url)
    expect(page.locator("#viewer canvas.drawn")).to_be_visible(timeout=60_000)
    yield page
    toasts = page.locator("[data-testid=toast-body]").all_inner_texts()
    context.close()
    assert not faults
    assert not toasts  # what goes wrong is said in a sentence on the page, never by "Error"


def serial(page: Page) -> int:
    return int(page.locator("#viewer canvas").get_attribute("data-serial"))


def wait_for_drawing_after(page: Page, before: int) -> None:
    page.wait_for_function(
        f"Number(document.querySelector('#viewer canvas').dataset.serial) > {before}"
    )


def upload(page: Page, path: Path) -> None:
    page.locator("#upload input[type=file]").set_input_files(path)


def pixels(page: Page) -> np.ndarray:
    """(H, W, 3) uint8: what the canvas shows."""
    width, height, values = page.evaluate(
        """() => { const c = document.querySelector('#viewer canvas');
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height);
        return [d.width, d.height, Array.from(d.data)]; }"""
    )
    return np.array(values, np.uint8).reshape(height, width, 4)[..., :3]


def download(page: Page, button: str, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def choose(page: Page, model: str) -> None:
    box = page.locator("#model input")
    box.fill(model)
    box.press("Enter")


def test_opens_with_an_example_segmented(page: Page):
    expect(page.locator("#viewer .legend")).to_contain_text("nucleus")
    expect(page.locator("#viewer .legend")).to_contain_text("%")
    expect(page.locator("#facts")).to_contain_text("on CPU")
    expect(page.get_by_role("button", name="Mask (PNG)")).to_be_enabled()


def test_a_16_bit_tiff_from_drop_to_files(page: Page, tmp_path: Path):
    drawing = electron_micrograph(160, 20, seed=5)
    tifffile.imwrite(tmp_path / "slice.tif", drawing.image.astype(np.uint16) * 16)
    expected = UNet.from_pretrained("unet-isbi").segment(tmp_path / "slice.tif")

    before = serial(page)
    upload(page, tmp_path / "slice.tif")
    wait_for_drawing_after(page, before)
    expect(page.get_by_role("button", name="Mask (PNG)")).to_be_disabled()  # not yet this image's
    expect(page.locator("#facts")).to_contain_text("160 × 160 px")
    expect(page.locator("#facts")).to_contain_text("uint16")
    choose(page, "unet-isbi")
    before = serial(page)
    page.get_by_role("button", name="Segment").click()
    wait_for_drawing_after(page, before)
    expect(page.locator("#viewer .legend")).to_contain_text("membrane")

    mask = download(page, "Mask (PNG)", tmp_path)
    assert mask.name == "slice_mask.png"
    with PIL.Image.open(mask) as image:
        assert np.array_equal(np.asarray(image), expected.mask)
    probabilities = tifffile.imread(download(page, "Probabilities (TIFF)", tmp_path))
    assert np.abs(probabilities - expected.probabilities).max() < 1e-6
    with PIL.Image.open(download(page, "Overlay (PNG)", tmp_path)) as overlay:
        assert overlay.size == (160, 160)


def test_opacity_and_threshold_are_drawn_while_the_server_is_silent(page: Page):
    with_classes = pixels(page)
    page.route("**/queue/**", lambda route: None)  # whoever asks the server waits for ever

    slider = page.get_by_role("slider", name="Overlay opacity")
    slider.evaluate(
        "(s) => { s.value = 0; s.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    page.wait_for_timeout(300)
    plain = pixels(page)
    assert np.array_equal(plain, haematoxylin())  # opacity 0: the image itself
    assert not np.array_equal(plain, with_classes)

    share = page.locator("#viewer .legend b").nth(1).inner_text()
    slider = page.locator("#threshold input[type=range]")
    slider.evaluate(
        "(s) => { s.value = 0.99; s.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    page.wait_for_timeout(300)
    assert page.locator("#viewer .legend b").nth(1).inner_text() != share
    page.unroute_all(behavior="ignoreErrors")


def test_files_follow_the_threshold_slider(page: Page, tmp_path: Path):
    slider = page.locator("#threshold input[type=range]")
    slider.focus()
    for _ in range(10):
        slider.press("ArrowLeft")
    chosen = float(slider.input_value())
    expected = UNet.from_pretrained("unet-nuclei").segment(haematoxylin(), threshold=chosen)
    for _ in range(20):  # the files are written after the slider has come to rest
        with PIL.Image.open(download(page, "Mask (PNG)", tmp_path)) as image:
            if np.array_equal(np.asarray(image), expected.mask):
                return
        page.wait_for_timeout(500)
    pytest.fail(f"The mask never became that of threshold {chosen}.")


def test_an_example_brings_its_own_checkpoint(page: Page):
    before = serial(page)
    page.locator("#examples button").nth(1).click()
    wait_for_drawing_after(page, before)
    expect(page.locator("#viewer .legend")).to_contain_text("membrane")
    assert page.locator("#model input").input_value() == "unet-isbi"


def test_a_pasted_picture_is_taken(page: Page):
    before = serial(page)
    page.evaluate(
        """async () => {
        const canvas = new OffscreenCanvas(40, 30);
        canvas.getContext('2d').fillRect(5, 5, 9, 9);
        const data = new DataTransfer();
        data.items.add(new File([await canvas.convertToBlob()], 'pasted.png', {type: 'image/png'}));
        document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data}));
        }"""
    )
    wait_for_drawing_after(page, before)
    expect(page.locator("#facts")).to_contain_text("40 × 30 px")


def test_a_page_of_a_stack_can_be_chosen(page: Page, tmp_path: Path):
    stack = np.random.default_rng(0).integers(0, 255, (4, 64, 80), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "stack.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    upload(page, tmp_path / "stack.tif")
    expect(page.locator("#facts")).to_contain_text("page 0 of 4")
    page.get_by_label("Page").fill("2")
    page.get_by_role("button", name="Segment").click()
    expect(page.locator("#facts")).to_contain_text("page 2 of 4", timeout=20_000)


def test_bad_files_end_in_one_sentence(page: Page, tmp_path: Path):
    """Every bad file, one after the other in one visit; the page stays usable."""
    alert = page.locator("#alert [role=alert]")
    for bad in BAD_INPUTS:
        (tmp_path / bad.name).mkdir()
        upload(page, bad.write(tmp_path / bad.name))
        if bad.error in (ChannelMismatchError, NonFiniteImageError):  # readable, not usable
            expect(page.locator("#viewer canvas")).to_have_attribute(
                "aria-label", f"{bad.name}, not segmented yet", timeout=20_000
            )
            page.get_by_role("button", name="Segment").click()
        expect(alert).to_contain_text(bad.words, timeout=20_000)
        assert "Traceback" not in page.content()
        page.locator("#examples button").nth(1).click()  # a good one clears the sentence
        expect(alert).to_have_count(0, timeout=20_000)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("unet-isby", "Shipped with this package"),
        ("nobody/nothing", "was not reached"),
        ("no such model!", "is not a checkpoint"),
    ],
)
def test_a_checkpoint_that_is_none_is_told_apart(page: Page, model: str, words: str):
    choose(page, model)
    page.get_by_role("button", name="Segment").click()
    expect(page.locator("#alert [role=alert]")).to_contain_text(words, timeout=20_000)


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_a_phone_and_a_dark_room_see_everything(
    browser: Browser, demo_url: str, width: int, scheme: str
):
    context = browser.new_context(
        viewport={"width": width, "height": 844},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    page = context.new_page()
    page.goto(demo_url)
    expect(page.locator("#viewer canvas.drawn")).to_be_visible(timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
