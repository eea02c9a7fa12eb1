"""The finished tiles of a large prediction, in files that are valid when the process is killed.

A hidden folder beside the results holds raw planes, into which tiles are written at their place,
and a record. The record's first line is the job: image, model and options. Each further line is the
number of a tile that is on the disk. A later run with the same job continues what a killed run has
left. The folder has a record from its beginning to its end; a folder without one is not touched.
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
from ..files import HIDDEN_PREFIX, is_temporary, write_text

RECORD = "finished.jsonl"


def partial_result_folder(folder: Path, prefix: str) -> Path:
    """Returns the folder of the partial result until the results with this prefix are complete."""
    path = folder / f"{prefix}unfinished"
    return path.with_name(f"{HIDDEN_PREFIX}{path.name}")


class Plane:
    """An array of (layers, H, W) in a file, written and read by windows.

    It is never mapped: on a full disk, writing to a mapped file kills the process without an error.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int], dtype: type) -> None:
        self.path, self.shape, self.dtype = path, shape, np.dtype(dtype)
        self.nbytes = math.prod(shape) * self.dtype.itemsize

    def exists(self) -> bool:
        return self.path.is_file() and self.path.stat().st_size == self.nbytes

    def create(self) -> None:
        with self.path.open("wb") as file:
            file.truncate(self.nbytes)

    def write(self, rows: slice, columns: slice, values: np.ndarray) -> None:
        """Writes (layers, h, w) values to the disk completely, or raises `OSError`."""
        values = np.ascontiguousarray(values, self.dtype)
        with self.path.open("r+b", buffering=0) as file:
            for layer, block in enumerate(values):
                for row, line in enumerate(block, start=rows.start):
                    file.seek(self._offset(layer, row, columns.start))
                    _write_all(file, line)
            os.fsync(file.fileno())

    def bands(self, layer: int, height: int) -> Iterator[np.ndarray]:
        """Yields one layer from top to bottom, in arrays of (up to `height`, W)."""
        _, bottom, width = self.shape
        for top in range(0, bottom, height):
            count, offset = min(height, bottom - top) * width, self._offset(layer, top, 0)
            band = np.fromfile(self.path, self.dtype, count, offset=offset)
            if len(band) < count:
                raise _shortened(self.path)
            yield band.reshape(-1, width)

    def blocks(self, side: int, nbytes: int) -> Iterator[tuple[slice, slice]]:
        """Yields rows and columns of the blocks of a layer, row by row.

        A block is `side` high and a multiple of `side` wide, and has at most `nbytes` bytes unless
        a single square of `side` has more.
        """
        _, height, width = self.shape
        across = max(1, nbytes // (side * side * self.dtype.itemsize)) * side
        for top in range(0, height, side):
            for left in range(0, width, across):
                yield slice(top, min(top + side, height)), slice(left, min(left + across, width))

    def read(self, layer: int, rows: slice, columns: slice) -> np.ndarray:
        """Reads a window of one layer, (h, w)."""
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
    """Writes all of the line: a single call may write less, as on a disk that is nearly full."""
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


class PartialResult:
    """The folder of a partial result.

    job: Image, model and options of the prediction, as JSON; None in an empty folder.
    finished: Numbers of the tiles that are on the disk.
    """

    def __init__(self, folder: Path) -> None:
        """Raises `ConfigError` if the folder holds anything but a partial result."""
        self.folder = folder
        self.job: dict[str, Any] | None = None
        self.finished: set[int] = set()
        self._record = folder / RECORD
        text = self._record.read_text("utf-8", "replace") if self._record.is_file() else ""
        self._torn = not text.endswith("\n")  # the last line was cut off, and is ignored
        for line in text.splitlines():
            with contextlib.suppress(ValueError):
                entry = json.loads(line)
                if isinstance(entry, dict):
                    self.job = entry
                else:  # a list, as half of a plain number would also be a number
                    self.finished.update(entry)
        if self.job is None and not all(is_temporary(path.name) for path in folder.iterdir()):
            raise ConfigError(
                f"{folder} is where an unfinished prediction would be kept, but it holds other "
                f"files and no {RECORD} that says so. Move it away, or name another folder."
            )

    def begin(self, job: dict[str, Any], planes: Collection[Plane]) -> None:
        """Starts the prediction of a job, and deletes what an earlier one left."""
        # The record first: it marks all that follows as files of this package.
        write_text(self._record, json.dumps(job) + "\n")
        self.job, self.finished, self._torn = job, set(), False
        for path in self.folder.iterdir():
            if path != self._record:
                _remove(path)
        for plane in planes:
            plane.create()

    def add(self, tile: int) -> None:
        """Records on the disk that a tile is written to its planes."""
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
    """Moves a file or a folder, replacing a target of the same kind."""
    if source.is_dir() and target.is_dir():
        shutil.rmtree(target)
    os.replace(source, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
