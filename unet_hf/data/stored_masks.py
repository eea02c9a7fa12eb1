"""Reads masks as they are stored, and helps to interpret their values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps

from ..errors import DatasetError, ImageError
from ..images.image_data import ORIENTATION, check_size
from ..images.pillow import count_frames, open_picture, without_texts
from ..images.reading import MAX_PIXELS
from ..images.tiff import read_tiff_values
from ..images.tiff_file import SIGNATURES


@dataclass(frozen=True, eq=False)
class RawMask:
    """A mask as it is stored.

    values: (H, W) bool, integer or float; or (H, W, 3 or 4) RGB(A).
    palette: The colors of the values, if the file has a palette.
    mode: Pillow's mode, "TIFF" or "array".
    orientation: The EXIF or TIFF tag by which it was turned upright, 1 to 8.
    """

    values: np.ndarray
    palette: list[tuple[int, int, int]] | None = None
    mode: str = "array"
    orientation: int = 1


def read_mask(content: bytes | np.ndarray | Path, page: int | None = None) -> RawMask:
    """The stored values of an encoded file or of an array (H, W[, 1, 3 or 4]).

    page: The page of a stack, counted from 0, of a TIFF's path or content; None: the only one.

    Palette images give their indices, 1-bit images bool, 2- and 4-bit PNG what was stored.
    Raises `DatasetError` for anything that cannot be read as one plane of values or RGB(A).
    """
    try:
        if isinstance(content, np.ndarray):
            return _checked(content)
        if isinstance(content, Path) or content[:4] in SIGNATURES:
            return _from_tiff(content, page)
        with open_picture(content) as image:
            depth, color = (content[24], content[25]) if image.format == "PNG" else (8, None)
            if depth == 16 and color in (2, 4, 6):  # Pillow would cut them to 8 bits
                import imagecodecs

                check_size("PNG", image.height, image.width, MAX_PIXELS)
                pixels = imagecodecs.png_decode(without_texts(content))
                return _checked(pixels[..., 0] if color == 4 else pixels, mode="RGB;16")
            mask = _from_pil(image)
        if color == 0 and depth in (2, 4):  # Pillow stretches these to 0 ... 255
            mask = replace(mask, values=mask.values // (85 if depth == 2 else 17))
        return mask
    except DatasetError:
        raise
    except ImageError as error:
        raise DatasetError(f"A mask cannot be read: {error}") from error
    except PIL.UnidentifiedImageError as error:  # its text is the address of a buffer
        raise DatasetError(
            "A mask cannot be read: it is no image in a known format. Export it again as PNG, or "
            "remove the row."
        ) from error
    except PIL.Image.DecompressionBombError as error:
        raise DatasetError(
            f"A mask cannot be read: it is too large ({error}). Cut it into "
            "parts, or remove the row."
        ) from error
    except Exception as error:  # decoders raise anything: struct.error, zlib.error, KeyError ...
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise DatasetError(
            f"A mask cannot be read ({reason}): the file is damaged or no image. Export it again "
            "as PNG, or remove the row."
        ) from error


def _checked(array: np.ndarray, **kwargs: Any) -> RawMask:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    plane = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if not plane or array.size == 0 or array.dtype.kind not in "buif":
        raise DatasetError(
            f"A mask has the shape {array.shape} and the type {array.dtype}; one plane (H, W) of "
            "numbers, or RGB(A), is expected. Store one such image a row."
        )
    return RawMask(array.astype(array.dtype.newbyteorder("="), copy=False), **kwargs)


def _from_pil(image: PIL.Image.Image) -> RawMask:
    if (frames := count_frames(image)) > 1:
        raise DatasetError(f"A mask file has {frames} frames; store one mask a row.")
    orientation = image.getexif().get(ORIENTATION, 1)
    image = PIL.ImageOps.exif_transpose(image)  # as the image beside it is turned, too
    palette = None
    if image.mode in ("P", "PA"):
        colors = image.getpalette("RGB") or []
        palette = [tuple(colors[i : i + 3]) for i in range(0, len(colors), 3)]
        indices = image if image.mode == "P" else image.getchannel(0)
        return _checked(
            np.array(indices), palette=palette, mode=image.mode, orientation=orientation
        )
    mode = image.mode
    if mode in ("LA", "La", "RGBa"):
        image = image.convert("RGBA" if mode == "RGBa" else "LA").convert("RGBA")
    elif mode in ("CMYK", "YCbCr", "HSV", "LAB", "RGBX"):
        image = image.convert("RGB")
    return _checked(np.array(image), mode=mode, orientation=orientation)


def _from_tiff(content: bytes | Path, page: int | None) -> RawMask:
    image, palette = read_tiff_values(content, "TIFF", MAX_PIXELS, page or 0)
    if image.pages > 1 and page is None:
        raise DatasetError(
            f"A mask file has {image.pages} pages; store one mask a row, or stacks of images and "
            "of masks as TIFF files in a folder."
        )
    mode = "P" if palette else "TIFF"
    return _checked(image.pixels, palette=palette, mode=mode, orientation=image.orientation)


def instances_of(
    masks: RawMask | Sequence[RawMask], *, shape: tuple[int, int] | None = None
) -> np.ndarray:
    """Instance ids, (H, W) int32, 0 for background: mask k of a list gets the id k + 1.

    Later masks cover earlier ones. A single map (also a list of one) keeps its ids; each color of
    it becomes an id.
    shape: (H, W), needed only for an empty list.
    """
    if isinstance(masks, RawMask):
        masks = [masks]
    if len(masks) == 1:
        values = plane_of(masks[0])
        if values is None:
            values = packed_colors(masks[0])
        ids = whole_numbers(values)
        if len(ids) and (ids.min() < 0 or ids.max() >= 2**31):
            raise DatasetError(
                f"Instance ids go from {ids.min()} to {ids.max()}; 0 for the background and whole "
                "numbers up to 2147483647 are expected. Number the objects from 1 on."
            )
        return ids.astype(np.int32)
    ids = np.zeros(common_shape(masks, shape), np.int32)
    for number, mask in enumerate(masks, start=1):
        ids[foreground_of(mask)] = number
    return ids


def only_mask(mask: RawMask | Sequence[RawMask], kind: str) -> RawMask:
    """Returns a mask, or the only one of a list; the first of ADE20K's list, before the parts."""
    if isinstance(mask, RawMask):
        return mask
    if len(mask) == 1 or (kind == "ade20k" and mask):
        return mask[0]
    raise DatasetError(
        f"A row holds a list of {len(mask)} masks where one is expected. Choose another "
        "--label_column."
    )


def plane_of(mask: RawMask) -> np.ndarray | None:
    """The values of a gray mask, (H, W), also of RGB(A) with equal channels; None for others."""
    if mask.values.ndim == 2:
        return mask.values
    red, green, blue = (mask.values[..., channel] for channel in range(3))
    return red if (red == green).all() and (green == blue).all() else None


def packed_colors(mask: RawMask) -> np.ndarray:
    """The colors of a mask, (H, W) int64 0xRRGGBB; gray values and palettes as they are shown."""
    values = mask.values
    if values.ndim == 2:
        values = values * np.uint8(255) if values.dtype == bool else whole_numbers(values)
        if values.min() < 0 or values.max() > 255:
            raise DatasetError(
                f"A mask holds values up to {values.max()}, which are no colours (0 to 255)."
            )
        if mask.palette:
            table = np.zeros((256, 3), np.int64)
            table[: len(mask.palette)] = mask.palette[:256]
            values = table[values]
        else:
            values = np.stack([values] * 3, axis=-1)
    elif values.dtype != np.uint8:
        raise DatasetError(f"A mask has colours of type {values.dtype}; store 8 bits a channel.")
    return values[..., :3].astype(np.int64) @ np.array([65536, 256, 1])


def ade20k_classes(mask: RawMask) -> np.ndarray:
    """The class ids in an RGB mask of ADE20K, (H, W) int64: R // 10 * 256 + G."""
    if mask.values.ndim != 3:
        raise DatasetError("--mask_encoding ade20k needs RGB masks; these are gray. Leave it out.")
    red, green = mask.values[..., 0].astype(np.int64), mask.values[..., 1]
    return red // 10 * 256 + green


def foreground_of(mask: RawMask) -> np.ndarray:
    """The pixels of one object, (H, W) bool: values that are not 0, or above 127 of soft masks."""
    values = plane_of(mask)
    if values is None:
        raise DatasetError(
            "A list of masks holds colours; one black and white mask an object is expected. For "
            "ADE20K's levels pass --mask_encoding ade20k, which takes the first."
        )
    found = (
        np.unique(values) if values.dtype.kind == "f" else np.array(sorted(value_counts(values)))
    )
    if len(found[found != 0]) <= 1:
        return values != 0
    if found[0] >= 0 and found[-1] <= 255 and values.dtype.kind in "ui":
        share = {value: count / values.size for value, count in value_counts(values).items()}
        if looks_smooth(share):
            return values > 127
    raise DatasetError(
        f"A mask in a list holds {first_five(found)}; one black and white mask an "
        f"object is expected."
    )


def value_counts(values: np.ndarray) -> dict[int, int]:
    """Counts how often each whole number occurs."""
    values = values.ravel()
    if values.min() >= 0 and values.max() < 2**16:  # masks, mostly: no need to sort the pixels
        counts = np.bincount(values)
        found = np.flatnonzero(counts)
        return dict(zip(found.tolist(), counts[found].tolist(), strict=True))
    found, counts = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def whole_numbers(values: np.ndarray) -> np.ndarray:
    """Converts values to int64. Raises `DatasetError` for fractions and NaN."""
    if values.dtype.kind == "f":
        wrong = ~np.isfinite(values) | (values % 1 != 0)
        if wrong.any():
            raise DatasetError(
                f"The masks hold {first_five(np.unique(values[wrong]))}; class ids are "
                f"whole numbers. "
                "Store ids, or a probability from 0 to 1."
            )
    return values.astype(np.int64)


def common_shape(masks: Sequence[RawMask], shape: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width of all masks of a list. Raises `DatasetError` if they differ."""
    shapes = {mask.values.shape[:2] for mask in masks} | ({shape} if shape else set())
    if len(shapes) != 1:
        seen = f"sizes {first_five(sorted(shapes))}" if shapes else "no size, as it is empty"
        raise DatasetError(f"A list of masks has {seen}; one size, that of the image, is expected.")
    return shapes.pop()


def looks_smooth(shares: dict[int, float]) -> bool:
    """Whether values are those of a black and white mask with soft edges or JPEG noise.

    Such a mask has values close to 255, and most pixels that are not black have them. Ids that
    happen to be that high share the foreground evenly.

    shares: value -> share of the pixels, 0 to 1.
    """
    top = max(shares)
    high = [value for value in shares if 192 <= value <= 254]
    if not 247 <= top <= 255 or min(shares) < 0:
        return False
    white = sum(share for value, share in shares.items() if value >= 247)
    foreground = sum(share for value, share in shares.items() if value > 8)
    return (max(high, default=0) >= 247 or len(high) >= 8) and white >= 0.25 * foreground


def hex_color(color: int) -> str:
    """Formats 0xRRGGBB as "#rrggbb"."""
    return f"#{color:06x}"


def first_five(values: Iterable[Any]) -> str:
    """Lists the first five values, in words."""
    values = np.asarray(values).tolist() if not isinstance(values, list) else values
    return ", ".join(map(str, values[:5])) + (f" and {len(values) - 5} more" * (len(values) > 5))


def format_ranges(values: list[int]) -> str:
    """Formats sorted whole numbers as ranges: [0, 1, 2, 3, 7] as "0-3, 7"."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    words = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return ", ".join(words[:20]) + (" ..." * (len(words) > 20))
