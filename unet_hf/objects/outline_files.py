"""Outlines as files for other programs: GeoJSON for QuPath, a zip of ROIs for ImageJ and Fiji."""

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError, how_to_install
from ..images.place import Place
from .objects import Objects
from .outlines import Outline

if TYPE_CHECKING:
    import roifile  # slow to import, so only where it is used


ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # constant, so that the same objects give the same bytes
FINEST = "pixels of level 0, the finest"  # what files of a coarser level say of themselves
MOVE, LINE, CLOSE = 0.0, 1.0, 4.0  # codes of the segments of a path in ImageJ


def to_geojson(objects: "Objects") -> dict[str, Any]:
    """Returns a FeatureCollection that QuPath opens with File > Import objects.

    Each object has a polygon in pixels of the finest level, with its plane in a stack, a name with
    its id, and a class with name and colour.
    """
    place = objects.place
    features = [
        geojson_feature(number, name, objects.colors[index], outline, place)
        for number, index, name, outline in _object_rows(objects)
    ]
    return geojson_head(place) | {"features": features}


def geojson_head(place: Place) -> dict[str, Any]:
    """Returns what a FeatureCollection says before its features."""
    described = {"properties": {"level": place.level, "coordinates": FINEST}} if place.level else {}
    return {"type": "FeatureCollection", **described}


def geojson_feature(
    number: int, name: str, color: str, outline: Outline, place: Place
) -> dict[str, Any]:
    """Returns one object. name: of its class. color: "#rrggbb". outline: in pixels of its level."""
    plane = place.qupath_plane
    return {
        "type": "Feature",
        "geometry": {
            "type": "Polygon",
            "coordinates": [
                [*ring.tolist(), ring[0].tolist()] for ring in _in_file(place, outline).rings
            ],
            **({"plane": plane} if plane else {}),
        },
        "properties": {
            "objectType": "detection",
            "name": f"{name} {number}",
            "classification": {"name": name, "color": _rgb(color)},
        },
    }


def to_roi_zip(objects: "Objects") -> bytes:
    """Returns a zip that ImageJ's ROI Manager opens: a ROI for each object, named "0012-cell".

    The coordinates are pixels of the finest level. In a hyperstack, a ROI has its channel, slice
    and frame, where channel 0 means that all were read; in another stack, its position.

    Raises:
        ConfigError: The package roifile is not installed.
    """
    check_roifile()
    buffer = io.BytesIO()
    digits = max(4, len(str(len(objects))))  # so that names sort as ids do
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, index, name, outline in _object_rows(objects):
            title = f"{number:0{digits}d}-{''.join(c if c.isalnum() else '_' for c in name)}"
            roi = _roi(_in_file(objects.place, outline), title, objects.place)
            roi.stroke_color = bytes([255, *_rgb(objects.colors[index])])
            archive.writestr(
                zipfile.ZipInfo(f"{title}.roi", ZIP_DATE), roi.tobytes(), zipfile.ZIP_DEFLATED
            )
    return buffer.getvalue()


def check_roifile() -> None:
    """Raises `ConfigError` if the package that writes ROIs is missing."""
    try:
        import roifile  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            "ImageJ ROIs are written by the package roifile, which is not installed. "
            + how_to_install("objects")
        ) from error


def _roi(outline: Outline, title: str, place: Place) -> "roifile.ImagejRoi":
    import roifile

    roi = roifile.ImagejRoi.frompoints(outline.exterior, name=title)
    roi.right, roi.bottom = np.ceil(outline.exterior.max(axis=0)).astype(int).tolist()  # edges
    roi.position = place.position or 0
    roi.c_position, roi.z_position, roi.t_position = place.hyperstack_position or (0, 0, 0)
    if place.level:
        roi.props = f"coordinates: {FINEST}\nlevel: {place.level}\n"
    if not outline.holes:
        roi.roitype = roifile.ROI_TYPE.TRACED  # the type that ImageJ's own wand makes
        return roi
    path = [
        np.concatenate([np.insert(ring, 0, LINE, axis=1).ravel(), [CLOSE]])
        for ring in outline.rings
    ]
    for ring in path:
        ring[0] = MOVE
    roi.roitype = roifile.ROI_TYPE.RECT  # ImageJ's shapes: a rectangle with a path inside
    roi.integer_coordinates, roi.subpixel_coordinates, roi.n_coordinates = None, None, 0
    roi.multi_coordinates = np.concatenate(path).astype(np.float32)
    roi.shape_roi_size = len(roi.multi_coordinates)
    return roi


def _object_rows(objects: "Objects") -> list[tuple[int, int, str, Outline]]:
    """Returns id, class id, class name and outline of every object."""
    table = objects.table
    columns = (table["id"].tolist(), table["class_id"].tolist(), table["class"].tolist())
    return list(zip(*columns, objects.outlines, strict=True))


def _in_file(place: Place, outline: Outline) -> Outline:
    """Returns an outline in pixels of the finest level; exact, so that neighbours still touch."""
    x, y = place.scale
    if (x, y) == (1, 1):
        return outline
    factors = np.array([x, y])

    def scaled(ring: np.ndarray) -> np.ndarray:
        points = np.round(ring * factors, 6)
        whole = points.astype(np.int32)
        return whole if (whole == points).all() else points

    return Outline(scaled(outline.exterior), tuple(scaled(hole) for hole in outline.holes))


def _rgb(color: str) -> list[int]:
    return list(bytes.fromhex(color[1:]))
