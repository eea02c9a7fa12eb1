"""Zip files whose bytes depend on nothing but their content."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

OLDEST = (1980, 1, 1, 0, 0, 0)  # the first date that a zip can hold
READABLE = 0o644 << 16  # the mode of a file, where zip keeps it
UNIX = 3


def write_archive(path: Path, parts: Mapping[str, bytes], compression: int) -> None:
    """Writes the parts in their order, all of the same date."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            entry = zipfile.ZipInfo(name, OLDEST)
            entry.external_attr, entry.create_system = READABLE, UNIX
            entry.compress_type = compression
            archive.writestr(entry, content)
