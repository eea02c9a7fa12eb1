"""What a person names on the command line -> image files, and the names of their outputs."""

import contextlib
import glob
import itertools
import os
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ConfigError, ImageNotFoundError
from ..images.image_data import count_pages
from ..images.one_file import read_head
from ..images.pillow import count_frames, open_picture
from ..images.suffixes import IMAGE_SUFFIXES
from ..images.tiff_file import SIGNATURES
from ..images.tiff_pages import count_tiff_pages
from ..images.windows import is_zarr, open_image
from .records import RECORDS


@dataclass(frozen=True)
class InputFile:
    """An image file.

    name: of its outputs, relative to the output folder, with slashes and without ending:
        "plate1/cells" for plates/plate1/cells.tif found in the folder plates.
    """

    path: Path
    name: str


def find_inputs(
    named: Sequence[str], output: Path, written: Collection[str] = ()
) -> list[InputFile]:
    """All image files that are meant, in the order of their outputs' names.

    Args:
        named: Files, folders (all images beneath) and patterns like "plates/*.tif".
        output: The output folder, there or not. It is left out where it lies among the images,
            and so is any other folder that holds records of ours.
        written: Files of the output folder, relative to it, that an earlier run wrote.

    Raises:
        ImageNotFoundError: Nothing is there, or nothing is an image.
        ConfigError: Two files would have the same outputs, or images lie in the output folder.
    """
    output = output.resolve()
    found: dict[Path, InputFile] = {}  # by resolved path: what is named twice is taken once
    for text in named:
        for path, name in _files_of(text, output):
            place = path.resolve()
            if place.is_relative_to(output):
                if place.relative_to(output).as_posix() in written:
                    continue
                raise ConfigError(
                    f"The image {path} lies in the output folder {output}. Name another output "
                    "folder: images and results are kept apart."
                )
            found.setdefault(place, InputFile(path, name))
    if not found:
        raise ImageNotFoundError(
            f"There are no images in {', '.join(named)}. Looked for: {' '.join(IMAGE_SUFFIXES)}; a "
            "file of another ending has to be named itself."
        )
    by_name: dict[str, InputFile] = {}
    for file in found.values():
        if (other := by_name.setdefault(file.name, file)) is not file:
            raise ConfigError(
                f"{other.path} and {file.path} would both be written as {file.name}_mask.png. "
                "Rename one of them, or name a folder that holds both: folders beneath it are kept."
            )
    return [by_name[name] for name in sorted(by_name)]


def pages_of(path: Path, axes: str | None) -> int:
    """How many pages `read_image` would find, from the file's head; 1 if it cannot be told, for
    then reading it will say why."""
    with contextlib.suppress(Exception), warnings.catch_warnings():  # decoders raise anything
        warnings.simplefilter("ignore")
        if is_zarr(path):
            with open_image(path, axes=axes) as image:
                return image.pages
        head = read_head(path)
        if head.startswith(SIGNATURES):
            return count_tiff_pages(path, axes)
        if head.startswith(b"\x93NUMPY"):
            shape = np.load(path, allow_pickle=False, mmap_mode="r").shape
            return count_pages(axes, shape) if axes and len(axes) == len(shape) else 1
        with open_picture(path) as image:
            return count_frames(image)
    return 1


def _files_of(text: str, output: Path) -> Iterator[tuple[Path, str]]:
    """(path, name of its outputs) of everything that one word of the command line means."""
    path = Path(text)
    if path.is_dir() and not is_zarr(path):
        yield from _beneath(path, path, output)
    elif os.path.lexists(path):
        yield path, _name(path, path.parent)
    elif not glob.has_magic(text):
        raise ImageNotFoundError(f"There is no file or folder {text}. Check the path.")
    else:
        matches = [Path(match) for match in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207  absolute, too
        if not matches:
            raise ImageNotFoundError(f"No file matches {text}. Check the pattern and the path.")
        top = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
        for match in matches:
            if match.resolve().is_relative_to(output):
                continue
            if match.is_dir():
                yield from _beneath(match, top, output)
            else:
                yield match, _name(match, top)


def _name(path: Path, top: Path) -> str:
    relative = path.relative_to(top) if path.is_relative_to(top) else Path(path.name)
    return relative.with_suffix("").as_posix()


def _beneath(folder: Path, top: Path, output: Path) -> Iterator[tuple[Path, str]]:
    """Images of a folder and its folders; hidden files and folders of results are left out."""
    if (folder / RECORDS).is_file():
        return

    def unreadable(error: OSError) -> None:
        raise ImageNotFoundError(
            f"The folder {error.filename} cannot be listed ({error.strerror}). Check its "
            "permissions."
        ) from error

    for place, folders, names in os.walk(folder, onerror=unreadable):
        here = Path(place)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".")
            and (here / name).resolve() != output
            and not (here / name / RECORDS).is_file()
        ]
        for name in names:
            if not name.startswith(".") and name.lower().endswith(IMAGE_SUFFIXES):
                yield here / name, _name(here / name, top)
