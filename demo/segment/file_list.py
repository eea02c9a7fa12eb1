"""The files a visitor has dropped, as a list: one is in view, others wait, each can go.

How they come in is `upload_guard`'s business. A click on a file triggers Gradio's `select`, a click
on its cross `delete`; `gr.EventData` has the file's `index`. The link to Many images triggers
`submit`.
"""

import itertools
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from ..parts.component import component

HERE = Path(__file__).parent
NOT_IN_VIEW = -1
LONGEST = 34  # letters of a name that are shown


@dataclass(frozen=True)
class Files:
    """What came in one drop.

    current: The place of the file in view; `NOT_IN_VIEW`: none of them is. bad: Places of those
        that could not be read.
    """

    paths: tuple[str, ...]
    current: int = 0
    bad: frozenset[int] = frozenset()

    @property
    def path(self) -> str:
        return self.paths[self.current]

    @property
    def archives(self) -> list[str]:
        """Those that are no image, but hold some."""
        return [path for path in self.paths if path.lower().endswith(".zip")]

    def at(self, index: int) -> "Files":
        return replace(self, current=min(max(index, 0), len(self.paths) - 1))

    def marked_bad(self) -> "Files":
        return replace(self, bad=self.bad | {self.current})

    def without(self, index: int) -> "Files | None":
        """The others; None if there are none. The next one is then in view, if it was this."""
        if len(self.paths) == 1:
            return None
        paths = (*self.paths[:index], *self.paths[index + 1 :])
        bad = frozenset(place - (place > index) for place in self.bad - {index})
        current = self.current - (self.current > index)
        return Files(paths, min(current, len(paths) - 1), bad)


def file_list() -> gr.HTML:
    """An empty list."""
    return component(
        HERE / "file_list",
        elem_id="files",
    )


def show_files(files: Files | None) -> dict[str, Any] | None:
    """What `file_list.js` reads."""
    if files is None:
        return None
    names = [Path(path).name for path in files.paths]
    return {
        "id": uuid.uuid4().hex,
        "files": [
            {"name": short, "title": name, "bad": index in files.bad}
            for index, (short, name) in enumerate(zip(short_names(names), names, strict=True))
        ],
        "current": files.current,
        "many": len(files.paths) > 1 or bool(files.archives),
    }


def short_names(names: list[str], longest: int = LONGEST) -> list[str]:
    """Without their middle where they are long; numbered where two would look alike."""
    shown: list[str] = []
    for name in names:
        half = (longest - 1) // 2
        short = name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"
        numbered = (f"{short} ({number})" for number in itertools.count(2))
        shown.append(next(one for one in itertools.chain([short], numbered) if one not in shown))
    return shown
