"""`ImageData`, pixels with what is known about them, and the checks that all images go through."""

import contextlib
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import PIL.Image

from ..errors import (
    ImageError,
    ImageTooLargeError,
    UnreadableImageError,
    UnsupportedLayoutError,
)
from .decoder_log import log_if_read
from .nodata import valid_pixels
from .pixel_size import PixelSize
from .place import Place

LEFT_OUT = "channel left out"  # end of the notes on an alpha channel
ALPHA_KEPT = "alpha kept as a channel"
ORIENTATION = 0x0112  # the EXIF and TIFF tag; 1 is upright, 2 to 8 are not
# How Pillow's messages begin where a decompressor got no memory to start with, or no more of it.
SHORT_OF_MEMORY = ("codec configuration error", "out of memory")


@dataclass(frozen=True, eq=False)
class ImageData:
    """Pixels of an image with their metadata.

    pixels: (H, W, C) in the file's own dtype; gray images have C = 1.
    """

    pixels: np.ndarray
    source: str  # file name, or the kind of object
    format: str  # "PNG", "TIFF", "array" ...
    axes: str  # the source's, e.g. "YX", "ZYX", "YXS": S and C are channels, all but Y, X pages
    page: int = 0
    pages: int = 1
    notes: tuple[str, ...] = field(default=())  # what was inferred or converted, in words
    pixel_size: PixelSize | None = None  # as stored in the file; None if unknown
    channel: int | None = None  # the channel that was picked; None: all of them
    all_channels: int | None = None  # the number of channels that it was picked from
    is_rgb: bool = False  # whether the source has red, green and blue
    axes_given: bool = False  # whether the caller gave the axes
    nodata: float | None = None  # the value of pixels without data; NaN always is one
    place: Place = field(default=Place(), repr=False)  # of the pixels in the file

    @cached_property
    def valid(self) -> np.ndarray | None:
        """Which pixels hold data, (H, W) bool; None if all do."""
        return valid_pixels(self.pixels, self.nodata)

    alpha: np.ndarray | None = None  # (H, W): the channel that was left out as transparency
    orientation: int = 1  # the EXIF or TIFF tag by which the pixels were turned upright

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

    def with_alpha(self) -> "ImageData":
        """Returns the image with the channel that was left out as its last one."""
        if self.alpha is None:
            return self
        notes = (*(n for n in self.notes if not n.endswith(LEFT_OUT)), ALPHA_KEPT)
        pixels = np.dstack([self.pixels, self.alpha])
        return replace(self, pixels=pixels, notes=notes, alpha=None, is_rgb=False)

    def summary(self) -> dict[str, Any]:
        """Returns everything but the pixels, as JSON."""
        return {
            "source": self.source,
            "format": self.format,
            "axes": self.axes,
            "dtype": str(self.dtype),
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            "channel": self.channel,
            "page": self.page,
            "pages": self.pages,
            **({"level": self.place.level} if self.place.level else {}),
            "pixel_size": asdict(self.pixel_size) if self.pixel_size else None,
            "notes": list(self.notes),
            **({} if self.nodata is None else {"nodata": _json_number(self.nodata)}),
        }


def _json_number(value: float) -> float | str:
    """JSON has no infinite numbers, which a nodata value may be."""
    return value if math.isfinite(value) else str(value)


def check_axes(axes: str, shape: tuple[int, ...], name: str) -> None:
    """Raises `UnsupportedLayoutError` unless the axes fit the shape and have one Y and one X."""
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


def check_page(page: int, pages: int, name: str) -> None:
    """Raises `UnsupportedLayoutError` if the image has no such page."""
    counted = isinstance(page, (int, np.integer)) and not isinstance(page, bool)
    if not counted or not 0 <= page < pages:
        cure = f"Choose a page from 0 to {pages - 1}" if pages > 1 else "Leave the page out"
        raise UnsupportedLayoutError(
            f"{name} has no page {page!r}: it has {pages} page{'s' if pages > 1 else ''}, "
            f"counted from 0. {cure}."
        )


def check_level(level: int, levels: int, name: str) -> None:
    """Raises `UnsupportedLayoutError` if the image has no such resolution."""
    if not isinstance(level, (int, np.integer)) or not 0 <= level < levels:
        cure = f"Choose one from 0 to {levels - 1}" if levels > 1 else "Leave the level out"
        raise UnsupportedLayoutError(
            f"{name} has no level {level!r}: it has {levels} resolution"
            f"{'s' if levels > 1 else ''}, counted from 0, the finest. {cure}."
        )


def check_channel(channel: int, channels: int, name: str) -> None:
    """Raises `UnsupportedLayoutError` if the image has no such channel."""
    if not isinstance(channel, (int, np.integer)) or not 0 <= channel < channels:
        cure = f"Choose one from 0 to {channels - 1}" if channels > 1 else "Leave the channel out"
        raise UnsupportedLayoutError(
            f"{name} has no channel {channel!r}: it has {channels} channel"
            f"{'s' if channels > 1 else ''}, counted from 0. {cure}."
        )


def too_large(name: str, seen: str, max_pixels: int) -> ImageTooLargeError:
    """Returns the error for an image of more than `max_pixels`; `seen` says how many it has."""
    return ImageTooLargeError(
        f"{name} is too large: {seen}. The limit is {max_pixels / 1e6:.0f} million pixels; "
        "cut it into parts or scale it down."
    )


def check_size(name: str, height: int, width: int, max_pixels: int, layers: int = 1) -> None:
    """Raises `ImageTooLargeError` for more than `max_pixels`; more than 4 layers count as more."""
    if height * width * max(layers, 4) > 4 * max_pixels:
        seen = f"{width} x {height} pixels" + (f" in {layers} layers" if layers > 4 else "")
        raise too_large(name, seen, max_pixels)


@contextlib.contextmanager
def decoder_errors(name: str, max_pixels: int) -> Iterator[None]:
    """Turns every exception of a decoder into an `ImageError` that names the image.

    What tifffile logs of an image that is refused is dropped.
    """
    try:
        with log_if_read(), warnings.catch_warnings():
            # Pillow warns of bombs long before max_pixels, and of metadata that is not used here.
            warnings.simplefilter("ignore")
            yield
    except ImageError:
        raise
    except PIL.Image.DecompressionBombError as error:
        count = re.search(r"\d+", str(error))
        seen = f"{int(count.group()) / 1e6:.0f} million pixels" if count else "beyond bounds"
        limit = min(max_pixels, 2 * (PIL.Image.MAX_IMAGE_PIXELS or max_pixels))
        raise too_large(name, seen, limit) from error
    except MemoryError as error:
        raise ImageTooLargeError(
            f"{name} does not fit into this machine's memory. Cut it into parts."
        ) from error
    except Exception as error:  # decoders raise anything: struct.error, zlib.error, KeyError ...
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        if isinstance(error, SystemError) or reason.startswith(SHORT_OF_MEMORY):
            raise UnreadableImageError(
                f"{name} cannot be decoded: its decoder failed and did not say why, as some do "
                "where memory is short. Close other programs, copy the image again, or export it "
                "as TIFF."
            ) from error
        raise UnreadableImageError(
            f"{name} cannot be decoded ({reason}): it is damaged, cut off, or of a rare kind. "
            "Copy it again, or export it as PNG or TIFF."
        ) from error


def validated(image: ImageData, max_pixels: int) -> ImageData:
    """Checks dtype and size of an image that was read; returns it in native byte order.

    Raises:
        UnsupportedLayoutError, ImageTooLargeError
    """
    if image.pixels.size == 0:
        raise UnsupportedLayoutError(
            f"{image.source} holds no pixels: its shape is {image.pixels.shape}. Export it again."
        )
    if image.dtype.kind not in "buif" or image.dtype.itemsize > 8:
        raise UnsupportedLayoutError(
            f"{image.source} has pixels of type {image.dtype}; whole numbers, floats and "
            "booleans have a clear meaning. For complex images take np.abs(image) first."
        )
    check_size(image.source, image.height, image.width, max_pixels)
    native = image.dtype.newbyteorder("=")
    if image.dtype == native:
        return image
    alpha = None if image.alpha is None else image.alpha.astype(native)
    return replace(image, pixels=image.pixels.astype(native), alpha=alpha)


def note_pages(image: ImageData) -> ImageData:
    """Adds a note on the other pages to an image that has several."""
    if image.pages == 1:
        return image
    note = f"page {image.page} of {image.pages} (counted from 0); the others were not looked at"
    return replace(image, notes=(*image.notes, note))


def level_notes(level: int, levels: int) -> list[str]:
    """Returns a note on the resolution that was taken, if there are several."""
    if levels == 1:
        return []
    if level == 0:
        return [f"the finest of {levels} resolutions was taken"]
    return [f"resolution {level} of {levels} (counted from 0, the finest) was taken"]


def pick_channel(image: ImageData, channel: int | None) -> ImageData:
    """Returns the image with this channel only, unchanged for None or if it has only one."""
    if channel is None:
        return image
    check_channel(channel, image.channels, image.source)
    if image.channels == 1:
        return image
    pixels = np.ascontiguousarray(image.pixels[..., channel : channel + 1])
    return note_channel(replace(image, pixels=pixels, alpha=None), channel, image.channels)


def note_channel(image: ImageData, channel: int, channels: int) -> ImageData:
    """Adds a note to an image that has only one channel of several."""
    note = f"channel {channel} of {channels} (counted from 0); the others were not looked at"
    notes = (*image.notes, note)
    place = replace(image.place, channel=int(channel))
    return replace(image, notes=notes, channel=int(channel), all_channels=channels, place=place)


def select_page(array: np.ndarray, axes: str, page: int) -> tuple[np.ndarray, str]:
    """Returns a view of one page of an array, and the axes that remain."""
    page_axes = [position for position, axis in enumerate(axes) if axis not in "YXSC"]
    remaining = "".join(axis for axis in axes if axis in "YXSC")
    array = np.moveaxis(array, page_axes, range(len(page_axes)))
    return array[np.unravel_index(page, array.shape[: len(page_axes)])], remaining


def select_channel(array: np.ndarray, axes: str, channel: int) -> tuple[np.ndarray, str]:
    """Returns a view of one channel of an array, and the axes that remain."""
    axis = "C" if "C" in axes else "S"
    return np.moveaxis(array, axes.index(axis), 0)[channel], axes.replace(axis, "")


def count_pages(axes: str, shape: tuple[int, ...]) -> int:
    """Returns the number of pages of an array: all axes but Y, X, S and C count as pages."""
    return math.prod(
        length for axis, length in zip(axes.upper(), shape, strict=False) if axis not in "YXSC"
    )


def oriented(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Returns the pixels upright, by a TIFF or EXIF orientation tag, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
