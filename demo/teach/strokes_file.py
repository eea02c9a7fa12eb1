"""Strokes that were taken home and come back: the zip of `take_home.pack_strokes`, or the file
strokes.json alone. Either may be a stranger's."""

import json
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from train.teaching.strokes import as_json, read_strokes
from unet_hf.errors import ConfigError

from ..server.archives import Staged, open_archive, unpack_images
from .sitting import MOST_PICTURES
from .strokes_in import MOST_CLASSES
from .take_home import IMAGES, STROKES_NAME

MOST_BYTES = 32 * 2**20  # of strokes.json
MOST_FORMER = 100  # names that a class had before; the page remembers fewer
PICTURE = re.compile(r"(\d{1,6}) (\d{1,6}) (\d{1,10})")  # see `viewer.component.picture_key`
COLOR = re.compile(r"#[0-9a-fA-F]{6}")
EXPECTED = (
    "Expected: the zip that “Strokes (zip)” gives, or the file strokes.json from it, unchanged."
)


@dataclass(frozen=True)
class StrokesFile:
    """What such a file holds.

    painted: As `viewer.component.painted` gives it. images: The images that came along.
    """

    painted: dict[str, Any]
    images: list[Path] = field(default_factory=list)


def open_strokes(path: Path, folder: Path) -> StrokesFile:
    """Reads strokes, and unpacks the images beside them into `folder`, which is made.

    Raises `ConfigError`: it is something else, or too much.
    """
    if path.suffix.lower() != ".zip":
        with path.open("rb") as file:
            return StrokesFile(_read_json(file.read(MOST_BYTES + 1), path.name))
    folder.mkdir(parents=True)
    staged = Staged(folder)
    with open_archive(path) as archive:
        painted = _read_json(_strokes_of(archive, path.name), path.name)
        unpack_images(archive, staged, lambda inner: inner.parent.name == IMAGES)
    if len(staged.names) > MOST_PICTURES:
        raise ConfigError(
            f"{path.name} has {len(staged.names)} images; {MOST_PICTURES} can be opened. {EXPECTED}"
        )
    return StrokesFile(painted, [folder / name for name in staged.names])


def _strokes_of(archive: zipfile.ZipFile, name: str) -> bytes:
    """The content of strokes.json, and not more than one byte beyond the limit."""
    found = [
        entry for entry in archive.infolist() if PurePosixPath(entry.filename).name == STROKES_NAME
    ]
    if len(found) != 1:
        many = f"{len(found)} files" if found else "no file"
        raise ConfigError(f"{name} has {many} {STROKES_NAME}. {EXPECTED}")
    try:
        with archive.open(found[0]) as file:
            return file.read(MOST_BYTES + 1)
    except Exception as error:  # decoders raise anything; an encrypted one a RuntimeError
        raise ConfigError(f"{STROKES_NAME} in {name} cannot be unpacked. {EXPECTED}") from error


def _read_json(content: bytes, name: str) -> dict[str, Any]:
    if len(content) > MOST_BYTES:
        raise ConfigError(
            f"The strokes in {name} are more than {MOST_BYTES // 2**20} MB. {EXPECTED}"
        )
    try:
        given = json.loads(content)
        classes = [
            {"name": one["name"], "color": one["color"]}
            | ({"formerly": one["formerly"]} if one.get("formerly") else {})
            for one in given["classes"]
        ]
        strokes = dict(given["strokes"])
        names = {str(key): str(one)[:200] for key, one in dict(given.get("names") or {}).items()}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise ConfigError(f"{name} holds no strokes that can be read. {EXPECTED}") from None
    _check_classes(classes, name)
    if not 1 <= len(strokes) <= MOST_PICTURES:
        raise ConfigError(
            f"{name} has strokes on {len(strokes)} images; 1 to {MOST_PICTURES} can be opened."
        )
    pictures = {
        key: _read_picture(key, one, len(classes), names.get(key, ""), name)
        for key, one in strokes.items()
    }
    return {"classes": classes, "pictures": pictures}


def _check_classes(classes: list[dict[str, Any]], name: str) -> None:
    usable = all(
        _is_name(one["name"])
        and isinstance(one["color"], str)
        and COLOR.fullmatch(one["color"])
        and isinstance(former := one.get("formerly", []), list)
        and len(former) <= MOST_FORMER
        and all(map(_is_name, former))
        for one in classes
    )
    if not usable or not 1 <= len(classes) <= MOST_CLASSES:
        raise ConfigError(
            f"{name} has no usable list of classes: 1 to {MOST_CLASSES}, each with a name and a "
            f"colour like #d55e00. {EXPECTED}"
        )
    if len({one["name"] for one in classes}) < len(classes):
        raise ConfigError(f"{name} has two classes of one name. {EXPECTED}")


def _is_name(given: Any) -> bool:
    return isinstance(given, str) and 0 < len(given.strip()) <= 80


def _read_picture(key: str, strokes: Any, classes: int, called: str, name: str) -> dict[str, Any]:
    """One picture, its numbers as numbers and nothing else."""
    if (found := PICTURE.fullmatch(key)) is None:
        raise ConfigError(f"{name} has strokes on {key[:40]!r}, which is no image. {EXPECTED}")
    try:
        read = as_json(read_strokes(strokes, classes))
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    return {
        "name": called,
        "width": int(found[1]),
        "height": int(found[2]),
        "strokes": read,
    }
