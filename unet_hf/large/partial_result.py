"""What is finished of a large prediction, in files that survive being killed at any moment.

A hidden folder beside the results holds raw planes, which tiles are written into wherever they
lie, and a record: a first line that says of what image, model and options, then the number of each
tile that is on the disk. What a killed run leaves is taken up by the next one with the same first
line. From its beginning to its end the folder has such a record; one without it is not touched.
"""

import contextlib
import errno
import io
import json
import math
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..files import PREFIX, is_temporary, write_text

RECORD = "finished.jsonl"


def unfinished_folder(folder: Path, prefix: str) -> Path:
    """Where the prediction is kept until the results with this prefix are complete."""
    place = folder / f"{prefix}unfinished"
    return place.with_name(f"{PREFIX}{place.name}")


class Plane:
    """(layers, H, W) numbers in a file, written and read by windows.

    It is never mapped: a full disk ends a process that writes to a mapped file, without a word.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int], dtype: type) -> None:
        self.path, self.shape, self.dtype = path, shape, np.dtype(dtype)
        self.nbytes = math.prod(shape) * self.dtype.itemsize

    def is_there(self) -> bool:
        return self.path.is_file() and self.path.stat().st_size == self.nbytes

    def create(self) -> None:
        with self.path.open("wb") as file:
            file.truncate(self.nbytes)

    def write(self, rows: slice, columns: slice, values: np.ndarray) -> None:
        """values: (layers, h, w). On the disk, all of them, when this returns; else `OSError`."""
        values = np.ascontiguousarray(values, self.dtype)
        with self.path.open("r+b", buffering=0) as file:
            for layer, block in enumerate(values):
                for row, line in enumerate(block, start=rows.start):
                    file.seek(self._offset(layer, row, columns.start))
                    _write_all(file, line)
            os.fsync(file.fileno())

    def bands(self, layer: int, height: int) -> Iterator[np.ndarray]:
        """(up to `height`, W) of one layer, from top to bottom."""
        _, bottom, width = self.shape
        for top in range(0, bottom, height):
            count, offset = min(height, bottom - top) * width, self._offset(layer, top, 0)
            band = np.fromfile(self.path, self.dtype, count, offset=offset)
            if len(band) < count:
                raise _shortened(self.path)
            yield band.reshape(-1, width)

    def blocks(self, side: int, nbytes: int) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of pieces of a layer, band by band from top to bottom, each `side`
        high and a multiple of `side` wide; of at most so many bytes, if `side` squared allows."""
        _, height, width = self.shape
        across = max(1, nbytes // (side * side * self.dtype.itemsize)) * side
        for top in range(0, height, side):
            for left in range(0, width, across):
                yield slice(top, min(top + side, height)), slice(left, min(left + across, width))

    def read(self, layer: int, rows: slice, columns: slice) -> np.ndarray:
        """(h, w) of one layer."""
        block = np.empty((rows.stop - rows.start, columns.stop - columns.start), self.dtype)
        with self.path.open("rb", buffering=0) as file:
            for row, line in enumerate(block, start=rows.start):
                file.seek(self._offset(layer, row, columns.start))
                _read_all(file, line)
        return block

    def _offset(self, layer: int, row: int, column: int) -> int:
        _, height, width = self.shape
        return ((layer * height + row) * width + column) * self.dtype.itemsize


def _write_all(file: io.FileIO, line: np.ndarray) -> None:
    """One call may write a part only, as on a disk that is nearly full; the next one says why."""
    left = memoryview(line).cast("B")
    while len(left):
        count = file.write(left)
        if not count:
            raise OSError(errno.EIO, os.strerror(errno.EIO), file.name)
        left = left[count:]


def _read_all(file: io.FileIO, line: np.ndarray) -> None:
    left = memoryview(line).cast("B")
    while len(left):
        count = file.readinto(left)
        if not count:
            raise _shortened(Path(file.name))
        left = left[count:]


def _shortened(path: Path) -> OSError:
    reason = "it became shorter while it was in use"
    return OSError(errno.EIO, reason, str(path))


class Unfinished:
    """The folder of one prediction.

    of: What it is a prediction of, JSON; None where nothing is there. finished: numbers of tiles.
    """

    def __init__(self, folder: Path) -> None:
        """Raises `ConfigError` if the folder holds anything but an unfinished prediction."""
        self.folder = folder
        self.of: dict[str, Any] | None = None
        self.finished: set[int] = set()
        self._record = folder / RECORD
        text = self._record.read_text("utf-8", "replace") if self._record.is_file() else ""
        self._torn = not text.endswith("\n")  # what was cut off counts for nothing
        for line in text.splitlines():
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict):
                    self.of = entry
                else:  # in brackets, for half a number is a number, too
                    self.finished.update(entry)
        if self.of is None and not all(is_temporary(path.name) for path in folder.iterdir()):
            raise ConfigError(
                f"{folder} is where an unfinished prediction would be kept, but it holds other "
                f"files and no {RECORD} that says so. Move it away, or name another folder."
            )

    def begin(self, of: dict[str, Any], planes: Collection[Plane]) -> None:
        """Anew; what was there is gone."""
        write_text(self._record, json.dumps(of) + "\n")  # first: what follows is ours from here on
        self.of, self.finished, self._torn = of, set(), False
        for path in self.folder.iterdir():
            if path != self._record:
                _remove(path)
        for plane in planes:
            plane.create()

    def add(self, tile: int) -> None:
        """A tile that is written to its planes; for good when this returns."""
        self._append([tile])
        self.finished.add(tile)

    def _append(self, entry: Any) -> None:
        with self._record.open("a", encoding="utf-8") as file:
            file.write("\n" * self._torn + json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._torn = False

    def remove(self) -> None:
        _remove(self.folder)


def move(source: Path, target: Path) -> None:
    """Replaces what is there: a file by a file, a folder by a folder."""
    if source.is_dir() and target.is_dir():
        shutil.rmtree(target)
    os.replace(source, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
