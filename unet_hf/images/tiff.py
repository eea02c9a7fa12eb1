"""Reading one page of a TIFF of any kind, upright, as gray, RGB or channels.

The codecs of tifffile trust the sizes in a file. Damaged or hostile files, which could crash them
or fill the memory, are refused before decoding.
"""

import contextlib
import io
import math
import struct
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image

from ..errors import UnsupportedLayoutError
from .image_data import (
    LEFT_OUT,
    ORIENTATION,
    ImageData,
    check_size,
    count_pages,
    note_channel,
    note_pages,
    oriented,
    select_channel,
    select_page,
    validated,
)
from .nodata import HUGE
from .tiff_file import open_tiff_file
from .tiff_pages import TiffPageRef, find_page, is_gray, is_look_up_table

if TYPE_CHECKING:
    import tifffile  # slow to import, so only where it is used


JPEG = (6, 7, 33007, 34892)  # compressions that tifffile turns into RGB
LZW = 5
# Compressions whose strips contain their own image size, which may be a decompression bomb.
SELF_SIZED = (*JPEG, 33003, 33004, 33005, 34712, 50001)
SELF_SIZED_FORMATS = ("JPEG", "JPEG2000", "WEBP")


def read_tiff(
    path: Path,
    page: int,
    axes: str | None,
    max_pixels: int,
    channel: int | None = None,
    level: int = 0,
) -> ImageData:
    """Reads one page of a TIFF; arguments as for `read_image`.

    A channel that is stored separately is read alone. A channel that is interleaved with others, or
    part of a colour, is not picked here: then all channels are returned.
    """
    return _read_image(path, path.name, page, axes, max_pixels, channel, level)[0]


def read_tiff_values(
    source: Path | bytes, name: str, max_pixels: int, page: int = 0
) -> tuple[ImageData, list[tuple[int, int, int]] | None]:
    """Reads one page of a TIFF of labels: the values as stored, and the colours of a palette.

    Unlike `read_tiff`, it returns the indices of a palette, and 2- and 4-bit values unscaled.
    """
    image, colors = _read_image(source, name, page, None, max_pixels, as_stored=True)
    # The colours have 16 bits; Pillow shows and writes their upper 8 bits.
    return image, None if colors is None else [tuple(color) for color in (colors >> 8).T.tolist()]


def _read_image(
    source: Path | bytes,
    name: str,
    page: int,
    axes: str | None,
    max_pixels: int,
    channel: int | None = None,
    level: int = 0,
    as_stored: bool = False,
) -> tuple[ImageData, np.ndarray | None]:
    """Reads a page; returns it with the colours of its palette, if values are indices of them.

    as_stored: As `read_tiff_values` says.
    """
    with open_tiff_file(source, name) as tiff:
        page_ref = find_page(tiff, name, page, axes, channel, level)
        shape = page_ref.shape
        # The layers of one directory of the file are decoded together.
        layers = math.prod(page_ref.series.keyframe.shape) // (shape["Y"] * shape["X"])
        layers = layers if page_ref.channel is not None else max(layers, page_ref.channels)
        check_size(name, shape["Y"], shape["X"], max_pixels, layers)

        array, page_axes, directory = _read_page(page_ref, max_pixels)
        order = [page_axes.index(axis) for axis in "YXSC" if axis in page_axes]
        pixels = np.transpose(array, order).reshape(shape["Y"], shape["X"], -1)
        shown_by = page_ref.for_display
        colors = palette_of(directory, shown_by)
        nodata = plain_nodata(pixels, directory, page_ref, as_stored)
        stored = pixels
        pixels, converted = plain_colors(pixels, directory, name, shown_by, as_stored)
        left_out = any(note.endswith(LEFT_OUT) for note in converted)
        alpha = stored[..., pixels.shape[2]] if left_out else None
        pixel_size, doubts = page_ref.pixel_size(tiff, directory)
        place = page_ref.place(page, directory)
        notes = [*page_ref.notes, *converted, *doubts]
        orientation = directory.tags.valueof(ORIENTATION)
        if orientation in range(2, 9):
            pixels = oriented(pixels, orientation)
            alpha = None if alpha is None else oriented(alpha[..., None], orientation)[..., 0]
            notes.append("rotated as the file's orientation tag says")
            if pixel_size and orientation >= 5:  # rows have become columns
                pixel_size = pixel_size.turned()
            if orientation >= 5:
                place = replace(place, scale=place.scale[::-1])
            if place.georeference:
                place = replace(place, georeference=None)
                notes.append("the georeference is left out, as the image was turned")
        is_rgb = pixels.shape[2] == 3 and "C" not in page_ref.axes and not is_gray(directory)
    image = note_pages(
        ImageData(
            pixels, name, "TIFF", page_ref.axes, page, page_ref.pages, tuple(notes),
            pixel_size, is_rgb=is_rgb, nodata=nodata, place=place, alpha=alpha,
            orientation=orientation if orientation in range(2, 9) else 1,
        )
    )  # fmt: skip
    if page_ref.channel is not None:
        image = note_channel(image, page_ref.channel, page_ref.channels)
    return validated(image, max_pixels), colors


def _read_page(
    page_ref: TiffPageRef, max_pixels: int
) -> tuple[np.ndarray, str, "tifffile.TiffPage"]:
    """Decodes one page, or one channel of it; returns it with its axes and its directory."""
    series, axes, page, channel = page_ref.series, page_ref.axes, page_ref.number, page_ref.channel
    if series.dataoffset is not None:  # uncompressed and contiguous: mapped
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
    """Refuses strips and tiles that a decoder would accept in silence, or crash on."""
    file, compression = page.parent.filehandle, page.keyframe.compression
    for index, (offset, count) in enumerate(
        zip(page.dataoffsets, page.databytecounts, strict=False)
    ):
        if offset + count > file.size:
            raise ValueError(f"its pixels end at byte {offset + count} of {file.size}")
        if count and compression in (*SELF_SIZED, LZW):
            file.seek(offset)
            check_part(page, index, file.read(count), max_pixels)


def check_part(
    page: "tifffile.TiffPage | tifffile.TiffFrame", index: int, data: bytes, max_pixels: int
) -> None:
    """Refuses a strip or tile whose encoded `data` does not fit its size or is damaged."""
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
    """Lets libtiff decode the LZW codes first, as a TIFF of one row of `size` bytes.

    Some damaged codes crash the decoder of imagecodecs, and Python with it; libtiff raises.
    """
    import imagecodecs

    values = {256: size, 257: 1, 258: 8, 259: LZW, 262: 1, 266: fill_order, 273: 134, 277: 1,
              278: 1, 279: len(codes)}  # fmt: skip
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items())
    header = struct.pack("<4sIH", b"II*\0", 8, len(values)) + tags + bytes(4)
    imagecodecs.tiff_decode(header + codes)


def palette_of(page: "tifffile.TiffPage", for_display: str | None) -> np.ndarray | None:
    """Returns the colours whose indices a page stores, (3, colours) uint16; None if it does not."""
    stored_as = getattr(page.photometric, "name", "")
    if stored_as != "PALETTE" or is_look_up_table(page, for_display):
        return None
    return np.asarray(page.colormap) if np.ndim(page.colormap) == 2 else None


def plain_nodata(
    pixels: np.ndarray,
    directory: "tifffile.TiffPage",
    page_ref: TiffPageRef,
    as_stored: bool = False,
) -> float | None:
    """Returns the nodata value as `plain_colors` leaves it in its channels; None if there is none.

    pixels: (h, w, samples) as stored, any of them; only their type counts.
    """
    value = page_ref.nodata
    if value is None or abs(value) > HUGE:
        return value
    stored = np.full((1, 1, pixels.shape[2]), value, pixels.dtype)
    shown = np.unique(plain_colors(stored, directory, "", page_ref.for_display, as_stored)[0])
    return float(shown[0]) if len(shown) == 1 else None


def plain_colors(
    pixels: np.ndarray,
    page: "tifffile.TiffPage",
    name: str,
    for_display: str | None = None,
    as_stored: bool = False,
) -> tuple[np.ndarray, list[str]]:
    """Converts palette, inverted, CMYK and alpha TIFFs to plain gray or RGB; also returns notes.

    Args:
        for_display: The program whose palettes only say how values are shown, see `TiffPageRef`.
        as_stored: Whether to keep the indices of palettes, and 2- and 4-bit values unscaled.
    """
    photometric = getattr(page.photometric, "name", str(page.photometric))
    if is_look_up_table(page, for_display):
        note = f"the look-up table of {for_display} is for display: the stored values were taken"
        return pixels, [note]
    if (palette := palette_of(page, for_display)) is not None:
        if as_stored:
            return pixels, []
        # Colour maps of TIFF are always 16-bit; the upper 8 bits hold the colour.
        lut = (palette >> 8).astype(np.uint8).T
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
    if photometric == "MINISWHITE" and bits == 1 and page.software == "tifffile.py":
        # It writes any array of bool so, and reads it back as it was.
        notes.append("yes and no as tifffile wrote them: the stored values were taken")
    elif photometric == "MINISWHITE" and pixels.dtype.kind in "bu":
        pixels = pixels ^ pixels.dtype.type(2**bits - 1)
        notes.append("inverted: the file stores white as 0")
    elif photometric == "MINISWHITE":
        notes.append("not inverted: the file stores white as 0, but not what black is")
    if bits in (2, 4) and not as_stored:  # scaled as in a PNG of 2 or 4 bits
        pixels = pixels * np.uint8(255 // (2**bits - 1))
        notes.append(f"{bits}-bit values scaled to 8 bits")
    colors = 3 if photometric in ("RGB", "YCBCR") else 1
    if pixels.shape[2] == page.samplesperpixel == colors + 1:
        alpha = any(kind in (1, 2) for kind in page.extrasamples)  # associated or not
        if alpha or colors == 3:
            pixels = pixels[..., :colors]
            notes.append("alpha channel left out" if alpha else "unnamed 4th channel left out")
    return pixels, notes
