"""Files that are whole or not there."""

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Calls `write(temporary)`, then moves the finished file to `path`.

    An interrupted write leaves neither half a file under the final name nor the temporary one.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """`write_whole` for a text, UTF-8."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
