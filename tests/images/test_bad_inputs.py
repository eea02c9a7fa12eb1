"""What is no usable image gives the one error that says so, and nothing else."""

import os
import random
import subprocess
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile

from unet_hf import UNet, read_image
from unet_hf.errors import (
    ImageError,
    ImageNotFoundError,
    ImageTooLargeError,
    UnreadableImageError,
    UnsupportedLayoutError,
)
from unet_hf.images.image_data import decoder_errors

from ..support.bad_inputs import BAD_INPUTS, GRAY, NOISE, BadInput, half, npy, picture, tiff
from ..support.processes import forked_python

pytestmark = pytest.mark.filterwarnings("error")
STACK = np.stack([GRAY, GRAY // 2, GRAY // 3])


@pytest.fixture(scope="module", params=[1, 3], ids=["gray network", "RGB network"])
def model(request: pytest.FixtureRequest) -> UNet:
    return UNet(in_channels=request.param, base_channels=2, depth=2, tile_size=64)


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.name)
def test_a_bad_file_gives_its_error_in_plain_words(bad: BadInput, model: UNet, tmp_path: Path):
    path = bad.write(tmp_path)
    assert path.stat().st_size < 100_000
    with pytest.raises(ImageError) as raised:
        model.segment(path)
    message = str(raised.value)
    assert type(raised.value) is bad.error
    assert bad.words in message
    assert message.startswith(bad.name)
    assert message.endswith(".")
    assert len(message) < 400
    assert "\n" not in message
    assert "Traceback" not in message
    assert str(tmp_path) not in message


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=lambda bad: bad.name)
def test_the_demos_smaller_limit_changes_no_error(bad: BadInput, tmp_path: Path):
    path = bad.write(tmp_path)
    try:
        read_image(path, max_pixels=4096 * 4096)
    except ImageError as error:
        assert type(error) is bad.error
    else:
        assert bad.error.__name__ in ("ChannelMismatchError", "NonFiniteImageError")


PYTHON_ONLY = {
    "missing": (lambda folder: folder / "missing.png", {}, ImageNotFoundError, "spelling"),
    "folder": (lambda folder: folder, {}, ImageNotFoundError, "is a folder"),
    "long name": (lambda folder: folder / ("x" * 300), {}, UnreadableImageError, "too long"),
    "address": (lambda _: "https://x.org/a.png", {}, ImageNotFoundError, "Download"),
    "None": (lambda _: None, {}, UnsupportedLayoutError, "NoneType is not"),
    "int": (lambda _: 7, {}, UnsupportedLayoutError, "int is not"),
    "list": (lambda _: [[1, 2], [3, 4]], {}, UnsupportedLayoutError, "NumPy array"),
    "bytes": (lambda _: picture("PNG"), {}, UnsupportedLayoutError, "a file's path"),
    "number": (lambda _: np.float64(1), {}, UnsupportedLayoutError, "()"),
    "objects": (lambda _: np.array([[None]]), {}, UnsupportedLayoutError, "type object"),
    "channels first": (lambda _: np.zeros((3, 9, 9)), {}, UnsupportedLayoutError, "axes='CYX'"),
    "page 1 of 1": (lambda _: GRAY, {"page": 1}, UnsupportedLayoutError, "it has 1 page"),
    "page -1": (lambda _: GRAY, {"page": -1}, UnsupportedLayoutError, "counted from 0"),
    "page '0'": (lambda _: GRAY, {"page": "0"}, UnsupportedLayoutError, "no page '0'"),
    "page 9 of 5": (lambda _: np.zeros((5, 9, 9)), {"page": 9, "axes": "ZYX"},
                    UnsupportedLayoutError, "from 0 to 4"),
    "too many axes": (lambda _: GRAY, {"axes": "ZYX"}, UnsupportedLayoutError, "names 3 axes"),
    "no X": (lambda _: GRAY, {"axes": "YC"}, UnsupportedLayoutError, "one Y and one X"),
    "Y twice": (lambda _: NOISE, {"axes": "YYX"}, UnsupportedLayoutError, "each letter once"),
    "C and S": (lambda _: NOISE[None], {"axes": "CYXS"}, UnsupportedLayoutError, "both colour"),
    "axes no word": (lambda _: GRAY, {"axes": ["Y", "X"]}, UnsupportedLayoutError, "'CYX'"),
    "axes of no TIFF": (lambda _: PIL.Image.fromarray(NOISE), {"axes": "SYX"},
                        UnsupportedLayoutError, "Leave axes out"),
    "no pages": (lambda _: np.zeros((0, 9, 9)), {"axes": "ZYX"}, UnsupportedLayoutError, "(0, 9"),
    "no channels": (lambda _: np.zeros((9, 9, 0)), {}, UnsupportedLayoutError, "no pixels"),
    "PIL, empty": (lambda _: PIL.Image.new("L", (0, 5)), {}, UnsupportedLayoutError, "no pixels"),
    "PIL, Lab": (lambda _: PIL.Image.new("LAB", (5, 5)), {}, UnsupportedLayoutError, "'LAB'"),
    "many pixels": (lambda _: GRAY, {"max_pixels": 4799}, ImageTooLargeError, "80 x 60 pixels"),
    "many channels": (lambda _: np.zeros((9, 9, 20)), {"axes": "YXC", "max_pixels": 99},
                      ImageTooLargeError, "in 20 layers"),
}  # fmt: skip


@pytest.mark.parametrize("name", PYTHON_ONLY)
def test_what_only_python_can_pass(name: str, tmp_path: Path):
    source, options, error, words = PYTHON_ONLY[name]
    with pytest.raises(ImageError) as raised:
        read_image(source(tmp_path), **options)
    assert type(raised.value) is error
    assert words in str(raised.value)
    assert str(raised.value).endswith(".")


def test_a_pillow_image_that_cannot_be_decoded_is_named_too(tmp_path: Path):
    path = tmp_path / "cut.png"
    path.write_bytes(half(picture("PNG")))
    with PIL.Image.open(path) as image, pytest.raises(UnreadableImageError, match="truncated"):
        read_image(image)


@pytest.mark.parametrize(
    "error",  # that Pillow raises without memory
    [
        SystemError("error return without exception set"),
        OSError("codec configuration error when reading image file"),
        OSError("out of memory when reading image file"),
    ],
)
def test_a_decoder_that_fails_without_a_reason_may_lack_memory(error):
    with (
        pytest.raises(UnreadableImageError, match=r"cell\.png .* memory is short"),
        decoder_errors("cell.png", 10**6),
    ):
        raise error


def test_many_small_pages_that_make_one_large_image_are_refused(tmp_path: Path):
    """A channel a page, each of 2 KB: together 250 times the pixels that the first announces."""
    path = tmp_path / "bomb.tif"
    pixels = np.zeros((250, 64, 64), np.uint8)
    tifffile.imwrite(path, pixels, imagej=True, compression="zlib", metadata={"axes": "CYX"})
    with pytest.raises(ImageTooLargeError, match="64 x 64 pixels in 250 layers"):
        read_image(path, max_pixels=128 * 128)


def test_the_limit_is_inclusive_and_holds_for_every_way_in(tmp_path: Path):
    image = PIL.Image.fromarray(GRAY)
    image.save(tmp_path / "image.png")
    tifffile.imwrite(tmp_path / "image.tif", GRAY)
    np.save(tmp_path / "image.npy", GRAY)
    for source in (*tmp_path.iterdir(), GRAY, image):
        assert read_image(source, max_pixels=GRAY.size).channels == 1
        with pytest.raises(ImageTooLargeError, match="80 x 60 pixels"):
            read_image(source, max_pixels=GRAY.size - 1)


def test_a_tiff_whose_list_of_pages_breaks_off_says_so(tmp_path: Path):
    path = tmp_path / "stack.tif"
    first, *others = map(PIL.Image.fromarray, STACK)
    first.save(path, save_all=True, append_images=others)
    with tifffile.TiffFile(path) as file:
        last = file.pages[2].offset
    path.write_bytes(path.read_bytes()[:last])
    image = read_image(path)
    assert np.array_equal(image.pixels[..., 0], GRAY)
    assert image.pages == 2
    assert image.notes[0] == "the list of pages breaks off: the file may be cut"


def test_the_error_of_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    path = tmp_path / "image.png"
    path.write_bytes(picture("PNG"))
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnreadableImageError, match=r"^image.png cannot be opened: Permission"):
        read_image(path)


# ---------------------------------------------------------------- damage at random

GOOD = {
    "image.png": lambda: picture("PNG"),
    "image.jpg": lambda: picture("JPEG"),
    "image.gif": lambda: picture("GIF"),
    "image.npy": lambda: npy(NOISE),
    "plain.tif": lambda: tiff(STACK, photometric="minisblack"),
    "deflate.tif": lambda: tiff(STACK, photometric="minisblack", compression="zlib"),
    "lzw.tif": lambda: tiff(NOISE // 64, photometric="rgb", compression="lzw"),
    "jpeg.tif": lambda: tiff(NOISE, photometric="rgb", compression="jpeg"),
}


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Cut, or with 1 to 16 bytes changed, half of the time near the front where the headers are."""
    if chance.random() < 0.15:
        return content[: chance.randrange(len(content))]
    changed = bytearray(content)
    reach = min(len(changed), chance.choice([400, len(changed)]))
    for _ in range(chance.choice([1, 2, 4, 16])):
        changed[chance.randrange(reach)] = chance.choice([0, 127, 255, chance.randrange(256)])
    return bytes(changed)


def read_damaged(name: str, folder: Path, cases: int) -> None:
    """Reads so many damaged copies within 8 GB; only an `ImageError` may come out."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
    content, chance, path = GOOD[name](), random.Random(name), folder / name
    for _ in range(cases):
        path.write_bytes(damaged(content, chance))
        try:
            read_image(path, page=chance.choice([0, 0, 1]), max_pixels=4096 * 4096)
        except ImageError as error:
            assert str(folder) not in str(error)


@pytest.mark.parametrize("name", GOOD)
def test_damage_at_random_gives_pixels_or_an_image_error(name: str, tmp_path: Path, sample):
    script = "import sys, warnings; from pathlib import Path; warnings.simplefilter('error')"
    command = f"{script}; from tests.images.test_bad_inputs import read_damaged; "
    command += "read_damaged(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))"
    subprocess.run(  # its own process: a crash of a decoder, or no end, fails this test alone
        [*forked_python(), "-c", command, name, str(tmp_path), str(sample(100, 300))],
        check=True, timeout=100, cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.mark.parametrize("name", ["image.png", "image.npy", "deflate.tif", "lzw.tif", "jpeg.tif"])
def test_a_cut_file_is_never_read_as_another_picture(name: str, tmp_path: Path):
    content, path = GOOD[name](), tmp_path / name
    path.write_bytes(content)
    whole = read_image(path).pixels
    for length in np.linspace(1, len(content) - 1, 100).astype(int):
        path.write_bytes(content[:length])
        try:
            pixels = read_image(path).pixels
        except ImageError:
            continue
        assert np.array_equal(pixels, whole)
