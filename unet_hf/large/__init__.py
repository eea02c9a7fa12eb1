"""Segmentation of images of any size in constant memory: read, predicted and written by windows.

>>> from unet_hf.large import segment_large
>>> segment_large(model, "slide.tif", "out", outputs=("mask", "summary"))  # doctest: +SKIP
"""

from .result import LargeSegmentation
from .segment import segment_large
from .tile_size import tile_size_for

__all__ = ["LargeSegmentation", "segment_large", "tile_size_for"]
