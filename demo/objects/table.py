"""The objects of a result as a table one can sort, with a histogram of their areas.

It knows nothing of the viewer but two events. A row that is chosen triggers Gradio's `select`
(`gr.EventData` has `id` and `box`) and, for scripts, the event `objects:select` with the same
`detail`: {id, box: {x, y, width, height}}, in pixels of the image. And whoever sends the event
`objects:highlight` to the element `.objects` within, `detail` an id or null, has its row marked
and scrolled to. Sorting and scrolling ask nothing of the server.
"""

import uuid
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from unet_hf.objects.histogram import AreaHistogram
from unet_hf.objects.measures import Column
from unet_hf.objects.objects import Objects

from ..parts.component import component

HERE = Path(__file__).parent
# What the eye looks for first; the CSV file has every column.
SHOWN = (
    "id", "class", "area", "perimeter", "equivalent_diameter", "eccentricity", "solidity",
    "mean_intensity", "mean_probability", "touches_border",
)  # fmt: skip


def objects_table(elem_id: str = "objects", viewer: str | None = None) -> gr.HTML:
    """An empty table; `show_objects` makes its value.

    viewer: The `elem_id` of a viewer that flies to an object whose row is chosen.
    """
    return component(HERE / "table", elem_id=elem_id, viewer=viewer)


def show_objects(objects: Objects) -> dict[str, Any]:
    """What `table.js` reads."""
    columns = shown_columns(objects)
    table = objects.table
    left, top = table["left_px"], table["top_px"]
    boxes = np.stack([left, top, table["right_px"] - left, table["bottom_px"] - top], axis=1)
    return {
        "id": uuid.uuid4().hex,  # the same objects twice are still a new value
        "columns": [
            {"title": _title(column), "unit": column.unit, "meaning": column.meaning}
            for column in columns
        ],
        "rows": list(zip(*(table[column.name].tolist() for column in columns), strict=True)),
        "boxes": boxes.tolist(),
        "words": in_words(objects),
        "histogram": AreaHistogram.from_objects(objects).data(),
    }


def shown_columns(objects: Objects) -> list[Column]:
    """Of each quantity the column in the most telling unit that is known."""
    found = {}
    for column in objects.columns:
        bare = column.name.rpartition("_")[0] if column.unit else column.name
        if column.name.startswith("mean_intensity"):
            found[column.name] = column
        elif bare in SHOWN:
            found[bare] = column
    return list(found.values())


def in_words(objects: Objects) -> str:
    """One sentence: how many, of what, and how large."""
    summary = objects.summary()
    counts = [f"{one['count']} {name}" for name, one in summary["classes"].items()]
    words = f"{summary['count']} objects: {', '.join(counts)}"
    if summary["count"]:
        areas = objects.table[objects.area_column.name]
        words += f". Median area {np.median(areas):.4g} {summary['area_unit']}"
    if cut := summary["touching_border"]:
        words += f". {cut} touch the border of the image and may be cut off"
    return words + "."


def _title(column: Column) -> str:
    name = column.name
    if column.unit and not name.startswith("mean_intensity"):
        name = name.rpartition("_")[0]
    short = {"id": "no.", "touches_border": "at border", "equivalent_diameter": "diameter"}
    return short.get(name, name.replace("_", " "))
