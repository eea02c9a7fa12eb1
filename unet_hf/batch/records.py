"""What a run over many files has finished, in a file that survives being killed at any moment."""

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..files import HIDDEN_PREFIX, is_temporary, write_text

RECORDS = "segmented.jsonl"

Record = dict[str, Any]


class Records:
    """The records of one output folder, by the name of the outputs.

    The file has a line a record, and of two for one name the later one counts. A record that
    is planned says that files of this name are ours; a finished one lists them ("files": name
    -> bytes), and is written after them. Of a line that was cut off, nothing counts.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / RECORDS
        self.by_name: dict[str, Record] = {}
        text = self.path.read_text("utf-8", "replace") if self.path.is_file() else ""
        for line in text.splitlines():
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                record = json.loads(line)
                # Outputs of earlier runs are replaced and deleted: none may lie elsewhere.
                if all(map(_is_below, _files_of(record))):
                    self.by_name[record["name"]] = record

    def files(self) -> set[str]:
        """All files that are ours, relative to the folder; planned ones, too."""
        return {file for record in self.by_name.values() for file in _files_of(record)}

    def is_complete(self, name: str, wanted: Record, files: Iterable[str]) -> bool:
        """Whether these files were finished for just what is wanted, and still are as written.

        Some may have been left out for good, which the image's notes explain.
        """
        record = self.by_name.get(name, {})
        sizes, left_out = record.get("files", {}), record.get("left_out", ())
        return all(record.get(key) == value for key, value in wanted.items()) and all(
            file in sizes and _size(self.folder / file, sizes[file])
            for file in files
            if file not in left_out
        )

    def plan(self, planned: dict[str, list[str]]) -> None:
        """Says of names and their files that they are about to be written."""
        for name, files in planned.items():
            self.by_name[name] = {"name": name, "planned": files}
        self.rewrite()

    def add(self, record: Record) -> None:
        """Adds a finished record, for good when this returns."""
        self.by_name[record["name"]] = record
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def rewrite(self) -> None:
        """A line a name, in the order of names: what an uninterrupted run would have left."""
        lines = [json.dumps(self.by_name[name]) + "\n" for name in sorted(self.by_name)]
        write_text(self.path, "".join(lines))


def _files_of(record: Record) -> tuple[str, ...]:
    """Relative to the folder; planned ones, too."""
    return (*record.get("planned", ()), *record.get("files", ()))


def _is_below(file: str) -> bool:
    """Whether a path stays below the folder that it is joined to."""
    path = Path(file)
    return not path.is_absolute() and not path.drive and ".." not in path.parts


def _size(path: Path, expected: int | None) -> bool:
    """Whether the file is there, and of the expected size if one is known."""
    try:
        return expected in (None, path.stat().st_size)
    except OSError:
        return False


def clear_unfinished(folder: Path) -> None:
    """Removes what a killed run has left half-written, in the folder and those beneath."""
    for path in folder.rglob(f"{HIDDEN_PREFIX}*"):
        if is_temporary(path.name):
            path.unlink(missing_ok=True)
