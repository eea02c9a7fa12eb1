"""For the eye: the image in 8 bits, and its classes painted over it."""

import numpy as np
import PIL.Image

from .errors import ConfigError
from .image_data import ImageData


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


def color_table(colors: list[str]) -> np.ndarray:
    """ "#rrggbb" a class -> (classes, 3) uint8."""
    return np.array([list(bytes.fromhex(color[1:])) for color in colors], np.uint8)


def draw_overlay(
    display: np.ndarray, mask: np.ndarray, colors: list[str], alpha: float
) -> PIL.Image.Image:
    """Blends the class colours over the image.

    Args:
        display: (H, W, 3) uint8, see `to_display`.
        mask: (H, W) uint8 class ids.
        colors: "#rrggbb" by class id.
        alpha: 0 shows the image alone, 1 the colours alone.

    Raises:
        ConfigError: `alpha` is not from 0 to 1.
    """
    if not 0 <= alpha <= 1:
        raise ConfigError(f"alpha={alpha!r} is not from 0 (image alone) to 1 (colours alone).")
    # One table row a class and gray level instead of float arithmetic a pixel.
    levels = np.arange(256, dtype=np.float32)[None, :, None]
    paint = color_table(colors).astype(np.float32)[:, None, :]
    table = np.rint((1 - alpha) * levels + alpha * paint).astype(np.uint8)  # (classes, 256, 3)
    blended = np.stack([table[mask, display[..., c], c] for c in range(3)], axis=-1)
    return PIL.Image.fromarray(blended, "RGB")
