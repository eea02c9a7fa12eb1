"""The demo as a visitor meets it, in a real Chromium without a way out of this machine."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from playwright.sync_api import Page, expect

from demo.segment.examples import haematoxylin
from demo.synthetic import electron_micrograph
from unet_hf import UNet
from unet_hf.predict.overlay import color_table

from ...support.bad_inputs import BAD_INPUTS
from ...support.viewing import read, silence, slide, viewer_of


def serial(page: Page) -> int:
    return int(page.locator("#viewer canvas").get_attribute("data-serial"))


def wait_for_drawing_after(page: Page, before: int) -> None:
    page.wait_for_function(
        f"Number(document.querySelector('#viewer canvas').dataset.serial) > {before}"
    )


def upload(page: Page, path: Path) -> None:
    page.locator("#upload input[type=file]").set_input_files(path)


def download(page: Page, button: str, folder: Path) -> Path:
    if button.startswith("Probabilities"):
        page.get_by_text("More files").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def choose(page: Page, model: str) -> None:
    box = page.locator("#model input")
    box.fill(model)
    box.press("Enter")


@pytest.mark.deep("test_one_path.py brings 16 bits from a drop to a file")
def test_a_16_bit_tiff_from_drop_to_files(page: Page, tmp_path: Path):
    drawing = electron_micrograph(160, 20, seed=5)
    tifffile.imwrite(tmp_path / "slice.tif", drawing.image.astype(np.uint16) * 16)
    expected = UNet.from_pretrained("unet-isbi").segment(tmp_path / "slice.tif")

    upload(page, tmp_path / "slice.tif")
    whose = page.locator("#viewer .whose")
    expect(whose).to_have_text("slice.tif Cell nuclei · threshold 0.40")
    expect(page.locator("#facts")).to_contain_text("160 × 160 px")
    expect(page.locator("#facts")).to_contain_text("uint16")
    choose(page, "unet-isbi")
    expect(whose).to_have_text("slice.tif Cell membranes (electron microscopy) · threshold 0.25")
    expect(page.locator("#viewer .legend")).to_contain_text("membrane")

    mask = download(page, "Mask (PNG)", tmp_path)
    assert mask.name == "slice_mask.png"
    with PIL.Image.open(mask) as image:
        assert np.array_equal(np.asarray(image), expected.mask)
    probabilities = tifffile.imread(download(page, "Probabilities (TIFF)", tmp_path))
    assert np.abs(probabilities - expected.probabilities).max() < 1e-6
    with PIL.Image.open(download(page, "Overlay (PNG)", tmp_path)) as overlay:
        assert overlay.size == (160, 160)


def test_opens_with_an_example_segmented_and_draws_changes_while_the_server_is_silent(page: Page):
    viewer = viewer_of(page)
    expect(viewer.locator(".legend")).to_contain_text("nucleus")
    expect(viewer.locator(".legend")).to_contain_text("%")
    expect(page.locator("#facts")).to_contain_text("on CPU")
    expect(page.get_by_role("button", name="Mask (PNG)")).to_be_enabled()
    expect(page.locator("#objects tr.row").first).to_be_visible()  # they are counted by themselves
    nucleus = viewer.get_by_role("button", name="nucleus")
    shown = nucleus.inner_text()
    with silence(page):
        slide(viewer, ".opacity", 0)
        for pixel in read(viewer, 50):  # opacity 0: the image itself
            assert pixel.color == tuple(haematoxylin()[pixel.y, pixel.x])
        slide(viewer, ".opacity", 1)
        nucleus.click()
        expect(nucleus).to_have_attribute("aria-pressed", "false")
        slide(viewer, ".threshold", 0.99)
        assert nucleus.inner_text() != shown
        for name in ("Outline", "Split", "Probability", "Uncertainty", "Zoom in", "Fit"):
            viewer.get_by_role("button", name=name).click()


@pytest.mark.deep("test_viewer.py holds files against what the canvas shows")
def test_files_and_the_pixel_under_the_pointer_are_as_seen(page: Page, tmp_path: Path):
    viewer = viewer_of(page)
    nucleus = viewer.get_by_role("button", name="nucleus")

    def overlay() -> np.ndarray:
        with PIL.Image.open(download(page, "Overlay (PNG)", tmp_path)) as image:
            return np.asarray(image)

    def mask() -> np.ndarray:
        with PIL.Image.open(download(page, "Mask (PNG)", tmp_path)) as image:
            return np.asarray(image)

    slide(viewer, ".threshold", 0.42)
    slide(viewer, ".opacity", 0.8)
    expected = UNet.from_pretrained("unet-nuclei").segment(haematoxylin(), threshold=0.42)
    assert np.array_equal(mask(), expected.mask)
    hidden = "background"  # which is not painted at first
    assert np.array_equal(overlay(), np.asarray(expected.overlay(0.8, hidden=hidden)))
    slide(viewer, ".high", 200)
    nucleus.click()
    seen = overlay()
    bare = np.asarray(expected.overlay(0, window=(0, 200)))
    assert np.array_equal(seen[expected.mask == 1], bare[expected.mask == 1])
    both = expected.overlay(0.8, hidden=["background", "nucleus"], window=(0, 200))
    assert np.array_equal(seen, np.asarray(both))
    nucleus.click()
    viewer.get_by_role("button", name="Outline").click()
    outlines = expected.overlay(0.8, outline=True, hidden=hidden, window=(0, 200))
    assert np.array_equal(overlay(), np.asarray(outlines))
    viewer.get_by_role("button", name="Outline").click()

    # At 200 places each: as opened, and close by at another threshold.
    colors = color_table(UNet.from_pretrained("unet-nuclei").config["colors"])
    viewer.get_by_role("button", name="background").click()
    slide(viewer, ".opacity", 1)
    for threshold, closer in ((0.40, 0), (0.31, 4)):
        slide(viewer, ".threshold", threshold)
        for _ in range(closer):
            viewer.get_by_role("button", name="Zoom in").click()
        classes = mask()
        for pixel in read(viewer, 200, seed=closer):
            assert pixel.label == ["background", "nucleus"][classes[pixel.y, pixel.x]]
            assert pixel.color == tuple(colors[classes[pixel.y, pixel.x]])


@pytest.mark.deep("test_images_in.py pastes and leafs through pages")
def test_a_paste_a_page_of_a_stack_and_an_example_with_its_own_checkpoint(
    page: Page, tmp_path: Path
):
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

    stack = np.random.default_rng(0).integers(0, 255, (4, 64, 80), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "stack.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    upload(page, tmp_path / "stack.tif")
    expect(page.locator("#facts")).to_contain_text("page 0 of 4")
    page.get_by_label("Page", exact=True).fill("2")
    expect(page.locator("#facts")).to_contain_text("page 2 of 4", timeout=20_000)
    expect(page.locator("#viewer .whose")).to_have_text(
        "stack.tif · page 2 of 0 to 3 Cell nuclei · threshold 0.40"
    )

    before = serial(page)
    page.locator("#examples button").nth(1).click()
    wait_for_drawing_after(page, before)
    expect(page.locator("#viewer .legend")).to_contain_text("membrane")
    assert page.locator("#model input").input_value() == (
        "Cell membranes (electron microscopy) · unet-isbi"
    )


# Words that the page has in place of those for Python.
IN_THE_PAGE = {"np.nan_to_num": "NaN or infinite values", "50 4b 03 04": "in a known format"}


@pytest.mark.deep("test_bad_inputs.py asks Python and the API about each")
def test_bad_files_and_checkpoints_that_are_none_end_in_one_sentence(
    page: Page, tmp_path: Path, sample
):
    """A bad file of each kind of error, or every one, one after the other in one visit; the page
    stays usable. That each has its sentence, Python and the API are asked in any case."""
    alert = page.locator("#alert [role=alert]")

    def is_told(words: str) -> None:
        expect(alert).to_contain_text(words, timeout=20_000)
        assert "Traceback" not in page.content()
        page.locator("#examples button").nth(1).click()  # a good one clears the sentence
        expect(alert).to_have_count(0, timeout=20_000)

    kinds = {bad.error: bad for bad in BAD_INPUTS}
    for bad in sample([*kinds.values()], BAD_INPUTS):
        (tmp_path / bad.name).mkdir()
        upload(page, bad.write(tmp_path / bad.name))
        is_told(IN_THE_PAGE.get(bad.words, bad.words))
    for model, words in (
        ("unet-isby", "Shipped with this package"),
        ("nobody/nothing", "was not reached"),
        ("no such model!", "is not a checkpoint"),
    ):
        choose(page, model)
        is_told(words)
