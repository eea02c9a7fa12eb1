"""Pictures for display: the image in 8 bits, with its classes painted over it."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image

from ..classes import chosen_classes
from ..errors import ConfigError
from ..images.image_data import ImageData
from ..options import option

LINE_WIDTH = 2  # pixels; an outline of one pixel is hard to see on a screen
# Pixels computed at a time: table look-ups need 64-bit indices, eight times the bytes of the image.
BAND = 2**20


@dataclass(frozen=True)
class Look:
    """The options of an overlay.

    Raises:
        ConfigError: `alpha` is not from 0 to 1, or `window` is not usable.
    """

    alpha: float = option(
        0.5, "strength of the overlay's colours, 0 (the image alone) to 1; outlines are opaque"
    )
    hidden: Collection[int | str] | int | str = option(
        (),
        'names or ids of classes that the overlay leaves out, with commas between; "a, b" in '
        "double quotes is one name",
    )
    outline: bool = option(
        False,
        "the overlay has the borders of classes, two pixels thick, instead of their pixels",
    )
    window: tuple[float, float] | None = option(
        None,
        "what the overlay draws black and white, in the image's own values (default: 8 bits as "
        "they are, others between their 0.5 and 99.5 percentiles)",
    )

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ConfigError(
                f"alpha={self.alpha!r} is not from 0 (image alone) to 1 (colours alone)."
            )
        if self.window is not None:
            check_window(self.window)

    def hidden_ids(self, id2label: dict[int, str]) -> tuple[int, ...]:
        """Returns the ids of `hidden`; raises `ConfigError` if there is no such class."""
        names = self.extras().get("hidden")
        return chosen_classes(names, id2label) if names else ()

    def extras(self) -> dict[str, Any]:
        """Returns the options besides `alpha` that differ from their defaults, as JSON."""
        hidden = [self.hidden] if isinstance(self.hidden, (int, str)) else list(self.hidden)
        window = self.window and [float(value) for value in self.window]
        given = {"hidden": hidden, "outline": self.outline, "window": window}
        return {name: value for name, value in given.items() if value}


def check_window(window: tuple[float, float]) -> None:
    """Raises `ConfigError` unless it is two finite numbers in ascending order."""
    if len(window) != 2 or not all(map(math.isfinite, window)) or window[0] > window[1]:
        raise ConfigError(
            f"window={window!r} is not (black, white): two numbers in the image's own values, the "
            "smaller one first, such as (0, 4095)."
        )


def display_window(image: ImageData) -> tuple[float, float]:
    """Returns the values that are drawn black and white by default.

    They are 0 and 255 for uint8 images, otherwise the 0.5 and 99.5 percentiles.
    """
    if image.dtype == bool:
        return 0.0, 1.0
    if image.dtype == np.uint8:
        return 0.0, 255.0
    # Every k-th pixel is enough for a percentile, and keeps this fast on large images.
    step = max(1, int((image.height * image.width / 1e6) ** 0.5))
    sample = drawn_channels(image)[::step, ::step]
    if image.nodata is not None and image.valid is not None:
        sample = sample[image.valid[::step, ::step]]
    finite = sample[np.isfinite(sample)]  # NaN is refused later, with a message
    low, high = np.percentile(finite, (0.5, 99.5)) if finite.size else (0.0, 0.0)
    return float(low), float(high)


def drawn_channels(image: ImageData) -> np.ndarray:
    """Returns a view of the channels that are drawn: the first three, or the first if fewer."""
    return image.pixels[..., :3] if image.channels >= 3 else image.pixels[..., :1]


def to_display(image: ImageData, window: tuple[float, float] | None = None) -> np.ndarray:
    """Returns the image as (H, W, 3) uint8 for display; the network's input is computed elsewhere.

    Pixels without data are black.

    window: The values of the image that become 0 and 255; None: `display_window`.
    """
    pixels = drawn_channels(image)
    low, high = display_window(image) if window is None else window
    if pixels.dtype == np.uint8 and (low, high) == (0, 255):
        shades = pixels
    else:
        shades = np.empty(pixels.shape, np.uint8)
        for rows in bands(shades):
            shades[rows] = _shades(pixels[rows], low, high)
    if image.nodata is not None and image.valid is not None:
        shades = np.where(image.valid[..., None], shades, np.uint8(0))
    return np.repeat(shades, 3, axis=2) if shades.shape[2] == 1 else np.ascontiguousarray(shades)


def color_table(colors: list[str]) -> np.ndarray:
    """Turns one "#rrggbb" a class into (classes, 3) uint8."""
    return np.array([list(bytes.fromhex(color[1:])) for color in colors], np.uint8)


def tiff_palette(colors: list[str]) -> np.ndarray:
    """The colour map of a TIFF of class ids: (3, 256) uint16."""
    palette = np.zeros((3, 256), np.uint16)
    palette[:, : len(colors)] = color_table(colors).T.astype(np.uint16) * 257
    return palette


def draw_overlay(
    display: np.ndarray,
    mask: np.ndarray,
    colors: list[str],
    alpha: float,
    *,
    hidden: Collection[int] = (),
    outline: bool = False,
    valid: np.ndarray | None = None,
) -> PIL.Image.Image:
    """Paints the class colours over the image.

    Args:
        display: (H, W, 3) uint8, see `to_display`.
        mask: (H, W) uint8 class ids.
        colors: "#rrggbb" by class id.
        alpha, hidden, outline: See `Look`; `hidden` are ids here.
        valid: (H, W) bool, the pixels that are painted; None: all.

    Raises:
        ConfigError: `alpha` is not from 0 to 1.
    """
    Look(alpha)
    levels = np.arange(256, dtype=np.float32)[None, :, None]
    weight = np.full((len(colors), 1, 1), 1.0 if outline else alpha, np.float32)
    weight[list(hidden)] = 0
    paint = color_table(colors).astype(np.float32)[:, None, :]
    # A table entry for each class and gray level is faster than float arithmetic for each pixel.
    table = np.rint((1 - weight) * levels + weight * paint).astype(np.uint8)  # (classes, 256, 3)
    border = borders(mask, len(colors), hidden) if outline else None
    blended = np.empty_like(display)
    for rows in bands(display):
        for channel in range(3):
            shades = display[rows, :, channel]
            painted = table[mask[rows], shades, channel]
            if border is not None:
                painted = np.where(border[rows], painted, shades)
            if valid is not None:
                painted = np.where(valid[rows], painted, shades)
            blended[rows, :, channel] = painted
    return PIL.Image.fromarray(blended, "RGB")


def draw_heat(
    display: np.ndarray, levels: np.ndarray, colors: np.ndarray, alpha: float
) -> PIL.Image.Image:
    """Paints a map of levels over the image, in the colours of a colour map.

    Args:
        display: (H, W, 3) uint8, see `to_display`.
        levels: (H, W) uint8: how far up the colour map each pixel stands.
        colors: (256, 3) uint8: the colour map.
        alpha: From 0 to 1. From 0.5 on, the colours are opaque: a value cannot be read from a
            colour that is mixed with the image.

    Raises:
        ConfigError: `alpha` is not from 0 to 1.
    """
    Look(alpha)
    # In whole 256ths, as the viewer's `drawFilled` computes it.
    parts = int(256 * min(1.0, 2 * alpha) + 0.5)
    paint = colors.astype(np.uint16) * np.uint16(parts) + np.uint16(128)
    blended = np.empty_like(display)
    for rows in bands(display):
        shades = display[rows] * np.uint16(256 - parts)
        blended[rows] = (shades + paint[levels[rows]]) >> 8
    return PIL.Image.fromarray(blended, "RGB")


def borders(mask: np.ndarray, num_classes: int, hidden: Collection[int] = ()) -> np.ndarray:
    """Returns (H, W) bool: the outlines of the classes in a mask, `LINE_WIDTH` pixels thick.

    Between two classes there is one line, and it lies in the class of the higher id; where that
    one is hidden, in the other. The image's own edge is no border.
    """
    rank = np.arange(1, num_classes + 1, dtype=np.uint16)
    rank[list(hidden)] = 0
    ranks = rank[mask]
    border = np.zeros(mask.shape, bool)
    for lines, marked in ((ranks, border), (ranks.T, border.T)):
        for step in range(1, LINE_WIDTH + 1):
            marked[step:] |= lines[:-step] < lines[step:]
            marked[:-step] |= lines[step:] < lines[:-step]
    return border


def _shades(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    """Scales numbers to uint8; NaN becomes black. The viewer's `imageTable` computes the same."""
    share = (pixels.astype(np.float64) - low) / ((high - low) or 1)
    share = np.clip(np.nan_to_num(share, nan=0.0), 0, 1)
    return (share * 255 + 1e-6).astype(np.uint8)  # 1e-6: a quotient just below a whole number


def bands(pixels: np.ndarray) -> Iterator[slice]:
    """Yields slices of rows, for computations that need much memory for each pixel."""
    height, width = pixels.shape[:2]
    step = max(1, BAND // max(1, width))
    return (slice(top, top + step) for top in range(0, height, step))
