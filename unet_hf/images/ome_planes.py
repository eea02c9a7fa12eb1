"""The planes of one file in OME-XML, which may describe a series of several files.

tifffile opens the other files of a series by the names that the XML gives. An uploaded file must
not make a server open another one, so what the XML says about other files is removed first.
"""

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

COMPANION = "one file of a series that another file describes; only this one was read"


@dataclass(frozen=True)
class OwnPlanes:
    """OME-XML of one file.

    xml: The XML without what it says about other files; None if nothing had to be changed.
    note: That the file is one of several; None if it is the only one.
    """

    xml: str | None = None
    note: str | None = None


def own_planes(xml: str, name: str, most: int) -> OwnPlanes:
    """Removes from OME-XML what lies in other files than that of this name.

    most: As many planes as the file can hold. Images of more are removed: tifffile makes a list of
        all that are named.
    """
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return OwnPlanes()
    if _children(root, "BinaryOnly"):
        return OwnPlanes(note=COMPANION)
    huge = [image for image in _children(root, "Image") if _planes_named(image) > most]
    for image in huge:
        root.remove(image)
    named = {_file_of(data) for data in _tiff_data(root)} - {None}
    own = {file for file in named if _is_own(file, root.get("UUID"), name)}
    if not own and len(named) == 1:  # a single file that was renamed
        own = named
    for image in _children(root, "Image"):
        planes = [
            [data for data in _children(pixels, "TiffData") if _file_of(data) in {None, *own}]
            for pixels in _children(image, "Pixels")
        ]
        if named and not any(planes):
            root.remove(image)
            continue
        for pixels, kept in zip(_children(image, "Pixels"), planes, strict=True):
            for data in _children(pixels, "TiffData"):
                if data not in kept:
                    pixels.remove(data)
                for uuid in _children(data, "UUID"):  # all that is left lies in this file
                    data.remove(uuid)
    files = len(named - own) + 1
    note = f"one of {files} files of a series; only this one was read" if files > 1 else None
    if not named and not huge:
        return OwnPlanes()
    # tifffile wants a closing tag, also where nothing is left.
    return OwnPlanes(ElementTree.tostring(root, "unicode", short_empty_elements=False), note)


def _children(element: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    return [child for child in element if child.tag.rpartition("}")[2] == tag]


def _tiff_data(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [
        data
        for image in _children(root, "Image")
        for pixels in _children(image, "Pixels")
        for data in _children(pixels, "TiffData")
    ]


def _planes_named(image: ElementTree.Element) -> int:
    """Returns the most planes that an image is said to have, by any of its numbers."""
    counts = [0]
    for pixels in _children(image, "Pixels"):
        counts.append(math.prod(_count(pixels.get(f"Size{axis}")) for axis in "CZT"))
        for data in _children(pixels, "TiffData"):
            counts += [_count(data.get(name)) for name in ("PlaneCount", "NumPlanes")]
    return max(counts)


def _count(value: str | None) -> int:
    try:
        return int(value or 1)
    except ValueError:
        return 1


def _file_of(data: ElementTree.Element) -> tuple[str, str] | None:
    """Returns UUID and name of the file that stores planes; None if it is not said."""
    for uuid in _children(data, "UUID"):
        return (uuid.text or "").strip(), uuid.get("FileName", "")
    return None


def _is_own(file: tuple[str, str], root_uuid: str | None, name: str) -> bool:
    uuid, file_name = file
    return (bool(uuid) and uuid == root_uuid) or file_name.lower() == name.lower()
