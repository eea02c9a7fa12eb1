"""Segmenting in the visitor's own browser, with the network cut off: the same as in Python."""

import base64
import gzip
import hashlib
import importlib.util
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime
import PIL.Image
import pytest
from playwright.sync_api import Page, expect

from demo.in_browser import tab as in_browser
from demo.in_browser.tab import RUNTIME, WEB, exported, in_browser_tab
from demo.parts.gradio_internals import served_address
from demo.server.http.cross_origin import isolation
from demo.space.contents import ROOT, source_files
from demo.viewer.component import DEFAULT_ALPHA
from demo.viewer.payload import FINE, STEPS, entropy, fixed_point, probability_codes
from unet_hf import Segmentation, UNet, read_image
from unet_hf.errors import ExportError
from unet_hf.hub.find import SHIPPED
from unet_hf.hub.sample import drawn_input
from unet_hf.images.image_data import ORIENTATION

from ...support.networks import network
from ...support.viewing import read, seen, silence, slide, viewer_of

SAMPLE = Path("sample", "input.png")
CLOSE = 1e-4  # of a probability, between one runtime and another


@pytest.fixture
def visitor(served: Callable) -> Iterator[Page]:
    """The tab, with the first checkpoint there. Fails on anything the console warns of."""
    page = served(in_browser_tab)
    said: list[str] = []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    expect(told(page)).to_contain_text("unet-isbi is here (12 MB). The network may be off now.")
    yield page
    assert not [line for line in said if line.startswith(("error", "warning"))]


def told(page: Page):
    return page.locator("#private [role=status]")


def alert(page: Page):
    return page.locator("#private [role=alert]")


@contextmanager
def cut_off(page: Page) -> Iterator[None]:
    """No network; and nothing even tries to use it."""
    page.route("**/*", lambda route: route.abort())
    page.context.set_offline(True)
    with silence(page):
        yield
    page.context.set_offline(False)
    page.unroute("**/*")


def choose(page: Page, path: Path) -> None:
    page.locator("#private input[type=file]").set_input_files(path)
    expect(page.locator("#private output")).to_have_text(path.name)


def segment(page: Page, path: Path) -> None:
    choose(page, path)
    page.get_by_role("button", name="Segment").click()
    expect(told(page)).to_contain_text("s in this browser on")


def saved(page: Page, name: str, folder: Path) -> Path:
    """What a click on a button of the tab brings."""
    with page.expect_download() as download:
        page.locator("#private").get_by_role("button", name=name).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def check(page: Page, expected: Segmentation, folder: Path) -> None:
    """What is taken home is what Python predicts."""
    probabilities = np.load(saved(page, "Probabilities", folder))
    assert probabilities.dtype == np.float32
    assert np.abs(probabilities - expected.probabilities).max() < CLOSE
    with PIL.Image.open(saved(page, "Mask", folder)) as image:
        assert image.mode == "P"  # as the server's
        colors = 3 * len(expected.colors)
        assert image.getpalette()[:colors] == expected.mask_image().getpalette()[:colors]
        differs = np.asarray(image) != expected.mask
    if expected.threshold is None:
        best = np.sort(expected.probabilities, axis=0)
        undecided = best[-1] - best[-2] < 2 * CLOSE
    else:
        undecided = np.abs(expected.probabilities[1] - expected.threshold) < CLOSE
    assert not differs[~undecided].any()
    assert differs.sum() <= undecided.sum()


def test_an_image_is_segmented_as_in_python_and_sent_nowhere(visitor: Page, tmp_path: Path):
    page, path = visitor, SHIPPED / "unet-isbi" / SAMPLE
    with cut_off(page):
        segment(page, path)
        expected = UNet.from_pretrained("unet-isbi").segment(path, precision="float32")
        check(page, expected, tmp_path)
        assert (tmp_path / "input_mask.png").is_file()

        viewer = viewer_of(page, "private_viewer")
        assert seen(viewer)["opacity"] == DEFAULT_ALPHA
        for pixel in read(viewer, 20):
            at = pixel.y, pixel.x
            assert pixel.value == str(expected.image.pixels[at][0])
            assert pixel.dtype == "uint8"
            assert pixel.label == expected.id2label[expected.mask[at]]
            assert pixel.probability == pytest.approx(expected.probabilities[1][at], abs=2e-4)
        slide(viewer, "input.threshold", 0.9)
        with PIL.Image.open(saved(page, "Mask", tmp_path)) as image:
            again = np.asarray(image)
        assert (again != expected.with_threshold(0.9).mask).sum() <= 2  # within CLOSE of 0.9
        assert (again != expected.mask).sum() > 100


@pytest.mark.deep("one checkpoint and pictures of all kinds are as in Python")
def test_all_checkpoints_take_colour_gray_and_several_tiles(visitor: Page, tmp_path: Path):
    page = visitor
    with PIL.Image.open(SHIPPED / "unet-nuclei" / SAMPLE) as image:
        colour = np.asarray(image.convert("RGB"))[:160, :176]
    PIL.Image.fromarray(colour).save(tmp_path / "colour.png")
    hot = colour[..., 1] // 8
    hot[::40, ::40] = 255  # pixels that Python clips
    PIL.Image.fromarray(hot).save(tmp_path / "gray.bmp")
    segment(page, tmp_path / "colour.png")
    expect(told(page)).to_contain_text("RGB image turned into gray (0.299 R + 0.587 G + 0.114 B)")
    check(page, UNet.from_pretrained("unet-isbi").segment(colour, precision="float32"), tmp_path)

    page.get_by_label("Checkpoint").select_option("unet-nuclei")
    expect(told(page)).to_contain_text("unet-nuclei is here")
    network = UNet.from_pretrained("unet-nuclei")
    PIL.Image.fromarray(colour[..., 0]).save(tmp_path / "gray.png")
    segment(page, tmp_path / "gray.png")
    expect(told(page)).to_contain_text("gray image shown to an RGB network as three equal channels")
    check(page, network.segment(tmp_path / "gray.png", precision="float32"), tmp_path)
    expect(told(page)).not_to_contain_text("clipped")
    segment(page, tmp_path / "gray.bmp")
    expect(told(page)).to_contain_text("outliers (hot pixels?) were clipped")
    expected = network.segment(tmp_path / "gray.bmp", precision="float32")
    assert "20 pixels" in expected.notes[-1] and "clipped" in expected.notes[-1]
    check(page, expected, tmp_path)

    # Another checkpoint, and an image of several tiles.
    page.get_by_label("Checkpoint").select_option("unet-superalloy")
    expect(told(page)).to_contain_text("unet-superalloy is here")
    page.get_by_role("button", name="Or take its example").click()
    expect(page.locator("#private output")).to_have_text("unet-superalloy.png")
    with PIL.Image.open(SHIPPED / "unet-superalloy" / SAMPLE) as image:
        pixels = np.pad(np.asarray(image)[:200], [(0, 0), (0, 1100)], "reflect")[:, :1101]
    PIL.Image.fromarray(pixels).save(tmp_path / "wide.png")
    with cut_off(page):
        segment(page, tmp_path / "wide.png")
        expected = UNet.from_pretrained("unet-superalloy").segment(pixels, precision="float32")
        check(page, expected, tmp_path)


def test_what_a_browser_would_change_is_refused_and_what_is_computed_can_be_stopped(
    visitor: Page, tmp_path: Path, gray_image
):
    page = visitor
    deep, colour = gray_image.astype(np.uint16) * 257, np.dstack([gray_image] * 3)
    PIL.Image.fromarray(deep).save(tmp_path / "deep.png")
    PIL.Image.fromarray(gray_image).save(tmp_path / "gray.tif")
    np.save(tmp_path / "gray.npy", gray_image)
    PIL.Image.fromarray(np.dstack([colour, gray_image])).save(tmp_path / "clear.png")
    PIL.Image.fromarray(np.zeros((8, 4097), np.uint8)).save(tmp_path / "wide.png")
    PIL.Image.fromarray(colour).convert("CMYK").save(tmp_path / "print.jpg")
    PIL.Image.fromarray(colour).save(tmp_path / "turned.webp", exif=turned())
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("This is no picture at all.")
    (tmp_path / "cut.webp").write_bytes(b"RIFF\x24\0\0\0WEBPVP8 " + bytes(40))
    with cut_off(page):
        for name, why in {
            "deep.png": "has 16 bits a channel, which a browser would cut to 8",
            "gray.tif": "is a TIFF. Here it has to be an 8-bit PNG",
            "gray.npy": "is an NPY file",
            "clear.png": "is transparent in places",
            "wide.png": "has 4097 × 8 pixels",
            "print.jpg": "is a JPEG of 4 channels",
            "turned.webp": "is a WebP with EXIF",
            "text.png": "is of another kind",
            "empty.png": "is empty",
            "cut.webp": "cannot be decoded: it is damaged or cut off",
        }.items():
            page.locator("#private input[type=file]").set_input_files(tmp_path / name)
            expect(alert(page)).to_contain_text(f"{name} {why}")
            expect(page.get_by_role("button", name="Segment")).to_be_disabled()
        PIL.Image.fromarray(np.dstack([colour, np.full_like(gray_image, 255)])).save(
            tmp_path / "opaque.png"
        )
        choose(page, tmp_path / "opaque.png")
        expect(page.get_by_role("button", name="Segment")).to_be_enabled()
        expect(alert(page)).to_be_hidden()
        # What is refused leaves in view what is there, under its own name.
        page.locator("#private input[type=file]").set_input_files(tmp_path / "text.png")
        expect(alert(page)).to_contain_text("text.png is of another kind")
        expect(page.locator("#private output")).to_have_text("opaque.png")
        expect(page.get_by_role("button", name="Segment")).to_be_enabled()

    # Stop stops, and all goes on without a network.
    large = np.random.default_rng(0).integers(0, 256, (4096, 4096), dtype=np.uint8)
    PIL.Image.fromarray(large).save(tmp_path / "large.png", compress_level=0)
    PIL.Image.fromarray(large[:64, :64]).save(tmp_path / "small.png")
    with cut_off(page):
        choose(page, tmp_path / "large.png")
        page.get_by_role("button", name="Segment").click()
        expect(told(page)).to_have_text("Tile 1 of 16")
        expect(page.locator("#private progress")).to_be_visible()
        expect(page.get_by_role("button", name="Stop")).to_be_focused()
        page.keyboard.press("Enter")
        expect(told(page)).to_have_text("Stopped.")
        expect(page.locator("#private progress")).to_be_hidden()
        expect(page.get_by_role("button", name="Probabilities")).to_be_disabled()
        expect(page.get_by_role("button", name="Segment")).to_be_enabled()  # it may go again
        segment(page, tmp_path / "small.png")
        expect(page.get_by_role("button", name="Segment")).to_be_focused()
        page.get_by_label("Checkpoint").select_option("unet-nuclei")
        expect(alert(page)).to_contain_text("could not be fetched: there is no network")
        page.get_by_label("Checkpoint").select_option("unet-isbi")  # is here already
        expect(told(page)).to_contain_text("unet-isbi is here")
        segment(page, tmp_path / "small.png")


def test_a_file_is_named_after_its_picture_and_a_phone_takes_what_is_dropped(visitor: Page):
    """Named so also if another picture is chosen before the file is written."""
    page, path = visitor, SHIPPED / "unet-isbi" / SAMPLE
    segment(page, path)
    content = base64.b64encode(path.read_bytes()).decode()
    with page.expect_download() as download:
        page.evaluate(
            f"""(another) => {{
              document.querySelector("#private [data-save=mask]").click();
              ({HAND_OVER})(another);
            }}""",
            ["drop", "another.png", content],
        )
    assert download.value.suggested_filename == "input_mask.png"
    expect(page.locator("#private output")).to_have_text("another.png")

    # A phone sees all of it, and takes what is dropped or pasted.
    page.set_viewport_size({"width": 390, "height": 844})
    for kind, name in (("drop", "a_long_name_" * 9 + ".png"), ("paste", "pasted.png")):
        page.evaluate(HAND_OVER, [kind, name, content])  # anywhere on the page
        expect(page.locator("#private output")).to_have_text(name)
        expect(page.get_by_role("button", name="Segment")).to_be_enabled()
        expect(alert(page)).to_have_text("One image at a time here: of 2, this is the first.")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(page.locator("#private_viewer canvas.drawn")).to_be_visible()
    for name in ("Drop, paste or choose an image", "Checkpoint"):
        expect(page.locator("#private").get_by_label(name)).to_have_count(1)


# Two files, of which the second is empty.
HAND_OVER = """([kind, name, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer(), how = { bubbles: true, cancelable: true };
  for (const file of [new File([bytes], name), new File([], "other.png")]) files.items.add(file);
  document.body.dispatchEvent(kind === "drop"
    ? new DragEvent("drop", { ...how, dataTransfer: files })
    : new ClipboardEvent("paste", { ...how, clipboardData: files }));
}"""


@pytest.mark.deep("one thread segments as Python does")
def test_on_an_isolated_page_several_threads_segment_as_one_does(page: Page, tmp_path: Path):
    """The demo as people start it. Every other test here sees a page that is not isolated."""
    assert page.evaluate("crossOriginIsolated")
    page.get_by_role("tab", name="In your browser").click()
    page.locator("#private").get_by_label("Checkpoint").select_option("unet-isbi")
    expect(told(page)).to_contain_text("unet-isbi is here")
    path = SHIPPED / "unet-isbi" / SAMPLE
    with cut_off(page):
        choose(page, path)
        page.locator("#private .run").click()
        threads = min(4, page.evaluate("navigator.hardwareConcurrency"))
        expect(told(page)).to_contain_text(f"s in this browser on {threads} thread")
        check(page, UNet.from_pretrained("unet-isbi").segment(path, precision="float32"), tmp_path)


def test_a_space_is_not_isolated():
    """It stands in a frame of another site, which would have to be isolated, too."""
    assert isolation({"SPACE_ID": "org/space"}) == []


def turned() -> PIL.Image.Exif:
    """Says that an image lies on its side."""
    exif = PIL.Image.Exif()
    exif[ORIENTATION] = 6
    return exif


def test_pictures_and_numbers_in_the_browser_are_those_of_python(served: Callable, tmp_path: Path):
    with PIL.Image.open(SHIPPED / "unet-nuclei" / SAMPLE) as image:
        colour = image.convert("RGB").resize((97, 60))
    gray = colour.convert("L")
    colour.save(tmp_path / "colour.bmp")
    colour.quantize(32).save(tmp_path / "palette.png")
    colour.save(tmp_path / "colour.webp", lossless=True)
    colour.save(tmp_path / "turned.png", exif=turned())
    colour.save(tmp_path / "turned.jpg", exif=turned())
    gray.save(tmp_path / "gray.jpg")
    gray.convert("LA").save(tmp_path / "opaque.png")
    page = served(in_browser_tab)
    for path in sorted(tmp_path.glob("*.*")):
        expected = read_image(path).pixels
        content = np.frombuffer(path.read_bytes(), np.uint8)
        read = f"(await module.readPicture(new File([values], '{path.name}'))).pixels"
        found = run(page, "picture.js", read, content).reshape(expected.shape).astype(int)
        # Two libraries may round the cosines of a JPEG to neighbouring levels.
        assert np.abs(found - expected).max() <= (2 if path.suffix == ".jpg" else 0), path.name

    generator = np.random.default_rng(0)
    near = np.arange(STEPS + 1, dtype=np.float32) / np.float32(STEPS)
    probability = np.concatenate(
        [
            generator.random(100_000, np.float32),
            *(np.nextafter(near, np.float32(side)) for side in (0, 1)),
            near,
            np.logspace(-30, 0, 1000, dtype=np.float32),
        ]
    )
    codes = run(
        page, "numbers.js", f"module.probabilityCodes(values, {STEPS}, {FINE})", probability
    )
    assert np.array_equal(codes.view(np.uint16), probability_codes(probability[None])[0])

    logits = generator.normal(0, 3, (4, 30_000))
    several = (np.exp(logits) / np.exp(logits).sum(axis=0)).astype(np.float32)
    several[:, :9] = 0.25  # none more probable than the others
    planes = "module.planesOfClasses(values, 4)"
    found = run(page, "numbers.js", f"{planes}.classes", several)
    assert np.array_equal(found, several.argmax(axis=0))
    found = run(page, "numbers.js", f"{planes}.probability", several).view(np.uint16)
    assert np.array_equal(found, fixed_point(several.max(axis=0), np.uint16))
    found = run(page, "numbers.js", f"{planes}.entropy", several).astype(int)
    expected = fixed_point(entropy(several[:, None])[0], np.uint8).astype(int)
    assert np.abs(found - expected).max() <= 1  # of 255: logarithms are not alike to the last bit


def run(page: Page, module: str, expression: str, values: np.ndarray) -> np.ndarray:
    """(n,) uint8: the bytes of an expression about a `module` and `values`, float32 or uint8."""
    text = page.evaluate(
        """async ([address, expression, text, floats]) => {
        const module = await import(new URL(address, document.baseURI));
        const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
        const values = floats ? new Float32Array(bytes.buffer) : bytes;
        const body = `return (async () => ${expression})()`;
        const found = await new Function("module", "values", body)(module, values);
        const given = new Uint8Array(found.buffer);
        let letters = "";
        for (let i = 0; i < given.length; i += 8192)
          letters += String.fromCharCode(...given.subarray(i, i + 8192));
        return btoa(letters); }""",
        [
            served_address(WEB / module),
            expression,
            base64.b64encode(values.tobytes()).decode(),
            values.dtype == np.float32,
        ],
    )
    return np.frombuffer(base64.b64decode(text), np.uint8)


def test_the_runtime_is_the_one_that_was_published_and_goes_to_a_space():
    table = (RUNTIME / "README.md").read_text(encoding="utf-8")
    said = dict(re.findall(r"^\| (\S+) \|.*`([0-9a-f]{64})` \|$", table, re.M))
    assert set(said) == {path.name for path in RUNTIME.iterdir()} - {"README.md", "LICENSE"}
    assert {f"demo/in_browser/vendor/onnxruntime-web/{name}" for name in said} <= set(
        source_files(ROOT)
    )
    for name, expected in said.items():
        content = (RUNTIME / name).read_bytes()
        if name.endswith(".gz"):
            content = gzip.decompress(content)
        assert hashlib.sha256(content).hexdigest() == expected


def test_a_checkpoint_is_written_once_and_no_other_is():
    path, facts = exported("unet-isbi")
    assert exported("unet-isbi")[0] == path
    inputs = [given.name for given in onnxruntime.InferenceSession(path).get_inputs()]
    assert inputs == ["image", "mean", "std"]
    assert (facts["names"], facts["threshold"]) == (["membrane", "cell"], 0.25)
    with pytest.raises(ExportError, match="'org/other' does not come with this package"):
        exported("org/other")


@pytest.mark.deep("test_front_end.py parts objects as Python does")
def test_objects_are_counted_as_in_python_where_the_checkpoint_has_learned_to(
    served: Callable, tmp_path: Path, monkeypatch
):
    model = network(
        base_channels=4,
        depth=2,
        object_outputs={"version": 1, "channels": ["distance", "border"]},
        objects={"method": "learned", "seed": 0.1, "min_size": 6},
    )
    monkeypatch.setattr(in_browser, "load_model", lambda name: model)
    in_browser._exported.cache_clear()
    page = served(in_browser_tab)
    expect(told(page)).to_contain_text("unet-isbi is here")
    PIL.Image.fromarray(drawn_input(1)[:150, :, 0]).save(tmp_path / "cells.png")
    segment(page, tmp_path / "cells.png")
    in_browser._exported.cache_clear()
    expected = model.segment(tmp_path / "cells.png", precision="float32")
    found = int(re.search(r" ([\d,]+) objects? at the threshold 0\.5", told(page).inner_text())[1])
    # Another runtime rounds otherwise, which may join or part a few.
    assert found == pytest.approx(len(expected.objects()), abs=2)
    assert found > 5
    check(page, expected, tmp_path)


def test_without_the_package_onnx_the_tab_says_what_to_install(served: Callable, monkeypatch):
    in_browser._exported.cache_clear()
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnx" else real(name)
    )
    page = served(in_browser_tab)
    expect(alert(page)).to_contain_text("Install it there: pip install onnx")
    expect(page.get_by_role("button", name="Segment")).to_be_disabled()
