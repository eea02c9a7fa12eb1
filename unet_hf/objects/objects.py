"""`Objects`: the single objects of a prediction, with their measurements."""

import csv
import io
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..classes import chosen_classes
from ..errors import ConfigError, TooManyObjectsError
from ..images.image_data import ImageData
from ..images.pixel_size import PixelSize
from ..images.place import Place
from ..network.configuration import OBJECT_METHODS, checked_seed
from .instances import keep_objects, select_objects
from .measures import Column, measure
from .outlines import Outline, trace


@dataclass(frozen=True, eq=False)
class Objects:
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
    classes: tuple[int, ...]  # ids of the classes whose objects were searched
    method: str
    min_size: int
    exclude_border: bool
    seed: float | None = None  # of the method "learned"
    place: Place = field(default=Place(), repr=False)  # of the image in its file

    def __len__(self) -> int:
        return len(self.table["id"])

    @property
    def area_column(self) -> Column:
        """The column of areas in the pixel size's unit if known, else in pixels."""
        areas = [column for column in self.columns if column.name.startswith("area_")]
        return areas[-1]

    @cached_property
    def outlines(self) -> list[Outline]:
        """The outline of each object along the edges of `labels`' pixels, in the order of ids."""
        return trace(self.labels)

    def instances(self) -> np.ndarray:
        """Returns `labels` as (H, W) uint16, or as uint32 for more than 65,535 objects."""
        return self.labels.astype(np.uint16 if len(self) < 2**16 else np.uint32)

    def csv(self) -> str:
        """Returns the table as CSV; names are ASCII and end in the unit."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.table)
        writer.writerows(zip(*(_csv_values(values) for values in self.table.values()), strict=True))
        return text.getvalue()

    def counts(self) -> dict[str, int]:
        """Returns the number of objects of each searched class, by name."""
        ids = self.table["class_id"]
        return {self.id2label[index]: int((ids == index).sum()) for index in self.classes}

    def summary(self) -> dict[str, Any]:
        """Returns count and areas of each searched class, and the options, as JSON."""
        areas = self.table[self.area_column.name]
        areas_by_class = {index: areas[self.table["class_id"] == index] for index in self.classes}
        return {
            "count": len(self),
            "classes": {
                self.id2label[index]: {"count": len(values)}
                | (
                    {
                        "total_area": float(values.sum()),
                        "mean_area": float(values.mean()),
                        "median_area": float(np.median(values)),
                    }
                    if len(values)
                    else {}
                )
                for index, values in areas_by_class.items()
            },
            "area_unit": self.area_column.unit,
            "touching_border": int(self.table["touches_border"].sum()),
            "pixel_size": str(self.pixel_size) if self.pixel_size else None,
            "method": self.method,
            **({} if self.seed is None else {"seed": self.seed}),
            "min_size": self.min_size,
            "exclude_border": self.exclude_border,
        }


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
    selected = keep_objects(labels, image.valid, min_size, exclude_border)
    _check_count(int(selected.sum()), max_objects)
    labels = select_objects(labels, selected)
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


def _check_count(count: int, limit: int | None) -> None:
    if limit is not None and count > limit:
        raise TooManyObjectsError(
            f"There are {count:,} objects, and at most {limit:,} are measured here. Choose a "
            "larger smallest size (min_size), or another threshold; in Python, "
            "result.objects(max_objects=None) measures them all."
        )


def _csv_values(values: np.ndarray) -> list[Any]:
    """Returns values for a CSV file; floats have seven significant digits."""
    if values.dtype == bool:
        return ["true" if value else "false" for value in values]
    if values.dtype.kind == "f":
        return [f"{value:.7g}" for value in values]
    return values.tolist()
