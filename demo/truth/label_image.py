"""A label image that a visitor has, read as the ground truth for one prediction."""

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from unet_hf import Segmentation
from unet_hf.errors import DatasetError, ImageError

if TYPE_CHECKING:
    from unet_hf.data.stored_masks import RawMask

NOT_COUNTED = 255
READ_AS = ("auto", "classes", "objects")
# Ids of objects are of one piece each, but for a few that something cuts in two.
MOST_PIECES = 2  # for each id, on average


@dataclass(frozen=True, eq=False)
class Truth:
    """A label image, read.

    classes: (H, W) uint8 class ids of the result's classes, `NOT_COUNTED` where nothing is known.
    objects: (H, W) int32, the id of the object of each pixel, 0 for none; None if the file has
        classes alone.
    rule: How its values were read, in words.
    """

    classes: np.ndarray = field(repr=False)
    objects: np.ndarray | None = field(repr=False)
    rule: str


def read_truth(path: str | Path, result: Segmentation, read_as: str = "auto") -> Truth:
    """Reads a label image as the truth for one prediction.

    Class ids, palette indices, black and white for two classes, the classes' own colours, and ids
    of objects are understood.

    Args:
        read_as: "classes", "objects", or "auto": what its values look like. As objects, black and
            white is read as one object for each connected region.

    Raises:
        DatasetError: It is no label image, not of the image's size, or without a clear meaning.
    """
    path = Path(path)
    mask = _read(path)
    height, width = mask.values.shape[:2]
    if (height, width) != result.mask.shape:
        raise DatasetError(
            f"{path.name} is {width} x {height} pixels, the image {result.mask.shape[1]} x "
            f"{result.mask.shape[0]}. Choose the mask that belongs to this image, unscaled."
        )
    numbered = read_as != "classes" and _numbers_objects(mask, len(result.id2label), read_as)
    if numbered:
        return _read_objects(path.name, mask, result)
    classes, rule = _read_classes(path.name, mask, result)
    if read_as == "objects":
        from unet_hf.objects.instances import find_instances

        _check_one_class(path.name, result)
        objects = find_instances(classes, result.probabilities, [1], "components")
        return Truth(classes, objects, f"{rule}; each connected region is an object")
    return Truth(classes, None, rule)


def _read_classes(name: str, mask: "RawMask", result: Segmentation) -> tuple[np.ndarray, str]:
    from unet_hf.data.detect_encoding import detect_encoding
    from unet_hf.data.stored_masks import plane_of

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


def _numbers_objects(mask: "RawMask", classes: int, read_as: str) -> bool:
    """Whether the values are ids of objects: more than there are classes, of one piece each."""
    from skimage.measure import label

    from unet_hf.data.stored_masks import looks_smooth, plane_of, value_counts

    plane = plane_of(mask)
    if plane is None or plane.dtype == bool or (plane % 1 != 0).any() or plane.min() < 0:
        return False
    counts = value_counts(plane.astype(np.int64))
    ids = _object_ids(counts)
    if len(ids) < 2 or (read_as == "auto" and ids[-1] < classes):
        return False
    if looks_smooth({value: count / plane.size for value, count in counts.items()}):
        return False
    pieces = label(np.where(np.isin(plane, ids), plane, 0), background=0, connectivity=2).max()
    return read_as == "objects" or pieces <= MOST_PIECES * len(ids)


def _object_ids(counts: dict[int, int]) -> list[int]:
    """Values that number objects, in order. A 255 that no 254 leads up to says "not counted"."""
    ids = sorted(value for value in counts if value > 0)
    if ids[-1:] == [NOT_COUNTED] and NOT_COUNTED - 1 not in counts:
        ids.pop()
    return ids


def _read_objects(name: str, mask: "RawMask", result: Segmentation) -> Truth:
    from unet_hf.data.stored_masks import format_ranges, plane_of, value_counts

    _check_one_class(name, result)
    plane = plane_of(mask).astype(np.int64)
    counts = value_counts(plane)
    ids = _object_ids(counts)
    # Ids may be of any size; their order says the same.
    objects = np.where(np.isin(plane, ids), np.searchsorted(ids, plane) + 1, 0).astype(np.int32)
    classes = (objects > 0).astype(np.uint8)
    unknown = ~np.isin(plane, [0, *ids])
    classes[unknown] = NOT_COUNTED
    said = ", 255 not counted" if unknown.any() else ""
    rule = f"values {format_ranges(ids)} read as ids of {len(ids)} objects ({result.id2label[1]})"
    return Truth(classes, objects, rule + said)


def _check_one_class(name: str, result: Segmentation) -> None:
    """Raises `DatasetError` if objects may be of several classes."""
    if len(result.id2label) != 2:
        of = ", ".join(label for key, label in result.id2label.items() if key)
        raise DatasetError(
            f"{name} numbers objects, and this checkpoint has several classes of them ({of}): "
            "which is which is not known. Give the mask with class ids."
        )


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
