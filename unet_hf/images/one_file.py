"""What is opened is one regular file, or a folder whose files all lie in it.

A pipe, socket or device is refused before it is opened: opening a pipe waits for somebody who
writes into it, for ever if nobody does.
"""

import os
import stat
from pathlib import Path

from ..errors import ImageNotFoundError, UnreadableImageError

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_is_file(path: Path) -> None:
    """Checks that a path leads to a regular file that is not empty; links are followed.

    Raises:
        ImageNotFoundError: There is nothing, or a folder.
        UnreadableImageError: It is no regular file, is empty, or cannot be looked at.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        raise ImageNotFoundError(
            f"There is no file {path}. Check the path and its spelling."
        ) from error
    except OSError as error:
        raise UnreadableImageError(
            f"{path.name} cannot be opened: {error.strerror}. Check the path and its permissions."
        ) from error
    if stat.S_ISDIR(status.st_mode):
        raise ImageNotFoundError(f"{path} is a folder. Pass one image file of it.")
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "no regular file")
        raise UnreadableImageError(
            f"{path.name} is {kind}, not an image file. Save the image as a file and pass its path."
        )
    if status.st_size == 0:
        raise UnreadableImageError(f"{path.name} is empty (0 bytes). Copy or export it again.")


def read_head(path: Path, length: int = 32) -> bytes:
    """Returns the first bytes of a regular file; none if it is none or cannot be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(length)
    except (OSError, ValueError):
        return b""


def check_folder(folder: Path) -> None:
    """Checks that a folder, and those in it, hold nothing but regular files of their own.

    Raises:
        UnreadableImageError: A link leads outside, or something is no regular file.
    """
    root = os.path.realpath(folder)
    for place, folders, names in os.walk(root):
        for name in (*folders, *names):
            path = os.path.join(place, name)  # noqa: PTH118  there may be millions
            mode = os.lstat(path).st_mode
            wrong = None
            if stat.S_ISLNK(mode):
                inside = os.path.commonpath([root, os.path.realpath(path)]) == root
                wrong = None if inside else "a link that leads outside of it"
            elif not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
                wrong = KINDS.get(stat.S_IFMT(mode), "something that is no file")
            if wrong:
                raise UnreadableImageError(
                    f"{folder.name} holds {wrong}: {os.path.relpath(path, root)}. Copy the folder "
                    "with nothing but files in it, e.g. with cp -rL."
                )
