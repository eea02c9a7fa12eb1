"""Folders for what belongs to visitors, each deleted when its hour is over."""

import logging
import tempfile
import threading
import time
import uuid
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

from . import limits

SWEEP_SECONDS = 60.0  # between two looks of the janitor

logger = logging.getLogger(__name__)


class KeptFolders:
    """Makes folders in `root`; `Janitor` deletes those that have not changed for an hour."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def new(self) -> Path:
        folder = self.root / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder

    @contextmanager
    def lent(self) -> Iterator[Path]:
        """A folder that is deleted at once when nobody needs it any more."""
        folder = self.new()
        try:
            yield folder
        finally:
            rmtree(folder, ignore_errors=True)

    @contextmanager
    def kept_if_filled(self) -> Iterator[Path]:
        """A folder that is deleted at once if what is to fill it fails."""
        folder = self.new()
        try:
            yield folder
        except BaseException:
            rmtree(folder, ignore_errors=True)
            raise

    def sweep(self) -> None:
        """Deletes whatever in `root` has not changed for `limits.KEEP_SECONDS`."""
        oldest = time.time() - limits.KEEP_SECONDS
        with suppress(FileNotFoundError):  # nobody has needed a folder so far
            for folder in self.root.iterdir():
                with suppress(FileNotFoundError):
                    if folder.stat().st_mtime < oldest:
                        rmtree(folder, ignore_errors=True)


class ResultFolders(KeptFolders):
    """Folders for results, which go with this object at the latest."""

    def __init__(self) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="unet_hf_results_")))
        weakref.finalize(self, rmtree, self.root, ignore_errors=True)


class Janitor(threading.Thread):
    """Sweeps folders for as long as the process lives, also while nobody visits."""

    def __init__(self, kept: Sequence[KeptFolders]) -> None:
        super().__init__(name="janitor", daemon=True)
        self.kept = kept

    def run(self) -> None:
        while True:
            for folders in self.kept:
                try:
                    folders.sweep()
                except OSError as error:  # one that stays must not keep the others
                    logger.warning("%s could not be swept: %s", folders.root, error)
            time.sleep(SWEEP_SECONDS)
