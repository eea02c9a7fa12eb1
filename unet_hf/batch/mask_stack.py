"""The masks of all pages of a file, as one TIFF of as many pages."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image

from ..files import write_atomically
from ..predict.overlay import tiff_palette


def write_mask_stack(path: Path, masks: Sequence[Path], colors: list[str], axis: str) -> None:
    """Writes (pages, H, W) uint8 class ids with a palette; ids are the pixel values.

    masks: indexed PNGs, one a page. Where they differ in size, the file holds a series a page.
    colors: "#rrggbb" by class id. axis: what the pages are, e.g. "Z", "T", or "Q" if unknown.
    """
    import tifffile

    sizes = set()
    for mask in masks:
        with PIL.Image.open(mask) as image:
            sizes.add(image.size)
    options = {"photometric": "palette", "colormap": tiff_palette(colors), "compression": "zlib"}
    if len(sizes) > 1:
        groups, axes = [[mask] for mask in masks], "YX"
    else:
        groups, axes = [masks], f"{axis}YX"

    def write(temporary: Path) -> None:
        with tifffile.TiffWriter(temporary) as writer:
            for group in groups:
                # Page by page, as all of them need not fit into memory.
                with PIL.Image.open(group[0]) as first:
                    width, height = first.size
                shape = (len(group), height, width) if len(axes) == 3 else (height, width)
                writer.write(
                    (np.asarray(PIL.Image.open(mask)) for mask in group),
                    shape=shape,
                    dtype=np.uint8,
                    metadata={"axes": axes},
                    **options,
                )

    write_atomically(path, write)
