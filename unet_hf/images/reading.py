"""`read_image`: reads any image losslessly, into pixels with named axes; 16-bit stays 16-bit.

It takes a path, a NumPy array or a PIL image and returns an `ImageData`, which also says what was
inferred. tifffile reads TIFF, imagecodecs reads PNG with 16-bit colours (which Pillow would cut to
8 bits), and Pillow reads the other formats. One file is one file: what it names is not opened.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps

from ..errors import (
    ImageNotFoundError,
    UnreadableImageError,
    UnsupportedLayoutError,
)
from .image_data import (
    ORIENTATION,
    ImageData,
    check_axes,
    check_channel,
    check_level,
    check_page,
    check_size,
    count_pages,
    decoder_errors,
    note_channel,
    note_pages,
    oriented,
    pick_channel,
    select_channel,
    select_page,
    validated,
)
from .one_file import check_is_file
from .pillow import count_frames, open_picture
from .place import Place
from .tiff import read_tiff
from .tiff_file import SIGNATURES

ImageSource = str | os.PathLike | np.ndarray | PIL.Image.Image | ImageData

MAX_PIXELS = 2**28  # 16384 x 16384


def read_image(
    source: ImageSource,
    *,
    page: int = 0,
    axes: str | None = None,
    channel: int | None = None,
    level: int = 0,
    max_pixels: int = MAX_PIXELS,
) -> ImageData:
    """Reads one image, or one page or channel of it.

    Args:
        source: A path to PNG, JPEG, TIFF, BMP, GIF, WebP, NPY ...; an array of (H, W) or
            (H, W, C); a PIL image. EXIF orientation is applied.
        page: Which page of a stack or animation, counted from 0.
        axes: Meaning of the axes of an array, NPY or TIFF, e.g. "CYX": Y and X, at most one
            of C and S for channels, anything else counts as pages.
        channel: The only channel to read, counted from 0; None: all of them.
        level: Which resolution of a TIFF pyramid, counted from 0, the finest.
        max_pixels: Images with more are refused before they are decoded; more than 4 channels
            count as more pixels. Pillow has a limit of its own for the formats it reads.

    An `ImageData` as the source has been read already: page, axes and level cannot be changed, but
    a channel can be picked if none was.

    Raises:
        ImageNotFoundError, UnreadableImageError, ImageTooLargeError, UnsupportedLayoutError.
    """
    if isinstance(source, ImageData):
        return _from_image_data(source, page, axes, channel, level)
    if axes is not None and not (isinstance(axes, str) and axes.isalpha()):
        raise UnsupportedLayoutError(
            f"axes={axes!r} is not a word of one letter an axis. Pass e.g. axes='CYX'."
        )
    if isinstance(source, PIL.Image.Image):
        check_level(level, 1, "PIL image")
        with decoder_errors("PIL image", max_pixels):
            image = _from_pil(source, "PIL image", page, max_pixels)
    elif isinstance(source, (str, os.PathLike)):
        image = _from_file(source, page, axes, channel, level, max_pixels)
    elif hasattr(source, "__array__"):
        check_level(level, 1, "array")
        array = _as_array(source)
        image = from_array(array, "array", "array", page, axes, channel, max_pixels)
        # The caller may fill the array with the next image, as cameras do.
        image = replace(image, pixels=image.pixels.copy(order="K"))
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
    if image.channel is None:  # the channel has not been picked yet
        image = pick_channel(image, channel)
    return replace(image, axes_given=axes is not None)


def _as_array(source: Any) -> np.ndarray:
    """The pixels of an array, a tensor and the like.

    Raises `UnsupportedLayoutError` for what NumPy cannot take, and for what it would take without
    its mask.
    """
    hidden = int(np.ma.getmaskarray(source).sum()) if np.ma.isMaskedArray(source) else 0
    if hidden:
        raise UnsupportedLayoutError(
            f"array is masked, at {hidden} of its {source.size} values. Say what they are: fill "
            "them, e.g. image.filled(0), or make them NaN, which counts as no data: "
            "image.astype(float).filled(np.nan)."
        )
    try:
        return np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:
        raise UnsupportedLayoutError(
            f"{type(source).__name__} cannot be read as an array ({error}). Pass a NumPy array; "
            "of a tensor, e.g. image.detach().cpu().float().numpy()."
        ) from error


def _from_image_data(
    image: ImageData, page: int, axes: str | None, channel: int | None, level: int
) -> ImageData:
    """Returns the image or one of its channels; refuses options that need another reading."""
    changed = {
        "page": page if page not in (0, image.page) else None,
        "axes": axes if axes and str(axes).upper() != image.axes else None,
        "channel": channel if image.channel is not None else None,
        "level": level or None,
    }
    options = [f"{name}={value!r}" for name, value in changed.items() if value is not None]
    if options:
        alone = "" if image.channel is None else f" and its channel {image.channel} alone"
        raise UnsupportedLayoutError(
            f"{', '.join(options)} cannot be chosen any more: {image.source} has been read as an "
            f"ImageData, its page {image.page} with the axes {image.axes!r}{alone}. Pass this to "
            "`read_image` together with the file or array."
        )
    return pick_channel(image, channel)


def _from_file(
    source: str | os.PathLike,
    page: int,
    axes: str | None,
    channel: int | None,
    level: int,
    max_pixels: int,
) -> ImageData:
    text = os.fsdecode(source)
    if text.startswith(("http://", "https://")):
        raise ImageNotFoundError(
            f"{text} is an address, not a file. Download the image and pass its path."
        )
    path = Path(text)
    check_is_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(32)
    except OSError as error:
        raise UnreadableImageError(
            f"{path.name} cannot be opened: {error.strerror}. Check the path and its permissions."
        ) from error

    with decoder_errors(path.name, max_pixels):
        if head.startswith(SIGNATURES):
            return read_tiff(path, page, axes, max_pixels, channel, level)
        check_level(level, 1, path.name)
        if head.startswith(b"\x93NUMPY"):
            array = np.load(path, allow_pickle=False, mmap_mode="r")
            return from_array(array, path.name, "NPY", page, axes, channel, max_pixels)
        try:
            image = open_picture(path)
        except PIL.UnidentifiedImageError as error:
            raise UnreadableImageError(
                f"{path.name} is not an image in a known format (its first bytes are "
                f"{head[:8].hex(' ')}). Export it as PNG or TIFF."
            ) from error
        with image:
            if image.format == "PNG" and head[24] == 16 and head[25] in (2, 4, 6):
                return _from_deep_png(image, path, page, max_pixels)
            return _from_pil(image, path.name, page, max_pixels)


def _from_deep_png(picture: PIL.Image.Image, path: Path, page: int, max_pixels: int) -> ImageData:
    """Reads a PNG with 16-bit colours, which Pillow would cut to 8 bits.

    picture: The file as Pillow opens it, for its size and EXIF.
    """
    import imagecodecs

    check_size(path.name, picture.height, picture.width, max_pixels)
    check_page(page, 1, path.name)
    orientation = picture.getexif().get(ORIENTATION)
    pixels = imagecodecs.png_decode(path.read_bytes())
    notes, colors = [], pixels.shape[2] - (pixels.shape[2] in (2, 4))
    if orientation in range(2, 9):
        pixels = oriented(pixels, orientation)
        notes.append("rotated as the file's EXIF orientation says")
    alpha = None
    if pixels.shape[2] > colors:
        pixels, alpha = pixels[..., :colors], pixels[..., -1]
        notes.insert(0, "alpha channel left out")
    axes = "YX" if pixels.shape[2] == 1 else "YXS"
    image = ImageData(
        pixels, path.name, "PNG", axes, notes=tuple(notes), is_rgb=pixels.shape[2] == 3,
        alpha=alpha, orientation=orientation if orientation in range(2, 9) else 1,
    )  # fmt: skip
    return validated(image, max_pixels)


def _from_pil(image: PIL.Image.Image, name: str, page: int, max_pixels: int) -> ImageData:
    check_size(name, image.height, image.width, max_pixels)
    pages = count_frames(image)
    check_page(page, pages, name)
    frame = image.tell()
    if pages > 1:
        image.seek(page)
        check_size(name, image.height, image.width, max_pixels)
    notes = []
    if image.format == "MPO":
        notes.append("further pictures that the camera stored with it were not looked at")
    if image.format in ("ICO", "ICNS") and len(image.info.get("sizes", ())) > 1:
        notes.append("the largest of the file's sizes was taken")
    orientation = image.getexif().get(ORIENTATION)
    if orientation in range(2, 9):
        notes.append("rotated as the file's EXIF orientation says")
    if image.format == "PPM" and image.tile and image.tile[0][0] == "ppm":
        notes.append(f"scaled from a maximum of {image.tile[0][3][-1]}")
    upright = PIL.ImageOps.exif_transpose(image)  # a copy
    if pages > 1:
        image.seek(frame)  # an image that the caller passed in is not changed

    mode, alpha = upright.mode, None
    if mode in ("P", "PA"):
        upright = upright.convert("RGB")
        notes.append("palette turned into its RGB colours")
    elif mode in ("CMYK", "YCbCr", "HSV"):
        upright = upright.convert("RGB")
        notes.append(f"{mode} turned into RGB")
    elif mode in ("RGBA", "RGBX", "RGBa"):
        upright = upright.convert("RGBA")
        alpha = np.asarray(upright.getchannel("A"))
        upright = upright.convert("RGB")
        notes.append("alpha channel left out")
    elif mode in ("LA", "La"):
        upright = upright.convert("LA")
        alpha = np.asarray(upright.getchannel("A"))
        upright = upright.getchannel(0)
        notes.append("alpha channel left out")
    elif mode not in ("1", "L", "RGB", "I", "F") and not mode.startswith("I;16"):
        raise UnsupportedLayoutError(
            f"{name} has Pillow's colour mode {mode!r}. Convert it to RGB or gray first."
        )
    pixels = np.asarray(upright)
    if mode == "I" and image.format in ("PNG", "PPM"):
        pixels = pixels.astype(np.uint16)  # the dtype of the file; Pillow widens it
    axes = "YX" if pixels.ndim == 2 else "YXS"
    pixels = np.atleast_3d(pixels)
    data = ImageData(
        pixels, name, image.format or "PIL", axes, page, pages, tuple(notes), is_rgb=axes == "YXS",
        place=Place(f"Q{axes}", (pages, *np.shape(upright)), page),
        alpha=alpha, orientation=orientation if orientation in range(2, 9) else 1,
    )  # fmt: skip
    return validated(note_pages(data), max_pixels)


def from_array(
    array: np.ndarray,
    name: str,
    format: str,
    page: int,
    axes: str | None,
    channel: int | None,
    max_pixels: int,
) -> ImageData:
    """Returns an array as an image.

    Args:
        name, format: Stored as the image's source and format.
        page, axes, channel, max_pixels: As for `read_image`.
    """
    notes: tuple[str, ...] = ()
    if axes is not None:
        named_axes = axes.upper()
    elif array.ndim == 2:
        named_axes = "YX"
    elif array.ndim == 3 and array.shape[2] <= 4:
        named_axes = "YXS"
        notes = (f"shape {array.shape} read as (height, width, channels)",)
    else:
        raise UnsupportedLayoutError(
            f"{name} has the shape {array.shape}, and no clear axes: (height, width) and (height, "
            "width, 1 to 4 channels) have. Say what they are, e.g. axes='CYX' for channels "
            "first or axes='ZYX' with page=3 for a stack."
        )
    check_axes(named_axes, array.shape, name)
    shape = dict(zip(named_axes, array.shape, strict=True))
    pages = count_pages(named_axes, array.shape)
    check_page(page, pages, name)
    channels = max(shape.get("C", 1), shape.get("S", 1))
    single = channel is not None and channels > 1
    check_size(name, shape["Y"], shape["X"], max_pixels, 1 if single else channels)
    plane, plane_axes = select_page(array, named_axes, page)
    if single:
        check_channel(channel, channels, name)
        plane, plane_axes = select_channel(plane, plane_axes, channel)
    if isinstance(array, np.memmap):
        plane = np.array(plane)  # a copy, as the file may change or be deleted
    order = [plane_axes.index(axis) for axis in "YXSC" if axis in plane_axes]
    pixels = np.transpose(plane, order).reshape(shape["Y"], shape["X"], -1)
    # S means samples of a colour, C means independent channels.
    is_rgb = shape.get("S") == 3
    place = Place(named_axes, array.shape, page)
    data = ImageData(
        pixels, name, format, named_axes, page, pages, notes, is_rgb=is_rgb, place=place
    )
    data = note_pages(data)
    return validated(note_channel(data, channel, channels) if single else data, max_pixels)
