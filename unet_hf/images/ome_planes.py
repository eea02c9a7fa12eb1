"""The planes of one file in OME-XML, which may describe a series of several files.

tifffile opens the other files of a series by the names that the XML gives. An uploaded file must
not make a server open another one, so what the XML says about other files is removed first.
"""

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


def own_planes(xml: str, name: str) -> OwnPlanes:
    """Removes from OME-XML what lies in other files than that of this name."""
    if "UUID" not in xml and "BinaryOnly" not in xml:
        return OwnPlanes()
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return OwnPlanes()
    if _children(root, "BinaryOnly"):
        return OwnPlanes(note=COMPANION)
    named = {_file_of(data) for data in _tiff_data(root)} - {None}
    own = {file for file in named if _is_own(file, root.get("UUID"), name)}
    if not own and len(named) == 1:  # a single file that was renamed
        own = named
    for image in _children(root, "Image"):
        planes = [
            [data for data in _children(pixels, "TiffData") if _file_of(data) in {None, *own}]
            for pixels in _children(image, "Pixels")
        ]
        if not any(planes):
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
    if not named:
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


def _file_of(data: ElementTree.Element) -> tuple[str, str] | None:
    """Returns UUID and name of the file that stores planes; None if it is not said."""
    for uuid in _children(data, "UUID"):
        return (uuid.text or "").strip(), uuid.get("FileName", "")
    return None


def _is_own(file: tuple[str, str], root_uuid: str | None, name: str) -> bool:
    uuid, file_name = file
    return (bool(uuid) and uuid == root_uuid) or file_name.lower() == name.lower()
