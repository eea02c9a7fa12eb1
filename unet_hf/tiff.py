"""TIFF of any kind, through tifffile: one page of it, upright, as gray or RGB or channels.

tifffile and its codecs trust what a file says of itself. What a damaged or hostile file could
do with that (a crash, an endless loop, all of the memory) is looked for first.
"""

import contextlib
import io
import math
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image

from .errors import UnreadableImageError, UnsupportedLayoutError
from .image_data import (
    ORIENTATION,
    ImageData,
    check_axes,
    check_channel,
    check_page,
    check_size,
    checked,
    count_pages,
    oriented,
    say_channel,
    say_pages,
    select_channel,
    select_page,
)
from .pixel_size import read_pixel_size

if TYPE_CHECKING:
    import tifffile

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
JPEG = (6, 7, 33007, 34892)  # compressions that tifffile turns into RGB
LZW = 5
# Compressions of strips that bring a size of their own, which may be a bomb.
SELF_SIZED = (*JPEG, 33003, 33004, 33005, 34712, 50001)
SELF_SIZED_FORMATS = ("JPEG", "JPEG2000", "WEBP")


def read_tiff(
    path: Path, page: int, axes: str | None, max_pixels: int, channel: int | None = None
) -> ImageData:
    """See `read_image`. A channel that lies apart from the others is read alone; of one that is
    interleaved with them, or part of a colour, nothing is picked here."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        notes = [] if _ends_well(tiff) else ["the list of pages breaks off: the file may be cut"]
        places = _places(tiff, axes)
        if not places:
            raise UnreadableImageError(f"{path.name} is a TIFF without a picture. Export it again.")
        check_page(page, len(places), path.name)
        series, number = places[page]

        found = axes.upper() if axes else series.axes
        if series.kind == "generic" and (tiff.is_shaped or tiff.is_imagej or tiff.is_ome):
            notes.append("the description of the axes does not fit the file: it was not used")
        if found.startswith("Q") and axes is None:
            notes.append(f"axes {found!r} are not named in the file: Q read as pages")
        check_axes(found, series.shape, path.name)
        shape = dict(zip(found, series.shape, strict=True))
        channels = max(shape.get("C", 1), shape.get("S", 1))
        alone = channel is not None and channels > 1 and _lies_apart(series, found)
        # What lies in one directory of the file is decoded together.
        layers = math.prod(series.keyframe.shape) // (shape["Y"] * shape["X"])
        layers = layers if alone else max(layers, channels)
        check_size(path.name, shape["Y"], shape["X"], max_pixels, layers)
        if alone:
            check_channel(channel, channels, path.name)

        picked = channel if alone else None
        array, page_axes, directory = _read_page(series, found, number, picked, max_pixels)
        order = [page_axes.index(axis) for axis in "YXSC" if axis in page_axes]
        pixels = np.transpose(array, order).reshape(shape["Y"], shape["X"], -1)
        pixels, converted = _plain_colors(pixels, directory, path.name)
        notes += converted
        pixel_size, doubts = read_pixel_size(tiff, directory, tiff.series.index(series))
        notes += doubts
        orientation = directory.tags.valueof(ORIENTATION)
        if orientation in range(2, 9):
            pixels = oriented(pixels, orientation)
            notes.append("rotated as the file's orientation tag says")
            if pixel_size and orientation >= 5:  # rows have become columns
                pixel_size = pixel_size.turned()
        is_rgb = pixels.shape[2] == 3 and "C" not in found and not _is_gray(directory)
    image = ImageData(
        pixels, path.name, "TIFF", found, page, len(places), tuple(notes), pixel_size, is_rgb=is_rgb
    )
    image = say_pages(image)
    return checked(say_channel(image, channel, channels) if alone else image, max_pixels)


def count_tiff_pages(path: Path, axes: str | None) -> int:
    """How many pages `read_tiff` finds; 1 where the list of pages breaks off."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        return len(_places(tiff, axes)) if _ends_well(tiff) else 1


def _ends_well(tiff: "tifffile.TiffFile") -> bool:
    """Whether the chain of pages ends inside the file; tifffile follows a circle for ever."""
    layout, file, seen = tiff.tiff, tiff.filehandle, set()
    offset = tiff.pages.first.offset if tiff.pages else 0
    while offset:
        if offset in seen:
            raise ValueError("its list of pages runs in a circle")
        seen.add(offset)
        file.seek(offset)
        tags = file.read(layout.tagnosize)
        if len(tags) < layout.tagnosize:
            return False
        file.seek(struct.unpack(layout.tagnoformat, tags)[0] * layout.tagsize, os.SEEK_CUR)
        following = file.read(layout.offsetsize)
        if len(following) < layout.offsetsize:
            return False
        offset = struct.unpack(layout.offsetformat, following)[0]
    return True


def _places(
    tiff: "tifffile.TiffFile", axes: str | None
) -> list[tuple["tifffile.TiffPageSeries", int]]:
    """Of each page, in order: its series, and its number in there."""
    places = []
    for series in tiff.series:
        count = count_pages(axes or series.axes, series.shape)
        if count > tiff.filehandle.size:
            raise ValueError(f"{count} pages in a file of {tiff.filehandle.size} bytes")
        places += [(series, number) for number in range(count)]

    def directory(place: tuple["tifffile.TiffPageSeries", int]) -> list[int]:
        series, number = place
        planes = max(1, count_pages(axes or series.axes, series.shape) // len(series))
        return np.ravel(series[number // planes].index).tolist()

    if len(tiff.series) > 1 and all(series.kind == "generic" for series in tiff.series):
        places.sort(key=directory)  # tifffile put those of one size and type together
    return places


def _is_gray(page: "tifffile.TiffPage") -> bool:
    return getattr(page.photometric, "name", "") in ("MINISBLACK", "MINISWHITE")


def _lies_apart(series: "tifffile.TiffPageSeries", axes: str) -> bool:
    """Whether no pixel of a directory has more than one channel, and none is a colour."""
    return "C" in axes and series.keyframe.samplesperpixel == 1 and _is_gray(series.keyframe)


def _read_page(
    series: "tifffile.TiffPageSeries",
    axes: str,
    page: int,
    channel: int | None,
    max_pixels: int,
) -> tuple[np.ndarray, str, "tifffile.TiffPage"]:
    """One page, or one channel of it, its axes, and the directory that describes it; no other
    page or channel is decoded."""
    if series.dataoffset is not None:  # uncompressed, in one piece: mapped, one page copied
        array, page_axes = select_page(series.asarray(out="memmap"), axes, page)
        if channel is not None:
            array, page_axes = select_channel(array, page_axes, channel)
        return np.array(array, array.dtype.newbyteorder("=")), page_axes, series.keyframe
    split = series.ndim - series.keyframe.ndim
    stored, inner = axes[:split], axes[split:]
    inner_pages = count_pages(inner, series.shape[split:])
    numbers = np.arange(len(series)).reshape(series.shape[:split])
    numbers, kept = select_page(numbers, stored, page // inner_pages)
    if channel is not None and "C" in kept:
        numbers, kept = select_channel(numbers, kept, channel)
    frames = [series[number] for number in numbers.ravel().tolist()]
    for frame in frames:
        _check_parts(frame, max_pixels)
    array = series.asarray(key=numbers.ravel().tolist())
    array = array.reshape(*numbers.shape, *series.keyframe.shape)
    array, page_axes = select_page(array, kept + inner, page % inner_pages)
    if channel is not None and "C" in page_axes:
        array, page_axes = select_channel(array, page_axes, channel)
    return array, page_axes, frames[0].aspage()


def _check_parts(page: "tifffile.TiffPage | tifffile.TiffFrame", max_pixels: int) -> None:
    """Refuses strips and tiles that a decoder would take without a word, or crash on."""
    file, compression = page.parent.filehandle, page.keyframe.compression
    for index, (offset, count) in enumerate(
        zip(page.dataoffsets, page.databytecounts, strict=False)
    ):
        if offset + count > file.size:
            raise ValueError(f"its pixels end at byte {offset + count} of {file.size}")
        if count and compression in (*SELF_SIZED, LZW):
            file.seek(offset)
            _check_part(page, index, file.read(count), max_pixels)


def _check_part(
    page: "tifffile.TiffPage | tifffile.TiffFrame", index: int, data: bytes, max_pixels: int
) -> None:
    """`data`: of the strip or tile of this index."""
    keyframe = page.keyframe
    if keyframe.compression in SELF_SIZED:
        with (
            contextlib.suppress(PIL.UnidentifiedImageError),
            PIL.Image.open(io.BytesIO(data), formats=SELF_SIZED_FORMATS) as part,
        ):
            check_size(page.parent.filehandle.name, part.height, part.width, max_pixels)
    elif keyframe.compression == LZW:
        depth, rows, columns, samples = keyframe.decode(None, index)[2]
        bits = columns * int(np.broadcast_to(keyframe.bitspersample, samples).sum())
        _check_lzw(data, depth * rows * math.ceil(bits / 8), keyframe.fillorder)


def _check_lzw(codes: bytes, size: int, fill_order: int) -> None:
    """Lets libtiff read the codes, as the only strip of a TIFF of one row of `size` bytes: some
    that are damaged crash the decoder of imagecodecs, and Python with it."""
    import imagecodecs

    values = {256: size, 257: 1, 258: 8, 259: LZW, 262: 1, 266: fill_order, 273: 134, 277: 1,
              278: 1, 279: len(codes)}  # fmt: skip
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items())
    header = struct.pack("<4sIH", b"II*\0", 8, len(values)) + tags + bytes(4)
    imagecodecs.tiff_decode(header + codes)


def _plain_colors(
    pixels: np.ndarray, page: "tifffile.TiffPage", name: str
) -> tuple[np.ndarray, list[str]]:
    """Palette, inverted, CMYK and alpha TIFFs -> plain gray or RGB, and what was done."""
    photometric = getattr(page.photometric, "name", str(page.photometric))
    if photometric == "PALETTE" and np.ndim(page.colormap) == 2:
        # Colour maps of TIFF are 16-bit whatever the indices are; 8 of them carry the colour.
        lut = (np.asarray(page.colormap) >> 8).astype(np.uint8).T
        return lut.take(pixels[..., 0], axis=0), ["palette turned into its RGB colours"]
    if photometric == "SEPARATED" and pixels.shape[2] >= 4 and pixels.dtype in ("u1", "u2"):
        white = np.uint32(np.iinfo(pixels.dtype).max)
        light = white - pixels[..., :4]
        rgb = (light[..., :3] * light[..., 3:] + white // 2) // white
        return rgb.astype(pixels.dtype), ["CMYK turned into RGB"]
    if photometric == "YCBCR" and page.compression not in JPEG:
        rgb = PIL.Image.fromarray(np.ascontiguousarray(pixels), "YCbCr").convert("RGB")
        return np.asarray(rgb), ["YCbCr turned into RGB"]
    if photometric not in ("MINISBLACK", "MINISWHITE", "RGB", "YCBCR", "MASK"):
        raise UnsupportedLayoutError(
            f"{name} stores its colours as {photometric}. Export it as RGB or gray."
        )

    notes, bits = [], page.bitspersample
    if photometric == "MINISWHITE" and pixels.dtype.kind in "bu":
        pixels = pixels ^ pixels.dtype.type(2**bits - 1)
        notes.append("inverted: the file stores white as 0")
    elif photometric == "MINISWHITE":
        notes.append("not inverted: the file stores white as 0, but not what black is")
    if bits in (2, 4):  # scaled as in a PNG of so few bits
        pixels = pixels * np.uint8(255 // (2**bits - 1))
        notes.append(f"{bits}-bit values scaled to 8 bits")
    colors = 3 if photometric in ("RGB", "YCBCR") else 1
    if pixels.shape[2] == page.samplesperpixel == colors + 1:
        alpha = any(kind in (1, 2) for kind in page.extrasamples)  # associated or not
        if alpha or colors == 3:
            pixels = pixels[..., :colors]
            notes.append("alpha channel left out" if alpha else "unnamed 4th channel left out")
    return pixels, notes
