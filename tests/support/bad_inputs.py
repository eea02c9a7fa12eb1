"""Files that are no usable image, each with the error it must give and a part of its words.

Every one is a single small file, so that Python, the demo's API and a browser can be given
the same ones.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
import PIL.Image
import tifffile

from unet_hf.errors import (
    ChannelMismatchError,
    ImageError,
    ImageTooLargeError,
    NonFiniteImageError,
    UnreadableImageError,
    UnsupportedLayoutError,
)

NOISE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
GRAY = NOISE[..., 0]
NO_FORMAT = "not an image in a known format"
DAMAGED = "damaged, cut off, or of a rare kind"


@dataclass(frozen=True)
class BadInput:
    name: str  # of the file
    content: Callable[[], bytes]
    error: type[ImageError]
    words: str  # a part of the message: what was seen, or the cure

    def write(self, folder: Path) -> Path:
        path = folder / self.name
        path.write_bytes(self.content())
        return path


def picture(format: str, **options) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(NOISE).save(file, format, **options)
    return file.getvalue()


def tiff(pixels: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def deflated_tiff_with_a_flipped_bit() -> bytes:
    content = bytearray(tiff(NOISE, compression="zlib", photometric="rgb"))
    content[len(content) // 2] ^= 16
    return bytes(content)


def tiff_header(width: int, height: int) -> bytes:
    """A TIFF of one uncompressed 8-bit strip of which only 8 bytes are there."""
    values = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height,
              279: min(width * height, 2**32 - 1)}  # fmt: skip
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items())
    return b"II*\0" + struct.pack("<I", 16) + bytes(8) + struct.pack("<H", 9) + tags + bytes(4)


def png_header(width: int, height: int) -> bytes:
    """A PNG whose checksums hold, with 100 bytes of pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def jpeg_bomb_in_a_tiff() -> bytes:
    """16 x 16 pixels by the TIFF's word, 65000 x 65000 by that of the JPEG inside."""
    strip = bytearray(imagecodecs.jpeg_encode(np.zeros((16, 16), np.uint8)))
    size = strip.find(b"\xff\xc0") + 5
    strip[size : size + 4] = struct.pack(">HH", 65000, 65000)
    options = {"shape": (16, 16), "dtype": "uint8", "compression": "jpeg"}
    return tiff(iter([bytes(strip)]), photometric="minisblack", **options)


def lzw_code_from_nowhere() -> bytes:
    """LZW that clears its table and then uses entry 300 of it, which crashes some decoders."""
    codes = [256, 65, 256, *range(300, 310), 257]
    bits = "".join(f"{code:09b}" for code in codes).ljust(128, "0")
    strip = int(bits, 2).to_bytes(16, "big")
    options = {"shape": (16, 16), "dtype": "uint8", "compression": "lzw"}
    return tiff(iter([strip]), photometric="minisblack", **options)


def pages_in_a_circle() -> bytes:
    """Two pages, and after the second the first again."""
    content = bytearray(tiff(np.stack([GRAY, GRAY]), photometric="minisblack", compression="zlib"))
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        first, second = (page.offset for page in file.pages)
    tags = struct.unpack_from("<H", content, second)[0]
    struct.pack_into("<I", content, second + 2 + 12 * tags, first)
    return bytes(content)


def zip_archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("image.png", picture("PNG"))
    return file.getvalue()


def with_value(value: float, dtype: str = "float32") -> np.ndarray:
    image = GRAY.astype(dtype)
    image[30, 40] = value
    return image


HTML = b"<!DOCTYPE html><html><title>404 Not Found</title><p>The image has moved.</html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><circle r="9"/></svg>'
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500)
FIVE = np.stack([GRAY] * 5)

BAD_INPUTS = [
    BadInput("empty.png", bytes, UnreadableImageError, "empty (0 bytes)"),
    BadInput("text.png", lambda: b"This is no image.\n", UnreadableImageError, NO_FORMAT),
    BadInput("archive.png", zip_archive, UnreadableImageError, "50 4b 03 04"),
    BadInput("paper.pdf", lambda: b"%PDF-1.7\n1 0 obj\n", UnreadableImageError, NO_FORMAT),
    BadInput("drawing.svg", lambda: SVG, UnreadableImageError, "Export it as PNG or TIFF"),
    BadInput("figure.eps", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", UnreadableImageError, NO_FORMAT),
    BadInput("cube.h5", lambda: b"\x89HDF\r\n\x1a\n" + bytes(99), UnreadableImageError, NO_FORMAT),
    BadInput("page not found.jpg", lambda: HTML, UnreadableImageError, NO_FORMAT),
    BadInput("photo.heic", lambda: HEIC, UnreadableImageError, NO_FORMAT),
    BadInput("cut.png", lambda: half(picture("PNG")), UnreadableImageError, DAMAGED),
    BadInput("cut.jpg", lambda: half(picture("JPEG")), UnreadableImageError, DAMAGED),
    BadInput("cut.gif", lambda: half(picture("GIF")), UnreadableImageError, DAMAGED),
    BadInput("cut.tif", lambda: half(tiff(NOISE)), UnreadableImageError, DAMAGED),
    BadInput("cut.npy", lambda: half(npy(NOISE)), UnreadableImageError, DAMAGED),
    BadInput("cut jpeg.tif", lambda: tiff(NOISE, compression="jpeg")[:-200],
             UnreadableImageError, "its pixels end at byte"),
    BadInput("flipped bit.tif", deflated_tiff_with_a_flipped_bit, UnreadableImageError, DAMAGED),
    BadInput("lzw.tif", lzw_code_from_nowhere, UnreadableImageError, DAMAGED),
    BadInput("noise.tif", lambda: b"II*\0" + NOISE.tobytes()[:500], UnreadableImageError,
             "Export it again"),
    BadInput("signature.tif", lambda: b"II*\0", UnreadableImageError, DAMAGED),
    BadInput("no pages.tif", lambda: b"II*\0" + bytes(4), UnreadableImageError,
             "without a picture"),
    BadInput("circle.tif", pages_in_a_circle, UnreadableImageError, "runs in a circle"),
    BadInput("pickle.npy", lambda: npy(np.array([{1: 2}], dtype=object)),
             UnreadableImageError, "Python objects"),
    BadInput("huge.tif", lambda: tiff_header(200_000, 200_000), ImageTooLargeError,
             "200000 x 200000 pixels"),
    BadInput("bomb.png", lambda: png_header(60_000, 60_000), ImageTooLargeError,
             "3600 million pixels"),
    BadInput("bomb inside.tif", jpeg_bomb_in_a_tiff, ImageTooLargeError, "4225 million pixels"),
    BadInput("complex.tif", lambda: tiff(GRAY.astype("complex64")), UnsupportedLayoutError,
             "np.abs(image)"),
    BadInput("lab.tif", lambda: tiff(NOISE, photometric="cielab"), UnsupportedLayoutError,
             "CIELAB"),
    BadInput("camera raw.tif", lambda: tiff(GRAY, photometric="cfa"), UnsupportedLayoutError,
             "stores its colours as CFA"),
    BadInput("five axes.npy", lambda: npy(np.zeros((2, 3, 4, 5, 6))), UnsupportedLayoutError,
             "(2, 3, 4, 5, 6)"),
    BadInput("strings.npy", lambda: npy(np.array([["a", "b"]])), UnsupportedLayoutError, "<U1"),
    BadInput("table.npy", lambda: npy(np.zeros((9, 9), [("x", "f4"), ("y", "f4")])),
             UnsupportedLayoutError, "'x'"),
    BadInput("no pixels.npy", lambda: npy(np.zeros((0, 10))), UnsupportedLayoutError, "(0, 10)"),
    BadInput("five channels.tif", lambda: tiff(FIVE, metadata={"axes": "CYX"}),
             ChannelMismatchError, "has 5 channels"),
    BadInput("two channels.tif", lambda: tiff(NOISE[..., :2], planarconfig="contig"),
             ChannelMismatchError, "has 2 channels"),
    BadInput("nan.tif", lambda: tiff(np.full((9, 9), np.nan, "float32")), NonFiniteImageError,
             "holds no data: all its pixels are NaN"),
    BadInput("infinite.tif", lambda: tiff(with_value(-np.inf)), NonFiniteImageError, "1 in all"),
    BadInput("astronomical.tif", lambda: tiff(with_value(1e300, "float64")), NonFiniteImageError,
             "Scale it down first"),
]  # fmt: skip
