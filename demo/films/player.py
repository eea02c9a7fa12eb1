"""The film player: frames, objects and tracks, watched, looked up and corrected in the browser.

The frames, their objects and the tracks are files that the browser fetches as it needs them;
the value of the component says where they are. It may be given while a film is segmented, with the
frames that are there, and grows then.

A visitor corrects tracks with two kinds of edits. A join, `{"kind": "join", "from": [frame, id],
"to": [later frame, id]}`, says that the later object is what became of the earlier one. A cut,
`{"kind": "cut", "object": [frame, id]}`, removes the link into an object. Frames count from 0, and
ids are the numbers of objects in that frame; they never change. The list of edits is kept
in the browser, with undo and redo. After each change the player triggers Gradio's `input`, where
`gr.EventData` has the whole list as `edits`. The answer is a value of the same `id`, with other
`tracks`, the `edits` that they are of, and in `refused` why the last edit was refused.
"""

from pathlib import Path
from typing import Any, TypedDict

import gradio as gr

from ..parts.component import GRID_TABLE, component

WEB = Path(__file__).parent / "web"


class FilmValue(TypedDict):
    """What the player is shown. Addresses are whole, or begin at the root of the app.

    id: Another one for each film.
    name: As people call it.
    width, height, frames: Of the whole film, in pixels.
    pixel_size: Side and unit, if they are known.
    images: Of each frame, PNG or lossless WebP of 8 bits, as it is displayed. May stop early: the
        frames after these are not there yet.
    labels: Of each frame, which pixels are of which object; see `pictures.runs`. May stop early,
        too.
    tracks: Of a file as `TracksFile`; None while the objects have not been linked.
    edits: Those that `tracks` are of.
    refused: Why the last edit was not accepted, as a sentence; "" if it was.
    """

    id: str
    name: str
    width: int
    height: int
    frames: int
    pixel_size: tuple[float, str] | list | None
    images: list[str]
    labels: list[str]
    tracks: str | None
    edits: list[dict[str, Any]]
    refused: str


class TracksFile(TypedDict):
    """The JSON file behind `tracks`: tables as columns of equal length.

    objects: "frame", "id" (in that frame), "track", "x", "y" (of the centre, in
        pixels; that of the first pixel is 0, 0), "area", "intensity"; sorted by frame and id.
    area_unit: "px", or the unit of the pixel size squared.
    tracks: "id", "parent" (0: none), "first", "last" and "color" ("#rrggbb"); frames count from 0.
    """

    objects: dict[str, list]
    area_unit: str
    tracks: dict[str, list]


def film_player(elem_id: str = "film_player") -> gr.HTML:
    """An empty player; its value is a `FilmValue`, or None before there is a film."""
    return component(WEB / "player", styles=[GRID_TABLE], elem_id=elem_id)
