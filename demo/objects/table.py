"""The objects of a result as a table one can sort, with a histogram of their areas.

A row that is chosen triggers Gradio's `select` (`gr.EventData` has `id` and `box`) and, for
scripts, the event `objects:select` with the same `detail`: {id, box: {x, y, width, height}}, in
pixels of the image. Whoever sends the event `objects:highlight` to the element `.objects` within,
`detail` an id or null, has its row marked and scrolled to. Where the picture is looked at at
another threshold than the objects were counted at, the table says so; Gradio's `submit` asks for
them to be counted (again). If the viewer paints objects meanwhile, `input` asks for those of each
threshold that the slider passes, which `show_parted` gives. Sorting, scrolling and choosing ask
nothing of the server.
"""

import uuid
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from unet_hf.objects.histogram import AreaHistogram
from unet_hf.objects.measures import Column
from unet_hf.objects.objects import Objects

from ..parts.component import GRID_TABLE, component
from ..parts.html_parts import count
from ..parts.object_options import method_words

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
    return component(HERE / "table", styles=[GRID_TABLE], elem_id=elem_id, viewer=viewer, live=None)


def show_objects(
    objects: Objects,
    threshold: float | None = None,
    typed_size: list[Any] | None = None,
    layer: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What `table.js` reads.

    threshold: That the objects were found at. typed_size: The size of a pixel as the viewer says
    that it was typed. layer: What the viewer draws, see `object_layer`.
    """
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
        "count": count_in_words(objects.counts()),
        "words": in_words(objects, threshold),
        "histogram": AreaHistogram.from_objects(objects).data(),
        "threshold": threshold,
        "typed_size": typed_size,
        "in_pixels": objects.pixel_size is None and len(objects) > 0,
        "layer": layer,
    }


def say(words: str, ask: bool = False) -> dict[str, Any]:
    """A sentence where no objects are listed; `ask`: with a button that asks for them."""
    return {"id": uuid.uuid4().hex, "words": words, "ask": ask}


def shown_columns(objects: Objects) -> list[Column]:
    """Of each quantity the column in the most telling unit that is known."""
    found = {}
    for column in objects.columns:
        bare = column.name.rpartition("_")[0] if column.unit else column.name
        if bare == "class" and len(objects.classes) == 1:
            continue  # the same in each row
        if column.name.startswith("mean_intensity"):
            found[column.name] = column
        elif bare in SHOWN:
            found[bare] = column
    return list(found.values())


def show_parted(
    counts: dict[str, int], threshold: float | None, layer: dict[str, Any]
) -> dict[str, Any]:
    """The update of a table while a slider is dragged: how many objects there are now, and what
    the viewer draws. The rows wait, in gray, for `show_objects`.

    counts: By the name of the class.
    """
    live = {"count": count_in_words(counts), "threshold": threshold, "layer": layer}
    return gr.update(live={"id": uuid.uuid4().hex} | live)


def count_in_words(counts: dict[str, int]) -> list[str]:
    """How many, and of what: ["131", "objects"], or ["12", "objects: 8 cell, 4 vessel"]."""
    total = sum(counts.values())
    of = ", ".join(f"{count(each)} {name}" for name, each in counts.items())
    noun = "object" if total == 1 else "objects"
    return [count(total), f"{noun}: {of}" if len(counts) > 1 and total else noun]


def in_words(objects: Objects, threshold: float | None = None) -> str:
    """How large they are, how they were counted, and what to do if there are none."""
    cut = "" if threshold is None else f"threshold {threshold:.2f}, "
    least = f", {count(objects.min_size)} px or more" if objects.min_size else ""
    method = method_words(objects.method, objects.seed)
    how = f"Counted at {cut}{method}{least}."
    if threshold is None:
        how = f"{method.capitalize()}{least}."
    if not len(objects):
        cure = "Lower the threshold" if threshold is not None else "Choose another checkpoint"
        smaller = ", or choose a smaller smallest size" if objects.min_size else ""
        return f"None found. {cure}{smaller}. {how}"
    area = np.median(objects.table[objects.area_column.name])
    words = f"Median area {area:.4g} {objects.area_column.unit}. "
    if cut_off := int(objects.table["touches_border"].sum()):
        touch = "touches" if cut_off == 1 else "touch"
        words += f"{count(cut_off)} {touch} the border and may be cut off. "
    return words + how


def _title(column: Column) -> str:
    name = column.name
    if column.unit and not name.startswith("mean_intensity"):
        name = name.rpartition("_")[0]
    short = {"id": "no.", "touches_border": "at border", "equivalent_diameter": "diameter"}
    return short.get(name, name.replace("_", " "))
