"""`PairError`: one row of a data set cannot be read, with a code for the fault.

Faults of rows that can be read are found by `train.checks`.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import DatasetError, UNetError


class PairError(DatasetError):
    """One row cannot be used; `code` names the fault, e.g. "mask-missing"."""

    def __init__(self, message: str, code: str, name: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.name = name  # name of the row

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (str(self), self.code, self.name)  # worker processes send it


@contextlib.contextmanager
def fault(code: str) -> Iterator[None]:
    """Turns errors inside the block into a `PairError` with this code; a `PairError` stays."""
    try:
        yield
    except PairError:
        raise
    except UNetError as error:
        raise PairError(str(error), code) from error


@contextlib.contextmanager
def cell_fault(what: str, cell: Any) -> Iterator[None]:
    """Turns errors of reading a cell into a `PairError` that says why it cannot be read.

    what: "image", "mask" or "instances".
    """
    try:
        with fault("unread"):
            yield
    except PairError as error:
        raise PairError(str(error), f"{what}-{_why_unread(cell)}") from error


def _why_unread(cell: Any) -> str:
    """Why a cell cannot be read: "missing", "unreadable", or "unreachable" for a remote file."""
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
