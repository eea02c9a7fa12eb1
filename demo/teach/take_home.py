"""What a visitor takes home: the taught checkpoint, and their strokes as a data set."""

import json
import shutil
import zipfile
from collections.abc import Sequence
from itertools import chain, count, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import tifffile

from train.teaching.strokes import raster, read_strokes
from unet_hf import UNet
from unet_hf.errors import CheckpointError
from unet_hf.hub.card import split_card
from unet_hf.hub.find import find_checkpoint
from unet_hf.hub.layout import CARD_NAME
from unet_hf.images.image_data import ImageData

from ..server.checkpoints.taught import taught_folders
from ..server.predictions import FIRST, read_upload
from .sitting import Lesson
from .strokes_in import AllPainted, Painted

IMAGES, STROKES_NAME = "images", "strokes.json"
READ_ME = """Strokes that were painted on {images}, as a data set: 255 in a mask is unknown.

    python -m train --dataset_name THIS_FOLDER --output_dir out

trains a network on them, and with --pretrained_model_name_or_path NAME it begins with a
checkpoint. strokes.json holds the strokes as they were painted: "Open strokes" on the page brings
them back, from this zip or from that file alone.
"""


def pack_checkpoint(lesson: Lesson, folder: Path) -> Path:
    """A zip with the checkpoint's folder; unpacked, `UNet.from_pretrained` loads it."""
    made = write_checkpoint(lesson, folder)
    return _zipped(made, folder / f"{made.name}.zip")


def write_checkpoint(lesson: Lesson, folder: Path) -> Path:
    """The checkpoint's folder with its card, made in `folder`; its name is `usual_name`."""
    made = folder / usual_name(lesson)
    model = UNet.from_pretrained(taught_folders().folder(lesson.name))
    model.origin = None
    model.save_pretrained(made, license=licence_of(lesson.base))
    card = made / CARD_NAME
    card.write_text(f"{card.read_text('utf-8').rstrip()}\n\n{card_section(lesson)}", "utf-8")
    return made


def usual_name(lesson: Lesson) -> str:
    """ "unet-nuclei-taught"; of a base "org/name@revision" only the name."""
    return f"{public_name(lesson.base).rpartition('/')[2].partition('@')[0]}-taught"


def public_name(base: str) -> str:
    """The base as others may read it: of a folder of this server only its last part."""
    return Path(base).name if Path(base).is_dir() else base


def licence_of(base: str) -> str | None:
    """The licence that the base's card states: what is made from it carries it, too."""
    try:
        folder = find_checkpoint(base, evidence=True, token=False)
        metadata, _ = split_card((folder / CARD_NAME).read_text("utf-8"))
    except (CheckpointError, OSError):
        return None
    found = metadata.get("license")
    return found if isinstance(found, str) else None


def card_section(lesson: Lesson) -> str:
    """What is known of it, and no more."""
    images = len(lesson.pictures)
    strokes = sum(count for _, count in lesson.pictures)
    return (
        "## Taught in a browser\n\n"
        f"These weights began as those of `{public_name(lesson.base)}`, whose terms and licence "
        f"apply to them, too: see its card. They were taught by {strokes} strokes "
        f"on {images} image{'s' if images > 1 else ''}, in {lesson.outcome['steps']} steps. "
        f"{lesson.words} Nothing more was measured: no score on a data set is known.\n"
    )


def pack_strokes(painted: AllPainted, folder: Path) -> Path:
    """A zip with images, masks and strokes, which `python -m train --dataset_name` takes."""
    made = folder / "strokes"
    (made / IMAGES).mkdir(parents=True)
    (made / "masks").mkdir()
    rows: list[dict[str, str]] = []
    names: set[str] = set()
    for picture in painted.pictures:
        image = read_upload(picture.path, picture.place)
        name = _free_name(Path(picture.path).stem, names)
        file = _write_image(image, picture, made / IMAGES, name)
        size = image.height, image.width
        label = raster(read_strokes(picture.strokes, len(painted.classes)), size)
        PIL.Image.fromarray(label).save(made / "masks" / f"{name}.png")
        rows.append(
            {
                "file_name": f"{IMAGES}/{file.name}",
                "mask_file_name": f"masks/{name}.png",
                "picture": picture.key,
            }
        )
    _write_json(made / "id2label.json", dict(enumerate(painted.classes)))
    strokes = {picture.key: picture.strokes for picture in painted.pictures}
    called = {picture.key: picture.name for picture in painted.pictures}
    _write_json(
        made / STROKES_NAME,
        {"classes": _classes(painted), "names": called, "strokes": strokes},
    )
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (made / "metadata.jsonl").write_text(lines, "utf-8")
    many = f"{len(rows)} image{'s' if len(rows) > 1 else ''}"
    (made / "README.txt").write_text(READ_ME.format(images=many), "utf-8")
    return _zipped(made, folder / "strokes.zip")


def _free_name(stem: str, taken: set[str]) -> str:
    """The file's own name, numbered where another file has it; it is added to those taken."""
    numbered = (f"{stem}_{number}" for number in count(2))
    name = next(one for one in chain([stem], numbered) if one not in taken)
    taken.add(name)
    return name


def _classes(painted: AllPainted) -> Sequence[dict[str, Any]]:
    every = zip_longest(painted.classes, painted.colors, painted.formerly)
    return [
        {"name": name, "color": color} | ({"formerly": formerly} if formerly else {})
        for name, color, formerly in every
    ]


def _write_image(image: ImageData, picture: Painted, folder: Path, name: str) -> Path:
    """The file as it is, or of a file with several pages or channels what was painted on."""
    if picture.place == FIRST and image.pages == 1:
        return Path(shutil.copy(picture.path, folder / (name + Path(picture.path).suffix)))
    path = folder / f"{name}.tif"
    pixels = np.ascontiguousarray(image.pixels)
    color = pixels.ndim == 3 and pixels.shape[2] == 3
    if pixels.ndim == 3 and not color:
        pixels = np.moveaxis(pixels, 2, 0)
    pixels = np.squeeze(pixels)
    # Without axes, nobody who reads several channels knows that they are no pages.
    axes = {"axes": "CYX"} if pixels.ndim == 3 and not color else None
    photometric = "rgb" if color else "minisblack"
    tifffile.imwrite(path, pixels, photometric=photometric, metadata=axes)
    return path


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False) + "\n", "utf-8")


def _zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{folder.name}/{file.relative_to(folder).as_posix()}")
    shutil.rmtree(folder)
    return path
