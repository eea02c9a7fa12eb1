"""The tables of many images: areas of classes, all objects in one file, a summary of each image."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..files import write_atomically
from ..images.pixel_size import MICROMETERS
from ..objects.counts import ObjectCounts
from .records import Record

RESULTS = "results.csv"
OBJECTS = "objects.csv"
SUMMARY = "summary.csv"
PLACE = ("file", "page")  # where a row is from, in all tables


def measured(objects: ObjectCounts) -> Record:
    """What the summary of an image says of its objects, as JSON: by class name count, areas and
    the mean intensity of each channel; of no objects, their number alone."""
    columns = {"area": objects.table[objects.area_column.name]}
    columns |= {
        name: values for name, values in objects.table.items() if name.startswith("mean_intensity")
    }

    def of_class(index: int) -> Record:
        own = objects.table["class_id"] == index
        means = {
            f"mean {name}" if name == "area" else name: float(values[own].mean())
            for name, values in columns.items()
            if own.any()
        }
        middle = {"median area": float(np.median(columns["area"][own]))} if own.any() else {}
        return {"objects": int(own.sum())} | middle | means

    size = objects.pixel_size
    side = MICROMETERS[size.unit] / 1000 if size else None  # mm in a unit
    return {
        "classes": {objects.id2label[index]: of_class(index) for index in objects.classes},
        "area": objects.area_column.name,
        "mm2 of a pixel": side * side * size.x * size.y if side else None,
    }


def write_results(path: Path, rows: Sequence[Record]) -> None:
    """The area of each class in each image, and the number of its objects where they were asked
    for."""
    labels = list(rows[0]["pixels"]) if rows else []
    head = [*PLACE, "width", "height", "threshold"]
    head += [f"{what} {label}" for label in labels for what in ("pixels", "share")]
    counted = [label for label in labels if any(label in row.get("objects", ()) for row in rows)]
    head += [f"objects {label}" for label in counted]
    # Above 1, an image is unlike those of the training; a checkpoint may not know.
    known = any("unlike_training" in row for row in rows)
    head += ["unlike_training"] if known else []
    write_csv(path, [[*head, "notes"], *(_row(record, counted, known) for record in rows)])


def _row(record: Record, counted: list[str], known: bool) -> list[object]:
    """Returns the row of an image.

    counted: Classes whose objects have a column; empty where they were not asked for. known: There
    is a column that says how unlike the training's an image is.
    """
    areas = [
        value
        for label, pixels in record["pixels"].items()
        for value in (pixels, _share(record, label))
    ]
    counts = [record.get("objects", {}).get(label, "") for label in counted]
    place = [record[key] for key in (*PLACE, "width", "height")]
    threshold = record["options"]["threshold"]
    unlike = [record.get("unlike_training", "")] if known else []
    return [*place, threshold, *areas, *counts, *unlike, "; ".join(record["notes"])]


def _share(record: Record, label: str) -> float:
    known = sum(record["pixels"].values())  # pixels without data are not counted
    return round(record["pixels"][label] / known, 6)


def write_objects(path: Path, rows: Sequence[Record]) -> None:
    """The objects of all images, with file and page: the rows of each image's own table.

    Columns that only some images have, such as a red channel, are empty for the others.
    """
    tables = [
        (record, path.parent / file)
        for record in rows
        for file in record["files"]
        if file == f"{record['name']}_{OBJECTS}"
    ]
    columns: dict[str, None] = {}
    for _, table in tables:
        with table.open(encoding="utf-8", newline="") as file:
            columns |= dict.fromkeys(next(csv.reader(file)))

    def write(temporary: Path) -> None:
        with temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            writer = csv.DictWriter(file, [*PLACE, *columns], lineterminator="\n", restval="")
            writer.writeheader()
            for record, table in tables:
                place = {key: record[key] for key in PLACE}
                with table.open(encoding="utf-8", newline="") as source:
                    writer.writerows(place | row for row in csv.DictReader(source))

    write_atomically(path, write)


def write_summary(path: Path, rows: Sequence[Record]) -> None:
    """A row an image: size, threshold, and of each class the share of the area, the number of its
    objects, their mean and median area, density and mean intensity."""
    dicts = [dict(_summary(record)) for record in rows]
    head: dict[str, None] = {}
    for row in dicts:
        head |= dict.fromkeys(row)
    last = ["notes"] if rows else []
    names = [name for name in head if name not in last] + last
    write_csv(path, [names, *([row.get(name, "") for name in names] for row in dicts)])


def _summary(record: Record) -> Iterator[tuple[str, Any]]:
    for key in (*PLACE, "width", "height"):
        yield key, record[key]
    yield "threshold", record["options"]["threshold"]
    found = record.get("measured", {})
    megapixels = sum(record["pixels"].values()) / 1e6  # those with data
    for label in record["pixels"]:
        yield f"share {label}", _share(record, label)
        own = dict(found.get("classes", {}).get(label, {}))
        if not own:
            continue
        count = own["objects"]
        yield f"objects {label}", count
        unit = found["area"].removeprefix("area_")
        yield f"mean_area_{unit} {label}", _written(own.get("mean area"))
        yield f"median_area_{unit} {label}", _written(own.get("median area"))
        yield f"objects_per_megapixel {label}", _written(count / megapixels)
        if found["mm2 of a pixel"]:
            area = found["mm2 of a pixel"] * megapixels * 1e6
            yield f"objects_per_mm2 {label}", _written(count / area)
        for name, value in own.items():
            if name.startswith("mean_intensity"):
                yield f"{name} {label}", _written(value)
    yield "notes", "; ".join(record["notes"])


def _written(value: float | None) -> str:
    """With seven significant digits, as in the table of objects; nothing where there is none."""
    return "" if value is None else f"{value:.7g}"


def write_csv(path: Path, rows: list) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    # Names of files that are no UTF-8 go out as the bytes they are.
    content = text.getvalue().encode("utf-8", "surrogateescape")
    write_atomically(path, lambda temporary: temporary.write_bytes(content))
