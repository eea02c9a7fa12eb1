"""Files that are whole or not there, and folders that one run at a time writes to."""

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
MAX_DEPTH = 64  # levels of lists and mappings in a JSON file; ours have 6
TOO_DEEP = "its lists and mappings are nested too deeply"
# Files and folders of this package that nobody is meant to see begin with this; nothing else is
# ever cleared away.
PREFIX = ".unet_hf-"


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Calls `write(temporary)`, then moves the finished file to `path`.

    An interrupted write leaves neither half a file under the final name nor the temporary one; nor
    does a power cut, for the file is on the disk before it gets its name (2 ms more for a small
    file, 20 for one of 8 MB).
    """
    temporary = path.with_name(f"{PREFIX}{uuid.uuid4().hex}{path.suffix}")
    try:
        write(temporary)
        flush_to_disk(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """A file that is closed already."""
    # Windows flushes only what may be written to; elsewhere it may be write-protected.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_temporary(name: str) -> bool:
    """Whether `write_whole` leaves files of this name when its process is killed."""
    return re.fullmatch(rf"{re.escape(PREFIX)}[0-9a-f]{{32}}(\.\w+)?", name) is not None


def write_text(path: Path, text: str) -> None:
    """`write_whole` for a text, UTF-8."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def parse_json(text: str | bytes) -> Any:
    """Reads JSON strictly: every number is finite. Raises `ValueError`, whatever is wrong.

    Python's own reader accepts NaN, Infinity and 1e999, and nesting that is too deep for it is a
    `RecursionError`. What it can just read would be too deep for others, so there is a limit.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    _check_depth(value, MAX_DEPTH)
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
def only_writer(folder: Path) -> Iterator[None]:
    """Refuses a second run that writes to the same folder; the system forgets it with the process.

    Raises:
        ConfigError: Another process is at it.
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
