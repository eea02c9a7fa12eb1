"""Masks as files and columns store them, in a few words."""

import io

import numpy as np
import PIL.Image

from unet_hf.data.detect_encoding import (
    RawMask,
    read_mask,
)

RED, GREEN, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 0)


def mask(values, dtype=np.uint8) -> RawMask:
    return read_mask(np.atleast_2d(np.array(values, dtype)))


def rgb(*colors) -> RawMask:
    return read_mask(np.array([colors], np.uint8))


def encoded(image: PIL.Image.Image, format: str = "PNG", **kwargs) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **kwargs)
    return file.getvalue()


def palette_image(indices: np.ndarray) -> PIL.Image.Image:
    image = PIL.Image.fromarray(indices.astype(np.uint8), "L")
    image.putpalette([value for index in range(256) for value in (index, 255 - index, 7)])
    return image


def labels(count: int) -> dict[str, str]:
    return {str(number): f"class {number}" for number in range(count)}
