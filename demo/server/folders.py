"""Folders for the files of results, each deleted when its hour is over."""

import tempfile
import time
import uuid
from pathlib import Path
from shutil import rmtree

from . import limits


class ResultFolders:
    """Folders for results; those older than an hour go when a new one is made."""

    def __init__(self) -> None:
        self._root = tempfile.TemporaryDirectory(prefix="unet_hf_results_")

    def new(self) -> Path:
        root = Path(self._root.name)
        oldest = time.time() - limits.KEEP_SECONDS
        for folder in root.iterdir():
            if folder.stat().st_mtime < oldest:
                rmtree(folder, ignore_errors=True)
        folder = root / uuid.uuid4().hex
        folder.mkdir()
        return folder
