"""`read_image`: every kind of picture comes back pixel for pixel, with what was found said."""

import json
import struct
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from unet_hf import read_image
from unet_hf.errors import ImageTooLargeError, UnreadableImageError, UnsupportedLayoutError

from ..support.stored_images import (
    ALPHA,
    BITS,
    CMYK,
    COLOURS,
    FOUR_BITS,
    GRAY,
    GRAY16,
    NOISE,
    PALETTE,
    RGB,
    RGB16,
    RGBA,
    STACK,
    WHITE,
    YCBCR,
    check,
    save_all,
)

pytestmark = pytest.mark.filterwarnings("error")


def pil(pixels, mode=None, **options):
    image = PIL.Image.fromarray(pixels)
    image = image.quantize(16) if mode == "P" else image.convert(mode or image.mode)
    return lambda path: image.save(path, **options)


def tif(pixels, **options):
    return lambda path: tifffile.imwrite(path, pixels, **options)


def png(pixels):
    return lambda path: path.write_bytes(imagecodecs.png_encode(pixels.copy()))


def npy(array):
    return lambda path: np.save(path, array)


def by_pillow(path):
    """For lossy files, palettes and colour spaces: what Pillow makes of them."""
    with PIL.Image.open(path) as image:
        image = image.convert("RGBA") if "transparency" in image.info else image
        return np.asarray(image if image.mode == "L" else image.convert("RGB"))


def turned(pixels, mode):
    """RGB -> another colour mode and back, by Pillow."""
    return np.asarray(PIL.Image.fromarray(pixels).convert(mode).convert("RGB"))


def cmyk(inks):
    """The definition: light that neither the colour nor the black ink takes, rounded."""
    white = np.iinfo(inks.dtype).max
    light = white - inks.astype(np.float64)
    return np.round(light[..., :3] * light[..., 3:] / white).astype(inks.dtype)


KINDS = {  # file name: how it is written, pixels expected, axes, notes
    "gray.png": (pil(GRAY), GRAY, "YX"),
    "gray 16.png": (pil(GRAY16), GRAY16, "YX"),
    "gray alpha.png": (png(RGBA[..., :2]), GRAY, "YX", ALPHA),
    "gray alpha 16.png": (png(NOISE[..., :2]), GRAY16, "YX", ALPHA),
    "rgb.png": (pil(RGB), RGB, "YXS"),
    "rgb 16.png": (png(RGB16), RGB16, "YXS"),
    "rgba.png": (pil(RGBA), RGB, "YXS", ALPHA),
    "rgba 16.png": (png(NOISE), RGB16, "YXS", ALPHA),
    "bits.png": (pil(BITS), BITS, "YX"),
    "4 bits.png": (pil(FOUR_BITS * 17, bits=4), FOUR_BITS * 17, "YX"),
    "palette.png": (pil(RGB, "P"), by_pillow, "YXS", PALETTE),
    "glass palette.png": (pil(RGB, "P", transparency=b"\0\x80"), by_pillow, "YXS", PALETTE),
    "palette.gif": (pil(RGB, "P"), by_pillow, "YXS", PALETTE),
    "Zellen, Präparat №7 – 細胞.png": (pil(GRAY), GRAY, "YX"),
    "gray.jpg": (pil(GRAY), by_pillow, "YX"),
    "rgb.jpeg": (pil(RGB), by_pillow, "YXS"),
    "cmyk.jpg": (pil(RGB, "CMYK"), by_pillow, "YXS", CMYK),
    "rgb.webp": (pil(RGB, lossless=True), RGB, "YXS"),
    "rgb.bmp": (pil(RGB), RGB, "YXS"),
    "gray 16.pgm": (pil(GRAY16), GRAY16, "YX"),
    "12 bits.pgm": (lambda path: path.write_bytes(b"P5 2 1 4095\n\x0f\xff\x00\x01"),
                    np.array([[65535, 16]], np.uint16), "YX", "scaled from a maximum of 4095"),
    "text named.txt": (pil(GRAY, format="PNG"), GRAY, "YX"),
    "rgba.tif": (tif(RGBA, photometric="rgb"), RGB, "YXS", ALPHA),
    "rgbx.tif": (tif(RGBA, photometric="rgb", extrasamples=["unspecified"]), RGB, "YXS",
                 "unnamed 4th channel left out"),
    "gray alpha.tif": (pil(RGBA, "LA"), turned(RGB, "L")[..., 0], "YXS", ALPHA),
    "planar.tif": (tif(np.moveaxis(RGB, 2, 0), photometric="rgb", planarconfig="separate"),
                   RGB, "SYX"),
    "jpeg.tif": (tif(RGB, photometric="rgb", compression="jpeg"), by_pillow, "YXS"),
    "jpeg ycbcr.tif": (pil(RGB, "YCbCr", compression="jpeg"), by_pillow, "YXS"),
    "ycbcr.tif": (tif(np.asarray(PIL.Image.fromarray(RGB).convert("YCbCr")), photometric="ycbcr"),
                  turned(RGB, "YCbCr"), "YXS", YCBCR),
    "cmyk.tif": (tif(RGBA, photometric="separated"), cmyk(RGBA), "YXS", CMYK),
    "cmyk 16.tif": (tif(NOISE, photometric="separated"), cmyk(NOISE), "YXS", CMYK),
    "palette.tif": (pil(RGB, "P"), by_pillow, "YX", PALETTE),
    "bits.tif": (pil(BITS), BITS, "YX"),
    "fax.tif": (pil(BITS, compression="group4"), BITS, "YX"),
    "white is 0, bits.tif": (tif(BITS, photometric="miniswhite", software="a scanner"), ~BITS,
                             "YX", WHITE),
    "yes and no.tif": (tif(BITS), BITS, "YX",
                       "yes and no as tifffile wrote them: the stored values were taken"),
    "white is 0.tif": (tif(GRAY, photometric="miniswhite"), 255 - GRAY, "YX", WHITE),
    "white is 0, 12 bits.tif": (tif(GRAY16 >> 4, photometric="miniswhite", bitspersample=12),
                                4095 - (GRAY16 >> 4), "YX", WHITE),
    "white is 0, float.tif": (tif(GRAY / np.float32(9), photometric="miniswhite"),
                              GRAY / np.float32(9), "YX",
                              "not inverted: the file stores white as 0, but not what black is"),
    "4 bits.tif": (tif(FOUR_BITS, bitspersample=4), FOUR_BITS * 17, "YX",
                   "4-bit values scaled to 8 bits"),
    "gray.npy": (npy(GRAY16), GRAY16, "YX"),
    "big endian.npy": (npy(GRAY16.astype(">u2")), GRAY16, "YX"),
    "fortran.npy": (npy(np.asfortranarray(RGB)), RGB, "YXS",
                    "shape (12, 17, 3) read as (height, width, channels)"),
}  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_is_read_to_the_last_bit(name: str, tmp_path: Path):
    write, pixels, axes, *notes = KINDS[name]
    write(tmp_path / name)
    image = read_image(tmp_path / name)
    check(image, pixels(tmp_path / name) if callable(pixels) else pixels)
    assert (image.source, image.axes, image.notes) == (name, axes, tuple(notes))
    assert (image.page, image.pages) == (0, 1)
    assert json.loads(json.dumps(image.summary()))["dtype"] == str(image.dtype)
    assert str(tmp_path) not in json.dumps(image.summary())


TYPES = ["uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64"]
LAYOUTS = {
    "plain": {},
    "bigtiff": {"bigtiff": True},
    "big endian": {"byteorder": ">"},
    "big endian, deflate": {"byteorder": ">", "compression": "zlib", "predictor": True},
    "lzw": {"compression": "lzw"},
    "deflate, strips": {"compression": "zlib", "rowsperstrip": 5},
    "zstd": {"compression": "zstd"},
    "tiles, lzw": {"tile": (16, 16), "compression": "lzw"},
}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_tiff_keeps_its_dtype_however_it_is_stored(layout: str, dtype: str, tmp_path: Path):
    pixels = (RGB16 if "float" in dtype else RGB16 - 30000).astype(dtype)
    tif(pixels, photometric="rgb", **LAYOUTS[layout])(tmp_path / "image.tif")
    check(read_image(tmp_path / "image.tif"), pixels)


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
@pytest.mark.parametrize("ending", ["png", "tif", "bmp", "gif", "webp", "npy"])
def test_thin_and_tiny_images(size: tuple[int, int], ending: str, tmp_path: Path):
    pixels = np.resize(GRAY, size)
    write = npy(pixels) if ending == "npy" else pil(pixels, lossless=True)
    write(tmp_path / f"thin.{ending}")
    image = read_image(tmp_path / f"thin.{ending}")
    assert (image.height, image.width) == size
    assert np.array_equal(image.pixels[..., 0], pixels)


def with_exif_chunk(content: bytes, exif: bytes) -> bytes:
    """A PNG with an eXIf chunk behind its header of 33 bytes."""
    length, checksum = struct.pack(">I", len(exif)), struct.pack(">I", zlib.crc32(b"eXIf" + exif))
    return content[:33] + length + b"eXIf" + exif + checksum + content[33:]


@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("kind", ["jpg", "png", "16-bit png", "tif", "deflate tif"])
def test_orientation_is_applied_as_pillow_does(kind: str, orientation: int, tmp_path: Path):
    path = tmp_path / f"turned.{kind[-3:]}"
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    if kind.endswith("tif"):
        options = {"compression": "zlib"} if kind == "deflate tif" else {}
        tag = (0x0112, "H", 1, orientation, True)
        tif(RGB, photometric="rgb", extratags=[tag], **options)(path)
    elif kind == "16-bit png":
        content = imagecodecs.png_encode(RGB16.copy())
        path.write_bytes(with_exif_chunk(content, exif.tobytes().removeprefix(b"Exif\0\0")))
    else:
        pil(RGB, exif=exif)(path)
    image = read_image(path)
    with PIL.Image.open(path) as opened:
        upright = np.asarray(PIL.ImageOps.exif_transpose(opened))
    pixels = image.pixels >> 8 if kind == "16-bit png" else image.pixels  # Pillow keeps 8 bits
    assert np.array_equal(pixels, upright)
    assert any("rotated" in note for note in image.notes) == (2 <= orientation <= 8)


def expected_page(array: np.ndarray, axes: str, page: int) -> np.ndarray:
    """By plain transposition: pages first in the order of the axes, then Y, X and channels."""
    others = [axis for axis in axes if axis not in "YXSC"]
    order = [*others, "Y", "X", *(axis for axis in axes if axis in "SC")]
    array = array.transpose([axes.index(axis) for axis in order])
    return array.reshape(-1, *array.shape[len(others) :])[page]


STACKS = {  # file name: how it is written, array, axes of the array, pages
    "imagej.tif": (tif(STACK, imagej=True), STACK, "TZCYX", 6),
    "imagej deflate.tif": (tif(STACK, imagej=True, compression="zlib"), STACK, "TZCYX", 6),
    "plain.ome.tif": (tif(STACK, metadata={"axes": "TCZYX"}), STACK, "TCZYX", 4),
    "lzw.ome.tif": (tif(STACK, metadata={"axes": "TCZYX"}, compression="lzw"), STACK, "TCZYX", 4),
    "colours.ome.tif": (tif(COLOURS, photometric="rgb", metadata={"axes": "ZYXS"}),
                        COLOURS, "ZYXS", 2),
    "volume.tif": (tif(STACK[0, :, 0], volumetric=True, tile=(2, 16, 16), compression="zlib",
                       photometric="minisblack"), STACK[0, :, 0], "ZYX", 3),
    "pages.tif": (save_all, STACK[0, :, 0], "IYX", 3),
    "animation.webp": (save_all, None, "YXS", 3),
    "animation.gif": (save_all, None, "YXS", 3),
}  # fmt: skip


@pytest.mark.parametrize("name", STACKS)
def test_every_page_of_a_stack(name: str, tmp_path: Path):
    write, array, axes, pages = STACKS[name]
    write(tmp_path / name)
    for page in range(pages):
        image = read_image(tmp_path / name, page=page)
        if array is None:  # an animation
            check(image, np.stack([STACK[0, page, 0]] * 3, axis=2))
        else:
            check(image, expected_page(array, axes, page))
        assert (image.axes, image.page, image.pages) == (axes, page, pages)
        said = f"page {page} of {pages} (counted from 0); the others were not looked at"
        assert image.notes[-1] == said
    with pytest.raises(UnsupportedLayoutError, match=f"no page {pages}: it has {pages} pages"):
        read_image(tmp_path / name, page=pages)


def test_axes_that_a_tiff_does_not_name_are_said_or_given(tmp_path: Path):
    tif(STACK[0, 0], photometric="minisblack")(tmp_path / "stack.tif")
    image = read_image(tmp_path / "stack.tif", page=1)
    check(image, STACK[0, 0, 1])
    assert image.notes[0] == "axes 'QYX' are not named in the file: Q read as pages"
    check(read_image(tmp_path / "stack.tif", axes="cyx"), np.moveaxis(STACK[0, 0], 0, 2))


def in_series(path):
    """Two channels of three pages, in directories of their own."""
    tifffile.imwrite(path, STACK[0], photometric="minisblack", compression="zlib", ome=True,
                     metadata={"axes": "ZCYX"})  # fmt: skip


@pytest.mark.parametrize("name", [*KINDS, *STACKS])
def test_a_channel_is_that_of_the_whole_image(name: str, tmp_path: Path):
    write = (KINDS.get(name) or STACKS[name])[0]
    write(tmp_path / name)
    whole = read_image(tmp_path / name)
    for channel in range(whole.channels):
        image = read_image(tmp_path / name, channel=channel)
        check(image, whole.pixels[..., channel])
        assert (image.axes, image.pages) == (whole.axes, whole.pages)
        assert image.pixel_size == whole.pixel_size
        if whole.channels > 1:
            assert (image.channel, image.all_channels) == (channel, whole.channels)
            said = f"channel {channel} of {whole.channels} (counted from 0)"
            assert image.notes == (*whole.notes, f"{said}; the others were not looked at")
    for channel in (whole.channels, -1, 0.5):
        with pytest.raises(UnsupportedLayoutError, match=f"no channel {channel}: it has "):
            read_image(tmp_path / name, channel=channel)  # type: ignore[arg-type]


def test_only_the_channel_asked_for_is_decoded_and_weighed(tmp_path: Path):
    in_series(tmp_path / "stack.tif")
    with tifffile.TiffFile(tmp_path / "stack.tif") as file:
        place = file.pages[3]  # page 1, channel 1
        start, length = place.dataoffsets[0], place.databytecounts[0]
    content = bytearray((tmp_path / "stack.tif").read_bytes())
    content[start : start + length] = b"\xff" * length
    (tmp_path / "stack.tif").write_bytes(content)
    check(read_image(tmp_path / "stack.tif", page=1, channel=0), STACK[0, 1, 0])
    with pytest.raises(UnreadableImageError):
        read_image(tmp_path / "stack.tif", page=1, channel=1)

    many = np.zeros((9, 10, 10), np.uint8)
    with pytest.raises(ImageTooLargeError, match="9 layers"):
        read_image(many, axes="CYX", max_pixels=100)
    read_image(many, axes="CYX", channel=8, max_pixels=100)


def test_colours_are_told_from_channels(tmp_path: Path):
    tif(RGB, photometric="rgb")(tmp_path / "colours.tif")
    tif(RGB, photometric="minisblack", planarconfig="contig")(tmp_path / "channels.tif")
    assert read_image(tmp_path / "colours.tif").is_rgb
    assert not read_image(tmp_path / "channels.tif").is_rgb
    assert read_image(RGB).is_rgb
    assert not read_image(RGB, axes="YXC").is_rgb
    assert not read_image(GRAY).is_rgb


def test_pages_of_different_sizes_types_and_palettes(tmp_path: Path):
    path = tmp_path / "scans.tif"
    scans = [GRAY, GRAY16[:5], GRAY // 3, RGB]
    with tifffile.TiffWriter(path) as file:
        for pixels in scans:
            file.write(pixels, metadata=None)
    for page, pixels in enumerate(scans):
        check(read_image(path, page=page), pixels)
    first, second = (PIL.Image.fromarray(pixels).quantize(8) for pixels in (RGB, RGB[::-1]))
    first.save(path, save_all=True, append_images=[second])
    check(read_image(path, page=0), np.asarray(first.convert("RGB")))
    check(read_image(path, page=1), np.asarray(second.convert("RGB")))


def test_only_the_page_asked_for_is_decoded(tmp_path: Path):
    path = tmp_path / "stack.tif"
    tif(STACK[0, :, 0], photometric="minisblack", compression="zlib")(path)
    with tifffile.TiffFile(path) as file:
        start, length = file.pages[1].dataoffsets[0], file.pages[1].databytecounts[0]
    content = bytearray(path.read_bytes())
    content[start : start + length] = b"\xff" * length
    path.write_bytes(content)
    for page in (0, 2):
        check(read_image(path, page=page), STACK[0, page, 0])
    with pytest.raises(UnreadableImageError):
        read_image(path, page=1)


@given(st.permutations("TZCYX"), st.integers(0, 5), st.booleans())
def test_axes_in_any_order(order: list[str], page: int, fortran: bool):
    array = STACK.transpose(["TZCYX".index(axis) for axis in order])
    array = np.asfortranarray(array) if fortran else array
    image = read_image(array, axes="".join(order), page=page)
    check(image, expected_page(array, "".join(order), page))
    assert image.pages == 6


@pytest.mark.parametrize("write", [tifffile.imwrite, np.save])
def test_pixels_outlive_the_file(write, tmp_path: Path):
    path = tmp_path / "image.npy"
    write(path, GRAY)
    image = read_image(path)
    with path.open("r+b") as file:
        file.write(bytes(2000))
    check(image, GRAY)


def test_what_tifffile_logs_is_dropped_of_a_file_that_is_refused_and_of_no_other(tmp_path, caplog):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, NOISE[..., 0], software="a text that is stored behind the tags")
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        tags = {tag.name: tag.offset for tag in tiff.pages.first.tags.values()}

    def damage(name: str, first: int, value: bytes) -> None:
        content[tags[name] + first : tags[name] + first + len(value)] = value
        path.write_bytes(content)

    damage("Software", 8, struct.pack("<I", 10**9))  # where its text is stored
    assert np.array_equal(read_image(path).pixels, NOISE[..., :1])
    assert [record.name for record in caplog.records] == ["tifffile"]
    caplog.clear()
    damage("ImageWidth", 2, struct.pack("<H", 99))  # a type that there is not
    with pytest.raises(UnreadableImageError):
        read_image(path)
    assert not caplog.records
    tifffile.TiffFile(path).close()  # by someone else in the same process
    assert {record.name for record in caplog.records} == {"tifffile"}
