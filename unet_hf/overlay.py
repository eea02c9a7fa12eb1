"""Classes painted over the image."""

import numpy as np
import PIL.Image

from .errors import ConfigError


def color_table(colors: list[str]) -> np.ndarray:
    """ "#rrggbb" a class -> (classes, 3) uint8."""
    return np.array([list(bytes.fromhex(color[1:])) for color in colors], np.uint8)


def draw_overlay(
    display: np.ndarray, mask: np.ndarray, colors: list[str], alpha: float
) -> PIL.Image.Image:
    """Blends the class colours over the image.

    Args:
        display: (H, W, 3) uint8, see `images.to_display`.
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
