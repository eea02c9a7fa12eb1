"""What a visitor drops -> a folder of images: files as they are, zip archives unpacked.

An archive is a stranger's: nothing is written outside the folder, and what it unpacks to is
counted as it is written, whatever its own table of contents says.
"""

import shutil
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from unet_hf.batch.inputs import IMAGE_SUFFIXES
from unet_hf.errors import ConfigError

MAX_FILES = 500  # of one batch, archives unpacked
MAX_BYTES = 2**30  # of all its files, unpacked
MAX_DIRECTORY = 2**22  # bytes of an archive's table of contents; 500 files need far less
CHUNK = 2**20
TOO_MUCH = "Send fewer at a time, or use `python -m unet_hf segment FOLDER`, which has no limit."


@dataclass
class Staged:
    """A folder of images.

    most: files that it takes, archives unpacked.
    names: of the files, relative to the folder, with slashes.
    left_out: a line for each file that is no image, or whose name was changed.
    """

    folder: Path
    most: int = MAX_FILES
    names: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    bytes: int = 0
    _taken: set[PurePosixPath] = field(default_factory=set)  # names without their endings

    def add(self, name: str, source: BinaryIO) -> None:
        """Raises `ConfigError` beyond the limits."""
        if len(self.names) == self.most:
            raise ConfigError(f"There are more than {self.most} images. {TOO_MUCH}")
        path = self._free(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as target:
                while chunk := source.read(CHUNK):
                    self.bytes += len(chunk)
                    if self.bytes > MAX_BYTES:
                        raise ConfigError(
                            f"The images are more than {MAX_BYTES // 2**20} MB, unpacked. "
                            f"{TOO_MUCH}"
                        )
                    target.write(chunk)
        except (zipfile.BadZipFile, EOFError, struct.error) as error:
            path.unlink(missing_ok=True)
            self.left_out.append(f"{name} is damaged inside the archive ({error}); left out")
        except Exception:
            path.unlink(missing_ok=True)
            raise
        else:
            name = path.relative_to(self.folder).as_posix()
            self.names.append(name)
            self._taken.add(PurePosixPath(name).with_suffix(""))

    def _free(self, name: str) -> Path:
        """Where it goes: outputs are named without ending, so two may not differ in that alone."""
        wanted = PurePosixPath(name)
        if wanted.with_suffix("") not in self._taken:
            return self.folder / wanted
        for number in count(2):
            other = wanted.with_name(f"{wanted.stem}_{number}{wanted.suffix}")
            if other.with_suffix("") not in self._taken:
                self.left_out.append(f"{name} is called {other} here, as the name is taken")
                return self.folder / other
        raise AssertionError("unreachable: numbers do not end")


def stage(uploads: Sequence[str | Path], folder: Path, most: int = MAX_FILES) -> Staged:
    """Copies images into `folder`, which is made, and unpacks archives with their folders.

    most: Files.

    Raises:
        ConfigError: Too many or too large, or no image at all. What was copied is removed.
    """
    folder.mkdir()
    staged = Staged(folder, most)
    try:
        for upload in map(Path, uploads):
            if upload.suffix.lower() == ".zip":
                _unpack(upload, staged)
            elif upload.name.lower().endswith(IMAGE_SUFFIXES):
                with upload.open("rb") as source:
                    staged.add(upload.name, source)
            else:
                staged.left_out.append(f"{upload.name} is no image by its ending; left out")
        if not staged.names:
            what = f" ({'; '.join(staged.left_out[:3])})" if staged.left_out else ""
            raise ConfigError(
                f"There is no image in what was sent{what}. Send PNG, JPEG, TIFF ... files, or a "
                "zip of them."
            )
    except Exception:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return staged


def _unpack(archive: Path, staged: Staged) -> None:
    if not zipfile.is_zipfile(archive):
        staged.left_out.append(
            f"{archive.name} is a damaged zip archive, most often as it was cut off on its way; "
            "left out. Make it again"
        )
        return
    with open_archive(archive, staged.most) as opened:
        hidden = unpack_images(opened, staged)
    if hidden:
        staged.left_out.append(f"{archive.name}: {hidden} hidden files were left out")


@contextmanager
def open_archive(archive: Path, most: int = MAX_FILES) -> Iterator[zipfile.ZipFile]:
    """Raises `ConfigError` if it is no archive, is damaged, or lists too many files."""
    if _directory_bytes(archive) > MAX_DIRECTORY:
        raise ConfigError(f"{archive.name} lists more than {most} files. {TOO_MUCH}")
    try:
        opened = zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ConfigError(
            f"{archive.name} is a damaged zip archive ({error}). Make it again."
        ) from error
    with opened:
        yield opened


def unpack_images(
    opened: zipfile.ZipFile,
    staged: Staged,
    is_wanted: Callable[[PurePosixPath], bool] = lambda path: True,
) -> int:
    """Adds the images of an archive; returns how many hidden files there were.

    is_wanted: Given the path of a file in the archive; the others are passed over.
    """
    hidden = 0
    for entry in opened.infolist():
        name = entry.filename.replace("\\", "/")
        path = PurePosixPath(name)
        if entry.is_dir() or not is_wanted(path):
            continue
        if any(part.startswith((".", "__MACOSX")) and part != ".." for part in path.parts):
            hidden += 1
        elif refusal := _refusal(entry, name, path.parts):
            staged.left_out.append(f"{name[:200]} {refusal}; left out")
        else:
            _extract(opened, entry, name, staged)
    return hidden


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str, staged: Staged) -> None:
    try:
        with archive.open(entry) as source:
            staged.add(name, source)
    except ConfigError:
        raise
    except Exception as error:  # decoders raise anything: zlib.error, OSError for odd names ...
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:100]
        staged.left_out.append(f"{name[:200]} cannot be unpacked ({reason}); left out")


def _refusal(entry: zipfile.ZipInfo, name: str, parts: Sequence[str]) -> str | None:
    """Why an entry is not even looked into."""
    if name.startswith("/") or ".." in parts or ":" in name or not parts:
        return "has a path that leads out of the archive"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "is a link"
    if name.lower().endswith(".zip"):
        return "is an archive within an archive"
    if not name.lower().endswith(IMAGE_SUFFIXES):
        return "is no image by its ending"
    if entry.flag_bits & 1:
        return "is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed by another method than Deflate"
    return None


def _directory_bytes(archive: Path) -> int:
    """How long the table of contents says to be: `ZipFile` reads it whole, entry by entry."""
    with archive.open("rb") as file:
        file.seek(max(0, archive.stat().st_size - 22 - 2**16))
        tail = file.read()
    start = tail.rfind(b"PK\x05\x06")
    record = tail[start : start + 22]
    return struct.unpack_from("<I", record, 12)[0] if start >= 0 and len(record) == 22 else 0


def pack(folder: Path, names: Iterator[str], path: Path, texts: dict[str, str]) -> None:
    """A zip of files of a folder, and of texts; stored, as images are packed already."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in names:
            archive.write(folder / name, name)
        for name, text in texts.items():
            archive.writestr(name, text, zipfile.ZIP_DEFLATED)
