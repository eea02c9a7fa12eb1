"""Images in: several files, pages, channels, axes, drop, paste and limits."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from playwright.sync_api import Browser, Page, expect

from demo.segment.examples import Example, examples, thumbnail
from demo.segment.file_list import Files, short_names
from demo.segment.page_and_channel import show_place
from demo.server.predictions import Place
from demo.synthetic import phase_contrast
from unet_hf import UNet, read_image
from unet_hf.batch.options import BatchOptions
from unet_hf.batch.run import segment_files
from unet_hf.predict.bundle import Reproduction

from ...support.browsing import NO_CLIPBOARD, upload
from ...support.viewing import camera, drawing, read, viewer_of

# A DataTransfer with one file; `size` bytes of nothing, or a small picture.
MAKE_FILES = """async ([name, size]) => {
  const drawn = new OffscreenCanvas(40, 30);
  drawn.getContext("2d").fillRect(5, 5, 9, 9);
  const parts = size ? Array(size >> 20).fill(new Uint8Array(2 ** 20))
    : [await drawn.convertToBlob()];
  const files = new DataTransfer();
  files.items.add(new File(parts, name, { type: "image/png" }));
  return files;
}"""
PASTE = """(element, files) => element.dispatchEvent(
  new ClipboardEvent("paste", { clipboardData: files, bubbles: true, cancelable: true }))"""
DROP = """(element, files) => element.dispatchEvent(
  new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }))"""

CHOOSE = """(input, chosen) => {
  input.files = chosen.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}"""
# What empty fields in sight show only the beginning of.
CUT_WORDS = """() => {
  const pen = new OffscreenCanvas(1, 1).getContext("2d");
  const fields = document.querySelectorAll("input:is([type=text], [role], :not([type]))");
  return [...fields].filter((field) => {
    const style = getComputedStyle(field);
    pen.font = style.font;
    const room = field.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    return field.offsetParent && pen.measureText(field.value || field.placeholder).width > room;
  }).map((field) => field.value || field.placeholder);
}"""
LARGE = 201 * 2**20  # bytes


def hand_over(page: Page, way: str, selector: str, name: str, size: int = 0) -> None:
    files = page.evaluate_handle(MAKE_FILES, [name, size])
    page.locator(selector).first.evaluate(way, files)


def seen(page: Page, image: np.ndarray) -> None:
    """What the viewer reads at some places is what the image has there."""
    for pixel in read(viewer_of(page), 20):
        assert pixel.value == str(image[pixel.y, pixel.x])


def drawings(page: Page) -> int:
    return int(page.locator("#viewer canvas").get_attribute("data-serial"))


def wait_for_drawing_after(page: Page, before: int) -> None:
    page.wait_for_function(
        f"Number(document.querySelector('#viewer canvas').dataset.serial) > {before}"
    )


# ------------------------------------------------------------------------ pages, channels, axes


def test_pages_and_channels_are_leafed_through_and_segmented(page: Page, stack: Path):
    pixels = tifffile.imread(stack)
    before = drawings(page)
    upload(page, stack)
    wait_for_drawing_after(page, before)  # what is said of a file may come before its picture
    facts, viewer = page.locator("#facts"), viewer_of(page)
    expect(facts).to_contain_text("2 channels · uint16 · page 0 of 4")
    expect(facts).to_contain_text("drawn here: channel 0")
    expect(page.locator("#viewer .whose")).to_contain_text("stack.tif")
    expect(page.locator("#alert")).to_contain_text("stack.tif has 2 channels")
    expect(page.get_by_label("Axes")).to_have_value("ZCYX")
    seen(page, pixels[0, 0])

    for _ in range(3):
        with drawing(viewer):
            viewer.get_by_role("button", name="Zoom in").click()
    close = camera(viewer)
    page.get_by_label("Page", exact=True).focus()
    for number in (1, 2):
        before = drawings(page)
        page.keyboard.press("ArrowRight")
        expect(facts).to_contain_text(f"page {number} of 4")
        wait_for_drawing_after(page, before)
    assert camera(viewer) == close  # it stays where one looked
    seen(page, pixels[2, 0])
    for number in (0, 1):
        before = drawings(page)
        page.locator(".channel").get_by_label("On by one").click()
        expect(facts).to_contain_text(f"channel {number} of 2")
        wait_for_drawing_after(page, before)
    expect(facts).to_contain_text("the network is shown this channel alone")
    seen(page, pixels[2, 1])

    save = page.get_by_role("button", name="Mask (PNG)")
    expect(page.locator("#viewer .whose")).to_have_text(
        "stack.tif · page 2 of 0 to 3 · channel 1 Cell nuclei · threshold 0.40", timeout=30_000
    )
    assert camera(viewer) == close
    with page.expect_download() as download:
        save.click()
    expected = UNet.from_pretrained("unet-nuclei").segment(stack, page=2, channel=1)
    assert expected.mask.any()
    with PIL.Image.open(download.value.path()) as image:
        assert np.array_equal(np.asarray(image), expected.mask)

    assert download.value.suggested_filename == "stack_page2_channel1_mask.png"
    page.get_by_label("Page", exact=True).fill("0")
    expect(facts).to_contain_text("page 0 of 4")

    # The same page and channel are compared; both channels would be refused.
    page.get_by_role("tab", name="Compare").click()
    expect(page.get_by_label("Threshold B")).to_have_value("0.50")  # beside the checkpoint's own
    page.locator("#compare_run").click()
    expect(page.locator("#compare_told")).to_contain_text("They differ in", timeout=60_000)


@pytest.mark.deep("axes and torn pages: test_late_results.py and test_pages_and_values.py")
def test_axes_are_changed_and_a_torn_page_is_told(page: Page, stack: Path, tmp_path: Path):
    upload(page, stack)
    axes, facts = page.get_by_label("Axes"), page.locator("#facts")
    page.get_by_label("Page", exact=True).fill("3")
    expect(facts).to_contain_text("page 3 of 4")
    axes.fill("ctyx")
    axes.press("Enter")
    expect(facts).to_contain_text("4 channels · uint16 · page 0 of 2")
    expect(page.locator("#place .page output")).to_have_text("0 (0 to 1)")
    expect(page.locator("#place .channel output")).to_have_text("all (0 to 3)")
    axes.fill("CCYX")
    axes.press("Enter")
    expect(page.locator("#alert")).to_contain_text("each letter once")
    expect(facts).to_contain_text("4 channels")  # what was in view still is
    axes.fill("")  # as the file says by itself
    axes.press("Enter")
    expect(facts).to_contain_text("2 channels · uint16 · page 0 of 4")
    expect(axes).to_have_value("ZCYX")
    page.get_by_role("button", name="Nuclei (synthetic)").click()
    expect(page.locator("#place")).to_be_hidden()

    # A page that cannot be read is told, and the one before stays.
    path = tmp_path / "torn.tif"
    pages = np.ones((3, 50, 60), np.uint8)
    tifffile.imwrite(path, pages, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(path) as file:
        start, length = file.pages[2].dataoffsets[0], file.pages[2].databytecounts[0]
    content = bytearray(path.read_bytes())
    content[start : start + length] = b"\xff" * length
    path.write_bytes(content)
    upload(page, path)
    slider = page.get_by_label("Page", exact=True)
    slider.fill("1")
    expect(page.locator("#facts")).to_contain_text("page 1 of 3")
    slider.fill("2")
    expect(page.locator("#alert")).to_contain_text("cannot be decoded")
    expect(slider).to_have_value("1")
    slider.fill("0")
    expect(page.locator("#facts")).to_contain_text("page 0 of 3")
    expect(page.locator("#alert")).to_be_hidden()


def test_colours_are_not_offered_as_channels(tmp_path: Path):
    colours = np.zeros((9, 8, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", colours, photometric="rgb")
    tifffile.imwrite(tmp_path / "b.tif", colours, photometric="minisblack", planarconfig="contig")
    assert show_place(read_image(tmp_path / "a.tif"))["channels"] == 1
    assert show_place(read_image(tmp_path / "b.tif"))["channels"] == 3
    assert show_place(read_image(tmp_path / "b.tif", channel=2))["channels"] == 3


def test_axes_are_only_given_where_they_are_not_the_file_s_own(stack: Path):
    value = show_place(read_image(stack, page=1))
    assert Place.chosen(value) == Place(page=1)
    assert Place.chosen(value | {"axes": "tcyx"}).axes == "TCYX"
    given = show_place(read_image(stack, axes="TCYX"))
    assert Place.chosen(given).axes == "TCYX"
    assert Place.chosen(None) == Place()


def test_the_lines_that_give_a_result_again_name_channel_and_axes(stack: Path):
    model = UNet.from_pretrained("unet-nuclei")
    lines = []
    for given in ({"channel": 1, "page": 2}, {"channel": 3, "axes": "CTYX"}):
        result = model.segment(stack, **given)
        lines.append(Reproduction("unet-nuclei").text(result, result.objects()))
    assert "segment('stack.tif', page=2, channel=1, threshold=0.4, precision=" in lines[0]
    assert "--page 2 --channel 1 --threshold 0.4" in lines[0]
    assert "segment('stack.tif', page=0, axes='CTYX', channel=3, threshold=0.4, " in lines[1]
    assert "--page 0 --axes CTYX --channel 3" in lines[1]


def test_a_run_over_another_channel_computes_anew(stack: Path, tmp_path: Path):
    masks = []
    for channel in (0, 1, 1):
        options = BatchOptions("unet-nuclei", page=0, channel=channel, outputs=("mask",))
        batch = segment_files([str(stack)], tmp_path / "out", options)
        masks.append((batch.finished, next((tmp_path / "out").glob("*_mask.png")).read_bytes()))
    (first, mask0), (second, mask1), (third, again) = masks
    assert (first, second, third) == (1, 1, 0)  # what is there already is not computed again
    assert mask0 != mask1 == again


# -------------------------------------------------------------------------------- several files


@pytest.mark.deep("test_late_results.py has files that cannot be read")
def test_of_three_files_one_is_corrupt(page: Page, stack: Path, tmp_path: Path):
    gray = np.random.default_rng(1).integers(0, 256, (50, 70), dtype=np.uint8)
    PIL.Image.fromarray(gray).save(tmp_path / "gray.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    upload(page, stack, tmp_path / "broken.png", tmp_path / "gray.png")
    files, alert = page.locator("#files"), page.locator("#alert")
    expect(files.locator("[aria-current]")).to_have_text("stack.tif")
    expect(page.locator("#facts")).to_contain_text("80 × 60 px")
    # The first file is segmented, and refused; another one is read when it is chosen.
    expect(alert).to_contain_text("stack.tif has 2 channels")
    files.get_by_role("button", name="broken.png").first.click()
    expect(alert).to_contain_text("broken.png is not an image")
    expect(files.locator("[aria-current]")).to_have_text("stack.tif")
    files.get_by_role("button", name="Many images").click()  # there, all at once
    expect(page.locator("#batch_upload")).to_be_visible()
    page.get_by_role("tab", name="Segment").click()
    files.get_by_role("button", name="Remove broken.png").click()
    expect(files.locator("li")).to_have_count(2)
    files.get_by_role("button", name="gray.png").first.click()
    expect(page.locator("#facts")).to_contain_text("70 × 50 px")
    expect(alert).to_be_hidden()
    expect(page.locator("#place")).to_be_hidden()
    expect(page.locator("#facts")).to_contain_text(" s on CPU")  # nothing is drawn any more
    seen(page, gray)
    files.get_by_role("button", name="Remove gray.png").click()  # the one in view
    expect(page.locator("#facts")).to_contain_text("80 × 60 px")
    expect(files.locator(".more")).to_be_hidden()

    upload(page, tmp_path / "gray.png")  # takes the place of what was there
    expect(files.locator("li")).to_have_count(1)
    expect(page.locator("#facts")).to_contain_text("70 × 50 px")


def test_removing_a_file_keeps_the_one_in_view():
    files = Files(("a", "b", "c"), current=2, bad=frozenset({1}))
    assert files.without(0) == Files(("b", "c"), 1, frozenset({0}))
    assert files.without(1) == Files(("a", "c"), 1)
    assert files.without(2) == Files(("a", "b"), 1, frozenset({1}))
    assert Files(("a",)).without(0) is None


def test_names_are_shortened_and_stay_apart():
    long = "plate_0001_" + 60 * "x" + "_well_{}.tif"
    names = ["a.tif", long.format("A1"), long.format("B1"), long.format("B1"), "a.tif"]
    shown = short_names(names)
    assert shown[0] == "a.tif"
    assert len(set(shown)) == len(names)
    assert all(len(name) <= 40 for name in shown)
    assert shown[1].endswith("well_A1.tif")
    taken = short_names(["a.tif (2)", "a.tif", "a.tif"])
    assert len(set(taken)) == 3


# ------------------------------------------------------------------------------- drop and paste


def test_pictures_are_pasted_and_dropped_anywhere_unless_too_large(page: Page):
    facts, listed = page.locator("#facts"), page.locator("#files li .name")
    hand_over(page, PASTE, "#upload button", "on the upload.png")
    expect(listed).to_have_text("on the upload.png")
    expect(facts).to_contain_text("40 × 30 px")
    hand_over(page, PASTE, "body", "on the page.png")
    expect(listed).to_have_text("on the page.png")
    hand_over(page, DROP, "#viewer canvas", "on the picture.png")
    expect(listed).to_have_text("on the picture.png")
    hand_over(page, DROP, "#upload button", "on the upload again.png")
    expect(listed).to_have_text("on the upload again.png")
    hand_over(page, PASTE, "#model input", "into a field.png")
    # A tab without an upload hands it to the first one: the browser would leave the page for it.
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator("#compare_run")).to_be_visible()
    expect(listed).to_have_text("on the upload again.png")  # nothing came of the field
    hand_over(page, DROP, "body", "beside.png")
    page.get_by_role("tab", name="Segment").click()
    expect(listed).to_have_text("beside.png")

    # What is too large is refused before it is sent.
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    told = page.locator("#upload_told [role=alert]")
    hand_over(page, PASTE, "body", "huge.png", size=LARGE)
    expect(told).to_have_text(
        "huge.png (201 MB) is above the limit of 200 MB a file, and was not sent. Cut it into "
        "parts, or compress it."
    )
    hand_over(page, CHOOSE, "#upload input[type=file]", "chosen.png", size=LARGE)
    expect(told).to_contain_text("chosen.png (201 MB) is above the limit")
    page.get_by_role("button", name="Ground truth").click()
    hand_over(page, CHOOSE, "#truth input[type=file]", "truth.png", size=LARGE)
    expect(page.locator("#truth_told")).to_contain_text("truth.png (201 MB) is above the limit")
    page.get_by_role("tab", name="Many images").click()
    hand_over(page, DROP, "#batch_upload .upload-container", "many.zip", size=LARGE)
    expect(page.locator("#batch_upload_told")).to_contain_text("many.zip (201 MB) is above")
    assert not [url for url in sent if "gradio_api/upload" in url]
    hand_over(page, DROP, "#batch_upload .upload-container", "small.png")
    expect(page.locator("#batch_progress")).to_contain_text("1 image file, ready.")
    expect(page.locator("#batch_upload_told")).to_be_hidden()
    page.get_by_role("tab", name="Segment").click()
    hand_over(page, PASTE, "body", "small.png")
    expect(listed).to_have_text("small.png")
    expect(told).to_be_hidden()


# The parts of the bar of an upload that were filled, one after the other, until it is gone.
FILLED_UNTIL_GONE = """async () => {
  const seen = [];
  for (;;) {
    const bar = document.querySelector("#upload .progress-bar");
    if (!bar) return seen;
    const width = getComputedStyle(bar).getPropertyValue("--upload-progress-width");
    const share = parseFloat(width) / 100;
    if (share > 0 && bar.getBoundingClientRect().width > 100 && share !== seen.at(-1))
      seen.push(share);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}"""


@pytest.mark.deep("what a slow network shows of an upload, for a moment")
def test_an_upload_shows_how_far_it_is(page: Page, tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (1400, 1500), dtype=np.uint8)
    PIL.Image.fromarray(noise).save(tmp_path / "large.png", compress_level=0)
    network = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2**19}
    network.send("Network.emulateNetworkConditions", slow)
    shares = []
    for _ in range(3):  # Gradio's stream of how far it is comes late now and then
        upload(page, tmp_path / "large.png")
        expect(page.locator("#upload")).to_contain_text("Uploading 1 file")
        shares = page.evaluate(FILLED_UNTIL_GONE)
        expect(page.locator("#facts")).to_contain_text("1500 × 1400 px", timeout=30_000)
        if len(shares) > 1:
            break
    assert len(shares) > 1
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] <= 1


def test_the_thumbnail_of_an_example_with_16_bits_is_neither_white_nor_black(tmp_path):
    picture = tmp_path / "cells.png"
    PIL.Image.fromarray(phase_contrast(128, 6).image).save(picture)
    example = Example("Cells", f"cells-{tmp_path.name}", str(picture), "unet-nuclei")
    examples()  # makes the folder for thumbnails
    thumbnail(example)
    with PIL.Image.open(Path(examples.folder.name) / f"{example.slug}.webp") as image:
        shades = np.asarray(image.convert("L"))
    assert 50 < np.median(shades) < 200
    assert np.ptp(shades) > 80


def test_a_phone_sees_all_of_it(browser: Browser, demo_url: str, stack: Path):
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = context.new_page()
    page.goto(demo_url)
    page.evaluate(NO_CLIPBOARD)
    page.get_by_role("button", name="Copy link").click(timeout=60_000)
    expect(page.get_by_label("Link to this view")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    long = stack.with_name(f"{'scan_of_a_plate_' * 6}.tif")
    long.write_bytes(stack.read_bytes())
    upload(page, stack, long)
    for label in ("Page", "Channel", "Axes"):
        expect(page.get_by_label(label)).to_be_visible()
    expect(page.locator("#files li")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    last = page.get_by_role("tab").last.bounding_box()
    assert last["x"] + last["width"] <= 390
    for tab, field in (
        ("Many images", "#batch_seed"),
        ("Film", "#film_seed"),
        ("Compare", "#compare_model_b"),
    ):
        page.get_by_role("tab", name=tab).click()
        expect(page.locator(field)).to_be_visible()
        assert page.evaluate(CUT_WORDS) == []
    context.close()
