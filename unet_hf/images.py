"""Any image a person has -> pixels with named axes, losslessly: 16-bit stays 16-bit.

`read_image` takes a path, a NumPy array or a PIL image and returns an `ImageData` that says
what was found and what was inferred. TIFF goes through tifffile, 16-bit colour PNG through
imagecodecs (Pillow would cut it to 8 bits), everything else through Pillow.
"""

import os
import warnings
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
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


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
        max_pixels: Images with more are refused before they are decoded.

    Raises:
        ImageNotFoundError, UnreadableImageError, ImageTooLargeError, UnsupportedLayoutError.
    """
    if isinstance(source, ImageData):
        return source
    if isinstance(source, PIL.Image.Image):
        return _from_pil(source, "PIL image", page, max_pixels)
    if isinstance(source, (str, os.PathLike)):
        return _from_file(source, page, axes, max_pixels)
    if hasattr(source, "__array__"):
        return _from_array(np.asarray(source), "array", "array", page, axes, max_pixels)
    raise UnsupportedLayoutError(
        f"A {type(source).__name__} is not an image. Pass a file's path, a NumPy array or a "
        "PIL image."
    )


# ---------------------------------------------------------------- files


def _from_file(
    source: str | os.PathLike, page: int, axes: str | None, max_pixels: int
) -> ImageData:
    text = os.fspath(source)
    if isinstance(text, str) and text.startswith(("http://", "https://")):
        raise ImageNotFoundError(
            f"{text} is an address, not a file. Download the image and pass its path."
        )
    path = Path(text)
    if path.is_dir():
        raise ImageNotFoundError(f"{path} is a folder. Pass one image file of it.")
    if not path.is_file():
        raise ImageNotFoundError(f"There is no file {path}. Check the path and its spelling.")
    try:
        if path.stat().st_size == 0:
            raise UnreadableImageError(f"{path.name} is empty (0 bytes). Copy or export it again.")
        with path.open("rb") as file:
            head = file.read(32)
    except OSError as error:
        raise UnreadableImageError(
            f"{path.name} cannot be opened: {error.strerror}. Check its permissions."
        ) from error

    try:
        if head.startswith(TIFF_SIGNATURES):
            return _from_tiff(path, page, axes, max_pixels)
        if head.startswith(b"\x93NUMPY"):
            array = np.load(path, allow_pickle=False, mmap_mode="r")
            return _from_array(array, path.name, "NPY", page, axes, max_pixels)
        if head.startswith(PNG_SIGNATURE) and head[24] == 16 and head[25] in (2, 4, 6):
            return _from_deep_png(path, max_pixels)
        with warnings.catch_warnings():
            # Pillow warns of a possible bomb long before max_pixels, then refuses by itself.
            warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
            with PIL.Image.open(path) as image:
                return _from_pil(image, path.name, page, max_pixels)
    except ImageError:
        raise
    except PIL.Image.DecompressionBombError as error:
        raise _too_large(path.name, str(error), max_pixels) from error
    except PIL.UnidentifiedImageError as error:
        raise UnreadableImageError(
            f"{path.name} is not an image in a known format (its first bytes are "
            f"{head[:8].hex(' ')}). Export it as PNG or TIFF."
        ) from error
    except MemoryError as error:
        raise ImageTooLargeError(
            f"{path.name} does not fit into this machine's memory. Cut it into parts."
        ) from error
    except Exception as error:  # decoders raise anything: struct.error, zlib.error, KeyError ...
        reason = (
            str(error).strip().splitlines()[0][:160] if str(error).strip() else "no reason given"
        )
        raise UnreadableImageError(
            f"{path.name} is damaged or cut off: the decoder says '{reason}'. "
            "Copy or export the file again."
        ) from error


def _from_tiff(path: Path, page: int, axes: str | None, max_pixels: int) -> ImageData:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        if not tiff.series:
            raise UnreadableImageError(f"{path.name} is a TIFF without a picture. Export it again.")
        series = tiff.series[0]
        first = series.pages[0]
        found = axes.upper() if axes else series.axes
        notes = []
        if len(tiff.series) > 1:
            notes.append(f"first of {len(tiff.series)} image series in the file")
        if found.startswith("Q") and axes is None:
            notes.append(f"axes {found!r} are not named in the file: Q read as pages")
        _check_axes(found, series.shape, path.name)
        shape = dict(zip(found, series.shape, strict=True))
        _check_size(path.name, shape["Y"], shape["X"], max_pixels)

        leading = [length for name, length in shape.items() if name not in "YXSC"]
        pages = int(np.prod(leading)) if leading else 1
        _check_page(page, pages, path.name)
        if len(series.pages) == pages and axes is None:
            array = series.pages[page].asarray()  # decode this page only
            page_axes = "".join(name for name in found if name in "YXSC")
        else:
            array, page_axes = _select_page(series.asarray(), found, page)
        pixels = np.moveaxis(array, page_axes.index("Y"), 0)
        order = page_axes.replace("Y", "")
        pixels = np.moveaxis(pixels, order.index("X") + 1, 1).reshape(shape["Y"], shape["X"], -1)

        pixels, converted = _tiff_colors(pixels, first, path.name)
        notes += converted
        tag = first.tags.get("Orientation")
        if tag is not None and int(tag.value) in range(2, 9):
            pixels = _oriented(pixels, int(tag.value))
            notes.append("rotated as the file's orientation tag says")
    image = ImageData(pixels, path.name, "TIFF", found, page, pages, tuple(notes))
    return _checked(_say_pages(image), max_pixels)


def _tiff_colors(
    pixels: np.ndarray, page: "tifffile.TiffPage", name: str
) -> tuple[np.ndarray, list[str]]:
    """Palette, inverted, CMYK and alpha TIFFs -> plain gray or RGB, and what was done."""
    photometric = getattr(page.photometric, "name", str(page.photometric))
    if photometric == "PALETTE" and page.colormap is not None:
        # Colour maps of TIFF are 16-bit whatever the indices are; 8 of them carry the colour.
        lut = (np.asarray(page.colormap) >> 8).astype(np.uint8).T
        return lut[pixels[..., 0]], ["palette turned into its RGB colours"]
    if photometric == "MINISWHITE":
        if pixels.dtype == bool:
            return ~pixels, ["inverted: the file stores white as 0"]
        if np.issubdtype(pixels.dtype, np.unsignedinteger):
            return np.iinfo(pixels.dtype).max - pixels, ["inverted: the file stores white as 0"]
    if photometric == "SEPARATED" and pixels.shape[2] >= 4 and pixels.dtype == np.uint8:
        cmyk = PIL.Image.fromarray(np.ascontiguousarray(pixels[..., :4]), "CMYK")
        return np.asarray(cmyk.convert("RGB")), ["CMYK turned into RGB"]
    if photometric == "RGB" and pixels.shape[2] == 4:
        return pixels[..., :3], ["alpha channel left out"]
    if photometric in ("CIELAB", "ICCLAB", "ITULAB", "LOGLUV"):
        raise UnsupportedLayoutError(
            f"{name} stores its colours as {photometric}. Export it as RGB or gray."
        )
    return pixels, []


def _from_deep_png(path: Path, max_pixels: int) -> ImageData:
    import imagecodecs

    with PIL.Image.open(path) as image:  # the header only
        _check_size(path.name, image.height, image.width, max_pixels)
    pixels = imagecodecs.png_decode(path.read_bytes())
    notes = ("alpha channel left out",) if pixels.shape[2] in (2, 4) else ()
    colors = 1 if pixels.shape[2] == 2 else 3
    return _checked(
        ImageData(pixels[..., :colors], path.name, "PNG", "YXS", notes=notes), max_pixels
    )


def _from_pil(image: PIL.Image.Image, name: str, page: int, max_pixels: int) -> ImageData:
    _check_size(name, image.height, image.width, max_pixels)
    pages = getattr(image, "n_frames", 1)
    _check_page(page, pages, name)
    if pages > 1:
        image.seek(page)
    notes = []
    upright = PIL.ImageOps.exif_transpose(image)
    if upright.size != image.size or image.getexif().get(0x0112, 1) not in (0, 1):
        notes.append("rotated as the file's EXIF orientation says")

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
        upright = upright.getchannel(0)
        notes.append("alpha channel left out")
    elif mode not in ("1", "L", "RGB", "I", "F") and not mode.startswith("I;16"):
        raise UnsupportedLayoutError(
            f"{name} has Pillow's colour mode {mode!r}. Convert it to RGB or gray first."
        )
    pixels = np.asarray(upright)
    if pixels.dtype.byteorder == ">":
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    axes = "YX" if pixels.ndim == 2 else "YXS"
    pixels = pixels.reshape(pixels.shape[0], pixels.shape[1], -1)
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
            f"An array of shape {array.shape} has no clear axes: (height, width) and (height, "
            "width, 1 to 4 channels) have. Say what they are, e.g. axes='CYX' for channels "
            "first or axes='ZYX' with page=3 for a stack."
        )
    _check_axes(found, array.shape, name)
    shape = dict(zip(found, array.shape, strict=True))
    _check_size(name, shape["Y"], shape["X"], max_pixels)
    pages = int(np.prod([length for axis, length in shape.items() if axis not in "YXSC"] or [1]))
    _check_page(page, pages, name)
    plane, plane_axes = _select_page(array, found, page)
    order = [plane_axes.index(axis) for axis in "YXSC" if axis in plane_axes]
    pixels = np.transpose(plane, order).reshape(shape["Y"], shape["X"], -1)
    if pixels.dtype.byteorder == ">":
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    data = ImageData(pixels, name, format, found, page, pages, notes)
    return _checked(_say_pages(data), max_pixels)


def _select_page(array: np.ndarray, axes: str, page: int) -> tuple[np.ndarray, str]:
    """One page of an array with any leading axes, and the axes that remain."""
    others = [position for position, axis in enumerate(axes) if axis not in "YXSC"]
    kept = "".join(axis for axis in axes if axis in "YXSC")
    array = np.moveaxis(array, others, range(len(others)))
    return array.reshape(-1, *array.shape[len(others) :])[page], kept


# ---------------------------------------------------------------- checks


def _check_axes(axes: str, shape: tuple[int, ...], name: str) -> None:
    if len(axes) != len(shape):
        raise UnsupportedLayoutError(
            f"axes={axes!r} names {len(axes)} axes, but {name} has {len(shape)}: {shape}."
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
    if not 0 <= page < pages:
        raise UnsupportedLayoutError(
            f"{name} has no page {page}: it has {pages} page{'s' if pages > 1 else ''}, "
            f"counted from 0. Choose a page from 0 to {pages - 1}."
        )


def _too_large(name: str, seen: str, max_pixels: int) -> ImageTooLargeError:
    return ImageTooLargeError(
        f"{name} is too large: {seen}. The limit is {max_pixels / 1e6:.0f} million pixels; "
        "cut it into parts or scale it down."
    )


def _check_size(name: str, height: int, width: int, max_pixels: int) -> None:
    if height * width > max_pixels:
        raise _too_large(name, f"{width} x {height} pixels", max_pixels)


def _checked(image: ImageData, max_pixels: int) -> ImageData:
    """The last look at every image, whatever way it came."""
    if image.pixels.size == 0:
        raise UnsupportedLayoutError(
            f"{image.source} holds no pixels: its shape is {image.pixels.shape}."
        )
    if image.dtype.kind not in "buif" or image.dtype.itemsize > 8:
        raise UnsupportedLayoutError(
            f"{image.source} has pixels of type {image.dtype}; whole numbers, floats and "
            "booleans have a clear meaning. For complex images take np.abs(image) first."
        )
    _check_size(image.source, image.height, image.width, max_pixels)
    return image


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
        low, high = np.percentile(pixels[::step, ::step], (0.5, 99.5))
        gain = 255.0 / (high - low) if high > low else 0.0
        stretched = (pixels.astype(np.float32) - np.float32(low)) * np.float32(gain)
        pixels = np.clip(stretched, 0, 255).astype(np.uint8)
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else np.ascontiguousarray(pixels)
