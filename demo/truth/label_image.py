"""A label image that a visitor has, read as the truth for one prediction."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unet_hf import Segmentation
from unet_hf.errors import DatasetError, ImageError

if TYPE_CHECKING:
    from unet_hf.data.stored_masks import RawMask


def read_truth(path: str | Path, result: Segmentation) -> tuple[np.ndarray, str]:
    """(H, W) uint8 class ids of the result's classes, 255 where nothing is known; and in words
    how the file's values were read.

    Class ids, palette indices, black and white for two classes, and the classes' own colours are
    understood.

    Raises:
        DatasetError: It is no label image, not of the image's size, or without a clear meaning.
    """
    from unet_hf.data.detect_encoding import detect_encoding
    from unet_hf.data.stored_masks import plane_of

    name = Path(path).name
    mask = _read(Path(path))
    height, width = mask.values.shape[:2]
    if (height, width) != result.mask.shape:
        raise DatasetError(
            f"{name} is {width} x {height} pixels, the image {result.mask.shape[1]} x "
            f"{result.mask.shape[0]}. Choose the mask that belongs to this image, unscaled."
        )
    names = {str(class_id): label for class_id, label in result.id2label.items()}
    colors = {color: str(class_id) for class_id, color in enumerate(result.colors)}
    try:
        encoding = detect_encoding(
            [mask], id2label=names, label_colors=colors if plane_of(mask) is None else None
        )
        return encoding.decode(mask), encoding.describe()
    except DatasetError as error:
        # Its words are those of a whole data set and of the command line.
        classes = ", ".join(f"{key} {label}" for key, label in names.items())
        shown = ", ".join(f"{color} {names[key]}" for color, key in colors.items())
        binary = " or black and white (0 and 255)," if len(names) == 2 else ""
        raise DatasetError(
            f"{name} has no clear meaning for this checkpoint: it holds {_seen(mask)}. Expected: "
            f"class ids ({classes}; 255: not counted),{binary} or the classes' colours ({shown}). "
            "Export the mask as one of these, as PNG or TIFF."
        ) from error


def _read(path: Path) -> "RawMask":
    from unet_hf.data.stored_masks import read_mask
    from unet_hf.images.one_file import check_is_file

    try:
        check_is_file(path)
        content = path.read_bytes()
    except ImageError as error:
        raise DatasetError(str(error)) from error
    try:
        if content.startswith(b"\x93NUMPY"):
            return read_mask(np.load(io.BytesIO(content), allow_pickle=False))
        return read_mask(content)
    except (DatasetError, ValueError, EOFError) as error:
        raise DatasetError(
            f"{path.name} cannot be read as one label image: it is damaged, of several pages, or "
            "no image. Export it as PNG or TIFF, one value a pixel."
        ) from error


def _seen(mask: "RawMask") -> str:
    from unet_hf.data.stored_masks import first_five, hex_color, packed_colors, plane_of

    plane = plane_of(mask)
    if plane is not None:
        return f"the values {first_five(np.unique(plane))}"
    return (
        f"the colours {first_five([hex_color(c) for c in np.unique(packed_colors(mask)).tolist()])}"
    )
