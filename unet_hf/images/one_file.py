"""What is opened is one regular file: no folder, pipe, socket or device.

Opening a pipe waits for somebody who writes into it, for ever if nobody does.
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


def is_inside(path: str | os.PathLike, folder: str | os.PathLike) -> bool:
    """Whether a path lies in a folder after all links are followed."""
    real, root = os.path.realpath(path), os.path.realpath(folder)
    return real == root or real.startswith(root.rstrip(os.sep) + os.sep)
