"""`Objects`: the single objects of a prediction, with their measurements."""

import io
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..classes import chosen_classes
from ..errors import ConfigError, TooManyObjectsError
from ..images.image_data import ImageData
from ..images.pixel_size import PixelSize
from ..images.place import Place
from ..network.configuration import OBJECT_METHODS, checked_seed
from .counts import ObjectCounts, write_head, write_rows
from .instances import compact, keep_objects, select_objects
from .measures import Column, measure
from .outlines import Outline, trace


@dataclass(frozen=True, eq=False)
class Objects(ObjectCounts):
    """The objects of a prediction, numbered 1 to n row by row.

    labels: (H, W) int32, the object of every pixel; 0 for none.
    table: Column name -> (n,) array; row i is object i + 1. `columns` has the meaning and the unit
        of each column.

    Lengths and positions are in pixels, x to the right and y down, from the upper left corner of
    the image: the centre of its first pixel is (0.5, 0.5). If the image is a coarser level of a
    pyramid, they and all areas are in pixels of its finest level, and a column has the level. If
    the pixel size is known, the same columns follow in its unit.
    """

    labels: np.ndarray = field(repr=False)
    table: dict[str, np.ndarray] = field(repr=False)
    columns: tuple[Column, ...] = field(repr=False)
    id2label: dict[int, str]
    colors: list[str]  # "#rrggbb", by class id
    pixel_size: PixelSize | None
    classes: tuple[int, ...]
    method: str
    min_size: int
    exclude_border: bool
    seed: float | None = None
    place: Place = field(default=Place(), repr=False)  # of the image in its file

    @cached_property
    def outlines(self) -> list[Outline]:
        """The outline of each object along the edges of `labels`' pixels, in the order of ids."""
        return trace(self.labels)

    def instances(self) -> np.ndarray:
        """Returns `labels` as (H, W) uint16, or as uint32 for more than 65,535 objects."""
        return compact(self.labels)

    def csv(self) -> str:
        """Returns the table as CSV; names are ASCII and end in the unit."""
        text = io.StringIO()
        write_head(text, self.table)
        write_rows(text, self.table)
        return text.getvalue()


def find_objects(
    labels: np.ndarray,
    mask: np.ndarray,
    probabilities: np.ndarray,
    image: ImageData,
    id2label: dict[int, str],
    colors: list[str],
    *,
    classes: Collection[int],
    method: str,
    seed: float | None = None,
    min_size: int = 0,
    exclude_border: bool = False,
    pixel_size: PixelSize | None = None,
    max_objects: int | None = None,
) -> Objects:
    """Selects and measures the objects of a prediction; see `Segmentation.objects`.

    Args:
        labels: (H, W) int32, 0 and 1 to n without gaps: the objects found by `method`. Pixels
            without data belong to none.
        mask: (H, W) uint8 class ids.
        probabilities: (classes, H, W) float32.
        classes: Ids of the classes that were searched.
    """
    labels = large_enough(labels, image, min_size, exclude_border, max_objects)
    columns, table = measure(labels, mask, probabilities, image, id2label, pixel_size)
    return Objects(
        labels,
        table,
        columns,
        id2label,
        colors,
        pixel_size,
        tuple(classes),
        method,
        int(min_size),
        bool(exclude_border),
        seed,
        image.place,
    )


def large_enough(
    labels: np.ndarray,
    image: ImageData,
    min_size: int = 0,
    exclude_border: bool = False,
    max_objects: int | None = None,
) -> np.ndarray:
    """Returns the objects that are asked for, renumbered from 1; see `Segmentation.objects`."""
    selected = keep_objects(labels, image.valid, min_size, exclude_border)
    check_count(int(selected.sum()), max_objects)
    return select_objects(labels, selected)


def check_options(
    id2label: dict[int, str],
    *,
    classes: Collection[int | str] | int | str | None = None,
    method: str = "auto",
    seed: float | None = None,
    min_size: int | None = None,
    exclude_border: bool = False,
    pixel_size: PixelSize | tuple | str | None = None,
    max_objects: int | None = None,
) -> tuple[tuple[int, ...], PixelSize | None]:
    """Checks the options; returns the ids of the classes, and the pixel size if one is given.

    Raises:
        ConfigError: An option of `Segmentation.objects` is not usable with these classes.
    """
    methods = ("auto", *OBJECT_METHODS)
    if method not in methods:
        raise ConfigError(f"There is no method {method!r}; there are {', '.join(methods)}.")
    whole = isinstance(min_size, (int, np.integer)) and not isinstance(min_size, bool)
    if min_size is not None and not (whole and min_size >= 0):
        raise ConfigError(f"min_size={min_size!r} is not a number of pixels: 0, 1, 2 ...")
    if seed is not None:
        if method not in ("auto", "learned"):
            raise ConfigError(f"seed={seed!r} is only for the method 'learned', not {method!r}.")
        checked_seed(seed)
    return chosen_classes(classes, id2label), PixelSize.of(pixel_size)


def check_count(count: int, limit: int | None) -> None:
    if limit is not None and count > limit:
        raise TooManyObjectsError(
            f"There are {count:,} objects, and at most {limit:,} are measured here. Choose a "
            "larger smallest size (min_size), or another threshold; in Python, "
            "result.objects(max_objects=None) measures them all."
        )
