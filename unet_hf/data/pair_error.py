"""What can be wrong with one row of a data set: each fault has a code, a sentence and a cure.

A row that cannot be read raises `PairError` with the code; the rest shows in its `Facts`.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import DatasetError, UNetError


class PairError(DatasetError):
    """One row cannot be used; `code` says in which way, e.g. "mask-missing" (see `checks`)."""

    def __init__(self, message: str, code: str, name: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.name = name  # of the row

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (str(self), self.code, self.name)  # it may cross from a worker process


@contextlib.contextmanager
def fault(code: str) -> Iterator[None]:
    """Whatever is refused inside is a fault of this kind, unless its kind is known already."""
    try:
        yield
    except PairError:
        raise
    except UNetError as error:
        raise PairError(str(error), code) from error


@contextlib.contextmanager
def cell_fault(what: str, cell: Any) -> Iterator[None]:
    """The same for a cell that is read inside; what: "image", "mask" or "instances"."""
    try:
        with fault("unread"):
            yield
    except PairError as error:
        raise PairError(str(error), f"{what}-{_why_unread(cell)}") from error


def _why_unread(cell: Any) -> str:
    """ "missing", "unreachable" (a remote file: the network may be to blame), "unreadable"."""
    if isinstance(cell, list):
        reasons = [_why_unread(item) for item in cell]
        return next((why for why in reasons if why != "unreadable"), "unreadable")
    if isinstance(cell, str):
        cell = {"path": cell}
    elif not isinstance(cell, dict):
        cell = {"bytes": cell}
    content, path = cell.get("bytes"), cell.get("path")
    if content is not None:
        return "unreadable"
    if path and "://" in path:
        return "unreachable"
    return "unreadable" if path and Path(path).exists() else "missing"
