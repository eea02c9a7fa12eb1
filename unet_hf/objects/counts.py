"""What is said of objects without their pixels: how many, how large, and their table as CSV."""

import csv
from collections.abc import Iterable
from typing import Any, TextIO

import numpy as np

from ..images.pixel_size import PixelSize
from .measures import Column


class ObjectCounts:
    """A base class of objects, in memory or in files: their numbers and areas.

    table: Column name -> (n,) array, of some columns at least.
    """

    table: dict[str, np.ndarray]
    columns: tuple[Column, ...]
    id2label: dict[int, str]
    pixel_size: PixelSize | None
    classes: tuple[int, ...]  # ids of the classes whose objects were searched
    method: str
    seed: float | None  # of the method "learned"
    min_size: int
    exclude_border: bool

    def __len__(self) -> int:
        return len(self.table["id"])

    @property
    def area_column(self) -> Column:
        """The column of areas in the pixel size's unit if known, else in pixels."""
        areas = [column for column in self.columns if column.name.startswith("area_")]
        return areas[-1]

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


def write_head(file: TextIO, names: Iterable[str]) -> None:
    """Writes the first line of a table."""
    csv.writer(file, lineterminator="\n").writerow(names)


def write_rows(file: TextIO, table: dict[str, np.ndarray]) -> None:
    """Writes the rows of a table, by column name -> (n,) array."""
    columns = [_csv_values(values) for values in table.values()]
    csv.writer(file, lineterminator="\n").writerows(zip(*columns, strict=True))


def _csv_values(values: np.ndarray) -> list[Any]:
    """Returns values for a CSV file; floats have seven significant digits."""
    if values.dtype == bool:
        return ["true" if value else "false" for value in values]
    if values.dtype.kind == "f":
        return [f"{value:.7g}" for value in values]
    return values.tolist()
