"""Opening a picture with Pillow: the formats that are wanted, and no texts.

Pillow unpacks all texts and the colour profile of a PNG, and refuses files where they are large.
They are not needed here, so Pillow is given the file without them.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import PIL.Image

from .one_file import check_is_file

# JPEG includes MPO. Pillow has more: formats that only name or draw other things (EPS, WMF, HDF5),
# TIFF, which tifffile reads better, and some that nobody asked for.
FORMATS = (
    "AVIF", "BMP", "DCX", "DDS", "DIB", "FITS", "GIF", "ICNS", "ICO", "IM", "JPEG", "JPEG2000",
    "MSP", "PCX", "PNG", "PPM", "PSD", "QOI", "SGI", "SUN", "TGA", "WEBP", "XBM",
)  # fmt: skip
# The frames of a PSD are its layers, which together are one picture. Those of an MPO are what a
# camera made beside the picture: a preview, a depth map, the view of the other eye.
ONE_PICTURE = ("PSD", "MPO")

PNG = b"\x89PNG\r\n\x1a\n"
TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
# The texts that may say how the picture is turned.
TURNED = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
MOST_TEXT = 2**24  # bytes of such a text, unpacked


def open_picture(source: Path | bytes) -> PIL.Image.Image:
    """Opens a file, or the content of one, with Pillow.

    Raises:
        ImageError: The path is no regular file.
        PIL.UnidentifiedImageError: It has none of the wanted formats.
    """
    PIL.Image.init()
    formats = [name for name in FORMATS if name in PIL.Image.OPEN]  # not each Pillow has AVIF
    if isinstance(source, Path):
        check_is_file(source)
        with source.open("rb") as file:
            is_png = file.read(len(PNG)) == PNG
        if not is_png:
            return PIL.Image.open(source, formats=formats)
        source = source.read_bytes()
    return PIL.Image.open(io.BytesIO(without_texts(source)), formats=formats)


def count_frames(picture: PIL.Image.Image) -> int:
    """Returns the number of frames that are pages."""
    return 1 if picture.format in ONE_PICTURE else getattr(picture, "n_frames", 1)


def without_texts(content: bytes) -> bytes:
    """Returns a PNG without texts and colour profile; any other file as it is."""
    if not content.startswith(PNG) or not any(kind in content for kind in TEXTS):
        return content
    parts, start = [PNG], len(PNG)
    for kind, data, end in _chunks(content):
        if kind not in TEXTS:
            parts.append(content[start:end])
        elif data.startswith(TURNED):
            parts.append(_unpacked(kind, data))
        start = end
    return b"".join([*parts, content[start:]])  # what is damaged is left to Pillow


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes, int]]:
    """Yields kind and data of each whole chunk, and where it ends."""
    start = len(PNG)
    while start + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, start)
        end = start + 12 + length
        if end > len(content):
            return
        yield kind, content[start + 8 : end - 4] if kind in TEXTS else b"", end
        start = end


def _unpacked(kind: bytes, data: bytes) -> bytes:
    """Returns a text as a chunk that is not compressed, which Pillow takes at any length.

    Nothing, if it is damaged or too long.
    """
    keyword, _, rest = data.partition(b"\0")
    if kind == b"zTXt":
        kind, head, packed = b"tEXt", keyword + b"\0", rest[1:]
    elif kind == b"iTXt" and rest[:1] == b"\1":
        language, _, translated = rest[2:].partition(b"\0")
        translated, _, packed = translated.partition(b"\0")
        head = keyword + b"\0\0\0" + language + b"\0" + translated + b"\0"
    else:
        head, packed = data, b""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(packed, MOST_TEXT) if packed else b""
    except zlib.error:
        return b""
    if unpacker.unconsumed_tail:
        return b""
    data = head + text
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
