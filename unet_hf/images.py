"""Any image a person has -> pixels with named axes, losslessly: 16-bit stays 16-bit.

`read_image` takes a path, a NumPy array or a PIL image and returns an `ImageData` that says
what was found and what was inferred. TIFF goes through tifffile, 16-bit colour PNG through
imagecodecs (Pillow would cut it to 8 bits), everything else through Pillow.
"""

import contextlib
import io
import math
import os
import re
import struct
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import numpy as np
import PIL.Image
import PIL.ImageOps

from .errors import (
    ImageError,
    ImageNotFoundError,
    ImageTooLargeError,
    UnreadableImageError,
    UnsupportedLayoutError,
)

if TYPE_CHECKING:
    import tifffile

ImageSource = Union[str, os.PathLike, np.ndarray, PIL.Image.Image, "ImageData"]

MAX_PIXELS = 2**28  # 16384 x 16384
TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
ORIENTATION = 0x0112  # the EXIF and TIFF tag; 1 is upright, 2 to 8 are not
JPEG_IN_TIFF = (6, 7, 33007, 34892)  # compressions that tifffile turns into RGB
LZW = 5
# Compressions of a TIFF's strips that bring a size of their own, which may be a bomb.
SELF_SIZED = (*JPEG_IN_TIFF, 33003, 33004, 33005, 34712, 50001)
SELF_SIZED_FORMATS = ("JPEG", "JPEG2000", "WEBP")
# Pillow knows these by their first bytes only, or hands them to another program to draw.
NOT_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}


@dataclass(frozen=True)
class ImageData:
    """Pixels, and what is known about them.

    pixels: (H, W, C) in the file's own dtype; gray images have C = 1.
    """

    pixels: np.ndarray
    source: str  # file name, or what kind of object it was
    format: str  # "PNG", "TIFF", "array" ...
    axes: str  # of the source, e.g. "YX", "ZYX", "YXS": Y, X, S or C channels, the rest pages
    page: int = 0
    pages: int = 1
    notes: tuple[str, ...] = field(default=())  # what was inferred or converted, in words

    @property
    def height(self) -> int:
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        return self.pixels.shape[1]

    @property
    def channels(self) -> int:
        return self.pixels.shape[2]

    @property
    def dtype(self) -> np.dtype:
        return self.pixels.dtype

    def summary(self) -> dict[str, Any]:
        """The same without the pixels, as JSON."""
        return {
            "source": self.source,
            "format": self.format,
            "axes": self.axes,
            "dtype": str(self.dtype),
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            "page": self.page,
            "pages": self.pages,
            "notes": list(self.notes),
        }


def read_image(
    source: ImageSource,
    *,
    page: int = 0,
    axes: str | None = None,
    max_pixels: int = MAX_PIXELS,
) -> ImageData:
    """Reads one image.

    Args:
        source: A path to PNG, JPEG, TIFF, BMP, GIF, WebP, NPY ...; an array of (H, W) or
            (H, W, C); a PIL image. EXIF orientation is applied.
        page: Which page of a stack or animation, counted from 0.
        axes: Meaning of the axes of an array, NPY or TIFF, e.g. "CYX": Y and X, at most one
            of C and S for channels, anything else counts as pages.
        max_pixels: Images with more are refused before they are decoded; more than 4 channels
            count as more pixels. Pillow has a limit of its own for the formats it reads.

    Raises:
        ImageNotFoundError, UnreadableImageError, ImageTooLargeError, UnsupportedLayoutError.
    """
    if isinstance(source, ImageData):
        return source
    if axes is not None and not (isinstance(axes, str) and axes.isalpha()):
        raise UnsupportedLayoutError(
            f"axes={axes!r} is not a word of one letter an axis. Pass e.g. axes='CYX'."
        )
    if isinstance(source, PIL.Image.Image):
        with _named_errors("PIL image", max_pixels):
            image = _from_pil(source, "PIL image", page, max_pixels)
    elif isinstance(source, (str, os.PathLike)):
        image = _from_file(source, page, axes, max_pixels)
    elif hasattr(source, "__array__"):
        image = _from_array(np.asarray(source), "array", "array", page, axes, max_pixels)
    else:
        raise UnsupportedLayoutError(
            f"{type(source).__name__} is not a kind of image. Pass a file's path, a NumPy array "
            "or a PIL image."
        )
    if axes is not None and axes.upper() != image.axes:
        raise UnsupportedLayoutError(
            f"axes={axes!r} cannot be chosen for {image.source}: {image.format} images have the "
            f"axes {image.axes!r}. Leave axes out."
        )
    return image


# ---------------------------------------------------------------- files


def _from_file(
    source: str | os.PathLike, page: int, axes: str | None, max_pixels: int
) -> ImageData:
    text = os.fsdecode(source)
    if text.startswith(("http://", "https://")):
        raise ImageNotFoundError(
            f"{text} is an address, not a file. Download the image and pass its path."
        )
    path = Path(text)
    try:
        if path.is_dir():
            raise ImageNotFoundError(f"{path} is a folder. Pass one image file of it.")
        if not path.is_file():
            raise ImageNotFoundError(f"There is no file {path}. Check the path and its spelling.")
        if path.stat().st_size == 0:
            raise UnreadableImageError(f"{path.name} is empty (0 bytes). Copy or export it again.")
        with path.open("rb") as file:
            head = file.read(32)
    except ImageError:
        raise
    except OSError as error:
        raise UnreadableImageError(
            f"{path.name} cannot be opened: {error.strerror}. Check the path and its permissions."
        ) from error

    with _named_errors(path.name, max_pixels):
        if head.startswith(TIFF_SIGNATURES):
            return _from_tiff(path, page, axes, max_pixels)
        if head.startswith(b"\x93NUMPY"):
            array = np.load(path, allow_pickle=False, mmap_mode="r")
            return _from_array(array, path.name, "NPY", page, axes, max_pixels)
        PIL.Image.init()
        formats = [name for name in PIL.Image.ID if name not in NOT_PICTURES]
        try:
            image = PIL.Image.open(path, formats=formats)
        except PIL.UnidentifiedImageError as error:
            raise UnreadableImageError(
                f"{path.name} is not an image in a known format (its first bytes are "
                f"{head[:8].hex(' ')}). Export it as PNG or TIFF."
            ) from error
        with image:
            if image.format == "PNG" and head[24] == 16 and head[25] in (2, 4, 6):
                return _from_deep_png(image, path, page, max_pixels)
            return _from_pil(image, path.name, page, max_pixels)


@contextlib.contextmanager
def _named_errors(name: str, max_pixels: int) -> Iterator[None]:
    """Whatever a decoder raises becomes an `ImageError`."""
    try:
        with warnings.catch_warnings():
            # Of a possible bomb long before max_pixels, of metadata that is not used here.
            warnings.simplefilter("ignore")
            yield
    except ImageError:
        raise
    except PIL.Image.DecompressionBombError as error:
        count = re.search(r"\d+", str(error))
        seen = f"{int(count.group()) / 1e6:.0f} million pixels" if count else "beyond bounds"
        limit = min(max_pixels, 2 * (PIL.Image.MAX_IMAGE_PIXELS or max_pixels))
        raise _too_large(name, seen, limit) from error
    except MemoryError as error:
        raise ImageTooLargeError(
            f"{name} does not fit into this machine's memory. Cut it into parts."
        ) from error
    except Exception as error:  # decoders raise anything: struct.error, zlib.error, KeyError ...
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise UnreadableImageError(
            f"{name} cannot be decoded ({reason}): it is damaged, cut off, or of a rare kind. "
            "Copy it again, or export it as PNG or TIFF."
        ) from error


def _from_tiff(path: Path, page: int, axes: str | None, max_pixels: int) -> ImageData:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        notes = [] if _ends_well(tiff) else ["the list of pages breaks off: the file may be cut"]
        places = _tiff_places(tiff, axes)
        if not places:
            raise UnreadableImageError(f"{path.name} is a TIFF without a picture. Export it again.")
        _check_page(page, len(places), path.name)
        series, number = places[page]

        found = axes.upper() if axes else series.axes
        if series.kind == "generic" and (tiff.is_shaped or tiff.is_imagej or tiff.is_ome):
            notes.append("the description of the axes does not fit the file: it was not used")
        if found.startswith("Q") and axes is None:
            notes.append(f"axes {found!r} are not named in the file: Q read as pages")
        _check_axes(found, series.shape, path.name)
        shape = dict(zip(found, series.shape, strict=True))
        # What lies in one directory of the file is decoded together.
        layers = math.prod(series.keyframe.shape) // (shape["Y"] * shape["X"])
        layers = max(layers, shape.get("C", 1), shape.get("S", 1))
        _check_size(path.name, shape["Y"], shape["X"], max_pixels, layers)

        array, page_axes, directory = _tiff_page(series, found, number, max_pixels)
        order = [page_axes.index(axis) for axis in "YXSC" if axis in page_axes]
        pixels = np.transpose(array, order).reshape(shape["Y"], shape["X"], -1)
        pixels, converted = _tiff_colors(pixels, directory, path.name)
        notes += converted
        orientation = directory.tags.valueof(ORIENTATION)
        if orientation in range(2, 9):
            pixels = _oriented(pixels, orientation)
            notes.append("rotated as the file's orientation tag says")
    image = ImageData(pixels, path.name, "TIFF", found, page, len(places), tuple(notes))
    return _checked(_say_pages(image), max_pixels)


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


def _tiff_places(
    tiff: "tifffile.TiffFile", axes: str | None
) -> list[tuple["tifffile.TiffPageSeries", int]]:
    """Of each page, in order: its series, and its number in there."""
    places = []
    for series in tiff.series:
        count = _count_pages(axes or series.axes, series.shape)
        if count > tiff.filehandle.size:
            raise ValueError(f"{count} pages in a file of {tiff.filehandle.size} bytes")
        places += [(series, number) for number in range(count)]

    def directory(place: tuple["tifffile.TiffPageSeries", int]) -> list[int]:
        series, number = place
        planes = max(1, _count_pages(axes or series.axes, series.shape) // len(series))
        return np.ravel(series[number // planes].index).tolist()

    if len(tiff.series) > 1 and all(series.kind == "generic" for series in tiff.series):
        places.sort(key=directory)  # tifffile put those of one size and type together
    return places


def _tiff_page(
    series: "tifffile.TiffPageSeries", axes: str, page: int, max_pixels: int
) -> tuple[np.ndarray, str, "tifffile.TiffPage"]:
    """One page, its axes, and the directory that describes it; no other page is decoded."""
    if series.dataoffset is not None:  # uncompressed, in one piece: mapped, one page copied
        array, page_axes = _select_page(series.asarray(out="memmap"), axes, page)
        return np.array(array, array.dtype.newbyteorder("=")), page_axes, series.keyframe
    split = series.ndim - series.keyframe.ndim
    stored, inner = axes[:split], axes[split:]
    inner_pages = _count_pages(inner, series.shape[split:])
    numbers = np.arange(len(series)).reshape(series.shape[:split])
    numbers, kept = _select_page(numbers, stored, page // inner_pages)
    frames = [series[number] for number in numbers.ravel().tolist()]
    for frame in frames:
        _check_parts(frame, max_pixels)
    array = series.asarray(key=numbers.ravel().tolist())
    array = array.reshape(*numbers.shape, *series.keyframe.shape)
    array, page_axes = _select_page(array, kept + inner, page % inner_pages)
    return array, page_axes, frames[0].aspage()


def _check_parts(page: "tifffile.TiffPage | tifffile.TiffFrame", max_pixels: int) -> None:
    """Refuses strips and tiles that a decoder would take without a word, or crash on."""
    file, keyframe = page.parent.filehandle, page.keyframe
    for index, (offset, count) in enumerate(
        zip(page.dataoffsets, page.databytecounts, strict=False)
    ):
        if offset + count > file.size:
            raise ValueError(f"its pixels end at byte {offset + count} of {file.size}")
        if count and keyframe.compression in SELF_SIZED:
            file.seek(offset)
            with (
                contextlib.suppress(PIL.UnidentifiedImageError),
                PIL.Image.open(io.BytesIO(file.read(count)), formats=SELF_SIZED_FORMATS) as part,
            ):
                _check_size(file.name, part.height, part.width, max_pixels)
        elif count and keyframe.compression == LZW:
            file.seek(offset)
            depth, rows, columns, samples = keyframe.decode(None, index)[2]
            bits = columns * int(np.broadcast_to(keyframe.bitspersample, samples).sum())
            _check_lzw(file.read(count), depth * rows * math.ceil(bits / 8), keyframe.fillorder)


def _check_lzw(codes: bytes, size: int, fill_order: int) -> None:
    """Lets libtiff read the codes, as the only strip of a TIFF of one row of `size` bytes: some
    that are damaged crash the decoder of imagecodecs, and Python with it."""
    import imagecodecs

    values = {256: size, 257: 1, 258: 8, 259: LZW, 262: 1, 266: fill_order, 273: 134, 277: 1,
              278: 1, 279: len(codes)}  # fmt: skip
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items())
    header = struct.pack("<4sIH", b"II*\0", 8, len(values)) + tags + bytes(4)
    imagecodecs.tiff_decode(header + codes)


def _tiff_colors(
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
    if photometric == "YCBCR" and page.compression not in JPEG_IN_TIFF:
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


def _from_deep_png(image: PIL.Image.Image, path: Path, page: int, max_pixels: int) -> ImageData:
    """16-bit colour, which Pillow would cut to 8 bits; it reads the size and the EXIF."""
    import imagecodecs

    _check_size(path.name, image.height, image.width, max_pixels)
    _check_page(page, 1, path.name)
    orientation = image.getexif().get(ORIENTATION)
    pixels = imagecodecs.png_decode(path.read_bytes())
    notes = []
    if pixels.shape[2] in (2, 4):
        pixels = pixels[..., :-1]
        notes.append("alpha channel left out")
    if orientation in range(2, 9):
        pixels = _oriented(pixels, orientation)
        notes.append("rotated as the file's EXIF orientation says")
    axes = "YX" if pixels.shape[2] == 1 else "YXS"
    return _checked(ImageData(pixels, path.name, "PNG", axes, notes=tuple(notes)), max_pixels)


def _from_pil(image: PIL.Image.Image, name: str, page: int, max_pixels: int) -> ImageData:
    _check_size(name, image.height, image.width, max_pixels)
    # The frames of a PSD are its layers; the picture is all of them.
    pages = 1 if image.format == "PSD" else getattr(image, "n_frames", 1)
    _check_page(page, pages, name)
    shown = image.tell()
    if pages > 1:
        image.seek(page)
        _check_size(name, image.height, image.width, max_pixels)
    notes = []
    if image.getexif().get(ORIENTATION) in range(2, 9):
        notes.append("rotated as the file's EXIF orientation says")
    if image.format == "PPM" and image.tile and image.tile[0][0] == "ppm":
        notes.append(f"scaled from a maximum of {image.tile[0][3][-1]}")
    upright = PIL.ImageOps.exif_transpose(image)  # a copy
    if pages > 1:
        image.seek(shown)  # an image that was passed in stays as it was

    mode = upright.mode
    if mode in ("P", "PA"):
        upright = upright.convert("RGB")
        notes.append("palette turned into its RGB colours")
    elif mode in ("CMYK", "YCbCr", "HSV"):
        upright = upright.convert("RGB")
        notes.append(f"{mode} turned into RGB")
    elif mode in ("RGBA", "RGBX", "RGBa"):
        upright = upright.convert("RGBA").convert("RGB")
        notes.append("alpha channel left out")
    elif mode in ("LA", "La"):
        upright = upright.convert("LA").getchannel(0)
        notes.append("alpha channel left out")
    elif mode not in ("1", "L", "RGB", "I", "F") and not mode.startswith("I;16"):
        raise UnsupportedLayoutError(
            f"{name} has Pillow's colour mode {mode!r}. Convert it to RGB or gray first."
        )
    pixels = np.asarray(upright)
    if mode == "I" and image.format in ("PNG", "PPM"):
        pixels = pixels.astype(np.uint16)  # what the file holds; Pillow widens it
    axes = "YX" if pixels.ndim == 2 else "YXS"
    pixels = np.atleast_3d(pixels)
    data = ImageData(pixels, name, image.format or "PIL", axes, page, pages, tuple(notes))
    return _checked(_say_pages(data), max_pixels)


# ---------------------------------------------------------------- arrays


def _from_array(
    array: np.ndarray, name: str, format: str, page: int, axes: str | None, max_pixels: int
) -> ImageData:
    notes: tuple[str, ...] = ()
    if axes is not None:
        found = axes.upper()
    elif array.ndim == 2:
        found = "YX"
    elif array.ndim == 3 and array.shape[2] <= 4:
        found = "YXS"
        notes = (f"shape {array.shape} read as (height, width, channels)",)
    else:
        raise UnsupportedLayoutError(
            f"{name} has the shape {array.shape}, and no clear axes: (height, width) and (height, "
            "width, 1 to 4 channels) have. Say what they are, e.g. axes='CYX' for channels "
            "first or axes='ZYX' with page=3 for a stack."
        )
    _check_axes(found, array.shape, name)
    shape = dict(zip(found, array.shape, strict=True))
    pages = _count_pages(found, array.shape)
    _check_page(page, pages, name)
    layers = max(shape.get("C", 1), shape.get("S", 1))
    _check_size(name, shape["Y"], shape["X"], max_pixels, layers)
    plane, plane_axes = _select_page(array, found, page)
    if isinstance(array, np.memmap):
        plane = np.array(plane)  # the file may change or go away
    order = [plane_axes.index(axis) for axis in "YXSC" if axis in plane_axes]
    pixels = np.transpose(plane, order).reshape(shape["Y"], shape["X"], -1)
    data = ImageData(pixels, name, format, found, page, pages, notes)
    return _checked(_say_pages(data), max_pixels)


def _select_page(array: np.ndarray, axes: str, page: int) -> tuple[np.ndarray, str]:
    """One page of an array, as a view, and the axes that remain."""
    others = [position for position, axis in enumerate(axes) if axis not in "YXSC"]
    kept = "".join(axis for axis in axes if axis in "YXSC")
    array = np.moveaxis(array, others, range(len(others)))
    return array[np.unravel_index(page, array.shape[: len(others)])], kept


def _count_pages(axes: str, shape: tuple[int, ...]) -> int:
    return math.prod(
        length for axis, length in zip(axes.upper(), shape, strict=False) if axis not in "YXSC"
    )


# ---------------------------------------------------------------- checks


def _check_axes(axes: str, shape: tuple[int, ...], name: str) -> None:
    if len(axes) != len(shape):
        raise UnsupportedLayoutError(
            f"axes={axes!r} names {len(axes)} axes, but {name} has {len(shape)}, of lengths "
            f"{shape}. Name each once."
        )
    if 0 in shape:
        raise UnsupportedLayoutError(
            f"{name} holds no pixels: its shape is {shape}. Export it again."
        )
    if axes.count("Y") != 1 or axes.count("X") != 1 or len(set(axes)) != len(axes):
        raise UnsupportedLayoutError(
            f"{name} has the axes {axes!r} and the shape {shape}; exactly one Y and one X are "
            "needed, each letter once. Pass axes, e.g. axes='CYX' or axes='ZYX'."
        )
    if "S" in axes and "C" in axes:
        raise UnsupportedLayoutError(
            f"{name} has both colour samples (S) and channels (C) in its axes {axes!r}. "
            "Pass axes with a page letter in place of one of them, e.g. 'ZYXS'."
        )


def _check_page(page: int, pages: int, name: str) -> None:
    if not isinstance(page, (int, np.integer)) or not 0 <= page < pages:
        cure = f"Choose a page from 0 to {pages - 1}" if pages > 1 else "Leave the page out"
        raise UnsupportedLayoutError(
            f"{name} has no page {page!r}: it has {pages} page{'s' if pages > 1 else ''}, "
            f"counted from 0. {cure}."
        )


def _too_large(name: str, seen: str, max_pixels: int) -> ImageTooLargeError:
    return ImageTooLargeError(
        f"{name} is too large: {seen}. The limit is {max_pixels / 1e6:.0f} million pixels; "
        "cut it into parts or scale it down."
    )


def _check_size(name: str, height: int, width: int, max_pixels: int, layers: int = 1) -> None:
    if height * width * max(layers, 4) > 4 * max_pixels:
        seen = f"{width} x {height} pixels" + (f" in {layers} layers" if layers > 4 else "")
        raise _too_large(name, seen, max_pixels)


def _checked(image: ImageData, max_pixels: int) -> ImageData:
    """The last look at every image, whatever way it came."""
    if image.pixels.size == 0:
        raise UnsupportedLayoutError(
            f"{image.source} holds no pixels: its shape is {image.pixels.shape}. Export it again."
        )
    if image.dtype.kind not in "buif" or image.dtype.itemsize > 8:
        raise UnsupportedLayoutError(
            f"{image.source} has pixels of type {image.dtype}; whole numbers, floats and "
            "booleans have a clear meaning. For complex images take np.abs(image) first."
        )
    _check_size(image.source, image.height, image.width, max_pixels)
    native = image.dtype.newbyteorder("=")
    return image if image.dtype == native else replace(image, pixels=image.pixels.astype(native))


def _say_pages(image: ImageData) -> ImageData:
    if image.pages == 1:
        return image
    note = f"page {image.page} of {image.pages} (counted from 0); the others were not looked at"
    return replace(image, notes=(*image.notes, note))


def _oriented(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Applies a TIFF or EXIF orientation tag, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def to_display(image: ImageData) -> np.ndarray:
    """(H, W, 3) uint8 for the eye only: 8-bit as it is, anything else between its 0.5 and
    99.5 percentiles. What the network sees is `Preprocessing`'s business."""
    pixels = image.pixels[..., :3] if image.channels >= 3 else image.pixels[..., :1]
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8) * np.uint8(255)
    elif pixels.dtype != np.uint8:
        # Every k-th pixel is enough for a percentile, and keeps this fast on large images.
        step = max(1, int((image.height * image.width / 1e6) ** 0.5))
        sample = pixels[::step, ::step]
        finite = sample[np.isfinite(sample)]  # NaN is refused later, with words; draw it as 0
        low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0, 0)
        gain = 255.0 / (high - low) if high > low else 0.0
        stretched = (pixels.astype(np.float32) - np.float32(low)) * np.float32(gain)
        pixels = np.clip(np.nan_to_num(stretched), 0, 255).astype(np.uint8)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else np.ascontiguousarray(pixels)
