"""A data set of the Hub may name only what was downloaded or lies in the net.

Anybody can upload rows with the path of a file on this machine. It would be opened, and would be
published with the masks. The user's own folders may name any file.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import DatasetError

ADDRESS = re.compile(r"(hf|https?)://", re.IGNORECASE)
ARCHIVE = re.compile(r"(zip|tar|gzip|bz2|xz|lz4|zstd)://", re.IGNORECASE)


def check_downloaded(value: Any, *, texts_are_paths: bool = True) -> None:
    """Raises `DatasetError` if a cell of a Hub data set names a file of this machine.

    value: A path, {"bytes", "path"}, or a list or struct of them; anything else holds no file.
    texts_are_paths: Whether a text alone is the path of a file.
    """
    for path in _paths(value, texts_are_paths):
        if not is_downloaded(path):
            raise DatasetError(
                f"The data set is of the Hub and names the file {path}, which is no part of it. "
                "It is not opened. If you trust the data set, download it and give the folder."
            )


def _paths(value: Any, texts_are_paths: bool) -> Iterator[str]:
    if isinstance(value, dict) and {"bytes", "path"} <= set(value):
        if not value["bytes"] and value["path"]:
            yield str(value["path"])
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _paths(inner, texts_are_paths)
    elif isinstance(value, (str, Path)) and texts_are_paths and str(value):
        yield str(value)


def is_downloaded(path: str) -> bool:
    """Whether a path or address leads into a cache of Hugging Face or to a server.

    "zip://inner.png::hf://..." is a file in an archive: each part is looked at, as any of them may
    be the one that is opened.
    """
    *archives, place = path.split("::")
    if not all(ARCHIVE.match(part) for part in archives):
        return False
    return bool(ADDRESS.match(place)) or _is_in_a_cache(place)


def _is_in_a_cache(path: str) -> bool:
    import datasets.config
    from huggingface_hub import constants

    caches = (
        datasets.config.HF_DATASETS_CACHE,
        datasets.config.DOWNLOADED_DATASETS_PATH,
        datasets.config.EXTRACTED_DATASETS_PATH,
        constants.HF_HUB_CACHE,
    )
    try:
        file = Path(path).resolve()
    except (OSError, ValueError):  # too long, a NUL
        return False
    return any(file.is_relative_to(Path(cache).resolve()) for cache in caches)
