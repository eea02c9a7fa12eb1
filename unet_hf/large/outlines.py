"""Outlines of the objects of a large image, traced window by window."""

import json
from pathlib import Path

from ..images.place import Place
from ..objects.outline_files import geojson_feature, geojson_head
from ..objects.outlines import trace
from .measuring import numbered, windows
from .objects import LargeObjects

COMPACT = (",", ":")  # separators without spaces


def write_outlines(path: Path, objects: LargeObjects, colors: list[str], place: Place) -> None:
    """Writes what `to_geojson` returns, object by object.

    colors: "#rrggbb", by class id. place: Of the image in its file.
    """
    instances, classes = objects.found.instances, objects.table["class_id"].tolist()
    head = json.dumps(geojson_head(place) | {"features": []}, separators=COMPACT)
    comma = ""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(head.removesuffix("]}"))
        for group in windows(objects.found.boxes):
            features = {}
            for chosen, rows, columns in group:
                labels = numbered(instances.read(0, rows, columns), chosen + 1)
                for number, outline in zip(chosen.tolist(), trace(labels), strict=True):
                    index = classes[number]
                    feature = geojson_feature(
                        number + 1,
                        objects.id2label[index],
                        colors[index],
                        outline.moved(columns.start, rows.start),
                        place,
                    )
                    features[number] = json.dumps(feature, separators=COMPACT)
            for number in sorted(features):
                file.write(comma + features[number])
                comma = ","
        file.write("]}")
