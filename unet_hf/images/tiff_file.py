"""Opening a TIFF: the only place that does, and it opens no other file.

Some TIFFs are part of a series of files: OME-TIFF, Micro-Manager's stacks and NDTiff. tifffile
looks for the others, by names in the file. Here one file is one file.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .ome_planes import OwnPlanes, own_planes
from .one_file import check_is_file

if TYPE_CHECKING:
    import tifffile  # slow to import, so only where it is used

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@contextmanager
def open_tiff_file(source: Path | bytes, name: str | None = None) -> Iterator["tifffile.TiffFile"]:
    """Opens a TIFF file, or the content of one, and nothing else.

    name: The name in messages and, for OME-XML, that of the file; None: the path's.

    Raises:
        ImageError: The path is no regular file.
        Exception: It is no TIFF; tifffile raises anything.
    """
    if not isinstance(source, bytes):
        check_is_file(source)
        name = name or source.name
    name = name or "TIFF"
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as stream:
        with _opened(stream, name) as tiff:
            xml = planes_of(tiff, name).xml
            if xml is None:
                yield tiff
        if xml is not None:
            with _opened(stream, name, xml) as tiff:
                yield tiff


def planes_of(tiff: "tifffile.TiffFile", name: str) -> OwnPlanes:
    """Returns what the OME-XML of a file says about the file itself."""
    if not tiff.is_ome:
        return OwnPlanes()
    return own_planes(tiff.pages.first.description, name, tiff.filehandle.size)


def _opened(stream: BinaryIO, name: str, omexml: str | None = None) -> "tifffile.TiffFile":
    import tifffile

    # Files of Micro-Manager and NDTiff are looked for by the name, in the folder of the file. A
    # stream with a name of its own has no folder.
    name = name.replace("_MMStack", " MMStack")
    options = {"offset": 0, "omexml": omexml, "_multifile": False, "is_ndtiff": False}
    tiff = tifffile.TiffFile(stream, name=name, **options)
    if not tiff.pages and name.lower().endswith(".ndpi"):  # named so, but laid out as any TIFF
        tiff = tifffile.TiffFile(stream, name=f"{name}.tif", **options)
    return tiff
