"""Checkpoints that visitors have taught: each under a name that only its visitor is told.

The name is as hard to guess as a key, so that whoever has it may use the checkpoint, wherever the
page or the endpoints ask for one. It is in no list of others, and is gone after an hour.
"""

import json
import re
import tempfile
import uuid
import weakref
from functools import cache
from pathlib import Path
from shutil import rmtree

from unet_hf.errors import CheckpointNotFoundError

from ..folders import KeptFolders

NAME = re.compile(r"taught-[0-9a-f]{32}")
YOURS = "your taught checkpoint"
GONE = (
    "This taught checkpoint is no longer kept. Choose another one and teach again: the strokes are "
    "still in your browser."
)


def is_taught(name: str) -> bool:
    return NAME.fullmatch(name) is not None


class TaughtFolders(KeptFolders):
    """A folder for each taught checkpoint, of which the name tells; all go with this object at the
    latest."""

    def __init__(self) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="unet_hf_taught_")))
        weakref.finalize(self, rmtree, self.root, ignore_errors=True)

    def place(self) -> tuple[str, Path]:
        """A new name, and the folder that its checkpoint is to be moved to; it is not there yet."""
        name = f"taught-{uuid.uuid4().hex}"
        self.root.mkdir(parents=True, exist_ok=True)
        return name, self.root / name

    def folder(self, name: str) -> Path:
        """The checkpoint of this name; it is kept for another hour.

        Raises:
            CheckpointNotFoundError: There is none any more.
        """
        folder = self.root / name
        if not is_taught(name) or not (folder / "config.json").is_file():
            raise CheckpointNotFoundError(GONE)
        folder.touch()
        return folder


def taught_title(name: str) -> str:
    """What the page calls a taught checkpoint: "Cell nuclei, taught 14:05"; never its name, which
    is as good as a key."""
    try:
        config = json.loads((taught_folders().root / name / "config.json").read_text("utf-8"))
    except (OSError, ValueError):  # it is gone
        config = {}
    return config.get("title") or YOURS


@cache
def taught_folders() -> TaughtFolders:
    """Those of this process."""
    return TaughtFolders()
