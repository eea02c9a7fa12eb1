"""Small images, what is said of them when they are read, and a check to the last bit."""

import numpy as np
import PIL.Image
import PIL.ImageOps

from unet_hf import ImageData

NOISE = np.random.default_rng(0).integers(0, 65536, (12, 17, 4), dtype=np.uint16)
GRAY16, RGB16 = NOISE[..., 0], NOISE[..., :3]
RGB, GRAY = (RGB16 >> 8).astype(np.uint8), (GRAY16 >> 8).astype(np.uint8)
RGBA, BITS = (NOISE >> 8).astype(np.uint8), GRAY > 99
FOUR_BITS, COLOURS = GRAY >> 4, np.stack([RGB, RGB // 2])

ALPHA = "alpha channel left out"
PALETTE = "palette turned into its RGB colours"
CMYK, YCBCR = "CMYK turned into RGB", "YCbCr turned into RGB"
WHITE = "inverted: the file stores white as 0"


def check(image: ImageData, pixels: np.ndarray) -> None:
    """The same values, height x width x channels, in the same dtype, of this machine's order."""
    assert image.dtype == pixels.dtype
    assert image.dtype.isnative
    assert image.pixels.shape == np.atleast_3d(pixels).shape
    assert np.array_equal(image.pixels, np.atleast_3d(pixels))


STACK = np.random.default_rng(1).integers(0, 256, (2, 3, 2, 12, 17), dtype=np.uint8)


def save_all(path):
    first, *others = map(PIL.Image.fromarray, STACK[0, :, 0])
    first.save(path, save_all=True, append_images=others, lossless=True)
