"""Atomic writes of files, strict JSON, and folders that one process at a time writes to."""

import errno
import json
import math
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from .errors import ConfigError

# Why the system did not write a file, and the first part of the cure.
DISK_FAULTS = {
    errno.ENOSPC: "the disk is full. Free some space",
    errno.EDQUOT: "your share of the disk is used up. Free some space",
    errno.EFBIG: "a file may not become as large as it has to (`ulimit -f`, or the kind of the "
    "file system). Lift the limit",
    errno.EROFS: "the disk may only be read. Look after it",
    errno.EACCES: "you may not write there. Change its permissions",
    errno.EPERM: "you may not write there. Change its permissions",
    errno.EIO: "the disk fails. Look after it",
}
BYTE_ORDER_MARK = "\ufeff"
MAX_JSON_DEPTH = 64  # levels of lists and mappings; the files of this package have 6
TOO_DEEP = "its lists and mappings are nested too deeply"
# Names of this package's temporary files and folders begin with this. Only such files are ever
# deleted.
HIDDEN_PREFIX = ".unet_hf-"


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Calls `write(temporary)`, then moves the finished file to `path`.

    An interrupted write leaves neither an incomplete file at `path` nor the temporary one. After a
    power cut, too, the file is complete or absent: it is on the disk before it gets its name, which
    takes 2 ms for a small file, 20 ms for one of 8 MB.
    """
    temporary = path.with_name(f"{HIDDEN_PREFIX}{uuid.uuid4().hex}{path.suffix}")
    try:
        write(temporary)
        flush_to_disk(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Makes a folder unless it is there. Raises `ConfigError` if it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder {folder} cannot be made ({error.strerror}). Name one you may write to."
        ) from error


def flush_to_disk(path: Path) -> None:
    """Flushes a closed file to the disk."""
    # Windows flushes only files that are opened for writing. Elsewhere a file may be read-only.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_temporary(name: str) -> bool:
    """Whether a killed process may have left a file of this name, see `write_atomically`."""
    return re.fullmatch(rf"{re.escape(HIDDEN_PREFIX)}[0-9a-f]{{32}}(\.\w+)?", name) is not None


def write_text(path: Path, text: str) -> None:
    """Writes a text as UTF-8, completely or not at all."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def parse_json(text: str | bytes) -> Any:
    """Parses JSON strictly: all numbers are finite. Raises `ValueError` for any fault.

    A byte-order mark, which Windows programs write first, is left out.

    Python's own parser accepts NaN, Infinity and 1e999, and raises `RecursionError` for deep
    nesting. Nesting that it can just read would be too deep for others, so there is a limit.
    """
    if isinstance(text, str):
        text = text.lstrip(BYTE_ORDER_MARK)
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    _check_depth(value, MAX_JSON_DEPTH)
    return value


def _check_depth(value: Any, left: int) -> None:
    if isinstance(value, (dict, list)):
        if left == 0:
            raise ValueError(TOO_DEEP)
        for part in value.values() if isinstance(value, dict) else value:
            _check_depth(part, left - 1)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name.lower()}, which is no number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"it holds {digits[:40]}, which is too large for a number")
    return number


@contextmanager
def disk_faults_told(place: str | os.PathLike, more: str = "") -> Iterator[None]:
    """Raises `ConfigError` with a cure where the disk takes no file. more: A sentence behind it."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_FAULTS:
            raise
        words = f"{place} cannot be written: {DISK_FAULTS[error.errno]}, or name another folder."
        raise ConfigError(f"{words} {more}".rstrip()) from error


@contextmanager
def exclusive_writer(folder: Path) -> Iterator[None]:
    """Locks a folder for one writer; the system releases the lock when the process ends.

    Raises:
        ConfigError: Another process is writing to the folder.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise ConfigError(
            f"Another run is writing to {folder}. Wait for its end, or name another output folder."
        ) from error
    except OSError:
        pass  # a file system without locks
    try:
        yield
    finally:
        os.close(handle)
