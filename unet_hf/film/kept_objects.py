"""`KeptObjects`: the objects of each frame in files, so that a run that was killed goes on."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..files import (
    disk_faults_told,
    exclusive_writer,
    is_temporary,
    make_folder,
    parse_json,
    write_text,
)
from ..images.tiff_file import open_tiff_file
from ..tracking.challenge import write_labels

RECORD = "film.json"
FOLDER = "objects"
# What a record calls things, and people do.
IN_WORDS = {"fingerprint": "the film's file or files"}


@contextmanager
def writing_to(output: Path) -> Iterator[None]:
    """Makes a folder unless it is there, and locks it for one writer.

    Raises:
        ConfigError: It cannot be made, another run is writing to it, or the disk took no file.
    """
    make_folder(output)
    kept = "In the same folder, the frames that are done are not segmented again."
    with disk_faults_told(output, kept), exclusive_writer(output):
        yield


class KeptObjects(Sequence):
    """Label images, (H, W) integers, one file a frame, each written completely or not at all."""

    def __init__(
        self,
        output: Path,
        count: int,
        record: dict[str, Any],
        told: Mapping[str, Any] | None = None,
    ) -> None:
        """Opens a folder, which is made if missing.

        Args:
            record: What the objects depend on.
            told: What is written down beside that: objects are the same without it.

        Raises:
            ConfigError: It holds the objects of another film, or found otherwise.
        """
        self._folder, self._count = output / FOLDER, count
        self._digits = max(3, len(str(count - 1)))
        if (output / RECORD).exists():
            # A run that failed at its first frame has left nothing that could be mixed up.
            if self._folder.is_dir() and any(self._folder.glob("frame*.tif")):
                _check_same(output, record)
        elif any(not path.name.startswith(".") for path in output.iterdir()):
            raise ConfigError(
                f"{output} holds other files, and is not of a film. Name a folder that is empty or "
                "not there yet."
            )
        self._folder.mkdir(exist_ok=True)
        for folder in (output, self._folder):
            _remove_temporary(folder)
        write_text(output / RECORD, json.dumps({**record, **(told or {})}, indent=2) + "\n")

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> np.ndarray:
        path = self._path(index)
        try:
            with open_tiff_file(path) as tiff:
                return tiff.asarray()
        except OSError:  # it is there no more, or the disk fails
            raise
        except Exception as error:  # tifffile raises anything
            raise ConfigError(
                f"{path} is damaged ({error}). Delete it: the objects of this frame are then found "
                "again."
            ) from error

    def has(self, index: int) -> bool:
        return self._path(index).is_file()

    def keep(self, index: int, labels: np.ndarray) -> None:
        write_labels(self._path(index), labels)

    def _path(self, index: int) -> Path:
        return self._folder / f"frame{index:0{self._digits}d}.tif"


def _remove_temporary(folder: Path) -> None:
    """Removes what a run that was killed had not finished."""
    for path in folder.iterdir():
        if is_temporary(path.name):
            rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _check_same(output: Path, record: dict[str, Any]) -> None:
    try:
        old = parse_json((output / RECORD).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{output / RECORD} cannot be read ({error}). Name another folder, or delete this one."
        ) from error
    asked = json.loads(json.dumps(record))
    changed = [name for name in asked if not isinstance(old, dict) or old.get(name) != asked[name]]
    if changed:
        words = ", ".join(IN_WORDS.get(name, name) for name in changed)
        raise ConfigError(
            f"{output} holds objects that were found otherwise. What has changed: {words}. Name "
            "another folder, or delete this one."
        )
