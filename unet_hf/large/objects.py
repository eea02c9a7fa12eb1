"""The objects of a large image: found band by band, measured window by window.

Three passes over planes on the disk follow the prediction of the tiles. The first parts bands of
rows and writes the pieces of objects that it finds (see `objects.bands`). When they are joined, the
second writes the ids, and the third measures the objects, each from a window that holds it whole.
A run that is killed in between begins these passes again; its tiles are kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..images.image_data import ImageData
from ..images.pixel_size import PixelSize
from ..images.preprocessing import BAND_PIXELS
from ..network.configuration import settled_objects
from ..network.network import Network
from ..objects.bands import BandedBasins
from ..objects.counts import ObjectCounts
from ..objects.instances import touching_border
from ..objects.learned import groups, object_ids, prominence
from ..objects.measures import Column, bounding_boxes
from ..objects.objects import check_count, check_options
from .measuring import FoundObjects, InstancePlane, Measuring, notes_on_windows, without_alpha
from .partial_result import Plane
from .prediction import Prediction

OBJECT_OUTPUTS = ("instances", "objects", "outlines")


@dataclass(frozen=True)
class ObjectOptions:
    """How the objects of a large image are found; see `Segmentation.objects`."""

    classes: tuple[int, ...]
    method: str
    seed: float | None
    min_size: int
    exclude_border: bool
    pixel_size: PixelSize | None
    max_objects: int | None

    @classmethod
    def settled(cls, model: Network, options: Mapping[str, Any] | None) -> "ObjectOptions":
        """Checks the options of `Segmentation.objects` and adds what the checkpoint says.

        Raises:
            ConfigError: One of them is not usable, or not for images by windows.
        """
        given = dict(options or {})
        check_options(model.id2label, **given)
        chosen = {name: given.get(name) for name in ("seed", "min_size")}
        own = model.config.get("objects")
        recipe = settled_objects(own, given.get("method", "auto"), **chosen)
        classes, pixel_size = check_options(model.id2label, **(given | recipe))
        method = recipe["method"]
        if method == "watershed":
            raise ConfigError(
                "The method 'watershed' needs the image as a whole, as it measures how thick whole "
                "objects are. For an image by windows, choose the method 'components', or "
                "'learned' with a checkpoint that was trained to tell objects apart."
            )
        if method == "learned" and not model.object_channels:
            raise ConfigError(
                "The method 'learned' needs a checkpoint that was trained to tell objects apart, "
                "and this one was not. For an image by windows, choose 'components'."
            )
        return cls(
            classes,
            method,
            recipe["seed"],
            int(recipe["min_size"]),
            bool(given.get("exclude_border", False)),
            pixel_size,
            given.get("max_objects"),
        )

    @property
    def planes(self) -> list[str]:
        """The planes that are needed beside the mask."""
        return ["confidence", *(["height"] if self.method == "learned" else [])]


@dataclass(frozen=True, eq=False)
class LargeObjects(ObjectCounts):
    """The objects of a large image; their pixels and most measures are in files.

    table: Only the columns that `counts` and `summary` need.
    """

    found: FoundObjects = field(repr=False)
    csv_file: Path = field(repr=False)  # a temporary file with the whole table
    table: dict[str, np.ndarray] = field(repr=False)
    columns: tuple[Column, ...] = field(repr=False)
    id2label: dict[int, str]
    pixel_size: PixelSize | None
    classes: tuple[int, ...]
    method: str
    seed: float | None
    min_size: int
    exclude_border: bool
    notes: tuple[str, ...] = ()


def find_large_objects(
    prediction: Prediction, image: ImageData, options: ObjectOptions
) -> LargeObjects:
    """Finds and measures the objects of a finished prediction.

    Raises:
        TooManyObjectsError: There are more than `options.max_objects`.
    """
    found = _find(prediction, options)
    size = options.pixel_size or image.pixel_size
    path = prediction.partial.folder / "table.csv"
    columns, table = Measuring(prediction, found, without_alpha(image), size).write(path)
    return LargeObjects(
        found,
        path,
        table,
        columns,
        prediction.model.id2label,
        size,
        options.classes,
        options.method,
        options.seed,
        options.min_size,
        options.exclude_border,
        tuple(notes_on_windows(found.boxes)),
    )


def _find(prediction: Prediction, options: ObjectOptions) -> FoundObjects:
    """Parts the image band by band and selects objects as `find_objects` does."""
    mask, height = prediction.planes["mask"], prediction.planes.get("height")
    _, bottom, width = mask.shape
    pieces = Plane(prediction.partial.folder / "pieces.raw", mask.shape, np.uint32)
    pieces.create()
    bounds = (0.0, np.inf)  # all that touches
    if height:
        bounds = (options.seed, prominence(prediction.model.walled))
    basins = BandedBasins(*bounds)
    areas, boxes, touching = [], [], []
    columns, step = slice(0, width), max(1, BAND_PIXELS // width)
    for top in range(0, bottom, step):
        rows = slice(top, min(top + step, bottom))
        above, below = int(top > 0), int(rows.stop < bottom)
        window = slice(rows.start - above, rows.stop + below)
        known, valid = mask.read(0, window, columns), prediction.prepared.valid(window, columns)
        group = groups(known, options.classes)
        if valid is not None:
            group[~valid] = 0
        heights = height.read(0, window, columns) if height else np.zeros(group.shape, np.float32)
        before = basins.count
        labels = basins.add(group, heights, above=above, below=below)
        pieces.write(rows, columns, labels[None])
        own = np.where(labels > 0, labels - before, 0).astype(np.int32)
        areas.append(np.bincount(own.ravel(), minlength=1)[1:])
        boxes.append(bounding_boxes(own) + np.array([top, 0, top, 0]))
        touching.append(touching_border(np.pad(own, ((above, below), (0, 0))), valid))

    objects = object_ids(basins.merge(), basins.summits, bounds[0])
    area = np.bincount(objects, np.concatenate(areas), minlength=1)[1:]
    touches = np.zeros(area.size + 1, bool)
    touches[objects[np.concatenate(touching)]] = True
    kept = area >= options.min_size
    if options.exclude_border:
        kept &= ~touches[1:]
    check_count(int(kept.sum()), options.max_objects)
    ids = np.zeros(area.size + 1, np.uint32)
    ids[1:][kept] = np.arange(1, int(kept.sum()) + 1)
    of_piece = ids[objects]
    return FoundObjects(
        InstancePlane(pieces, np.concatenate([np.zeros(1, np.uint32), of_piece])),
        _joined_boxes(np.concatenate(boxes), of_piece, int(kept.sum())),
        touches[1:][kept],
    )


def _joined_boxes(boxes: np.ndarray, ids: np.ndarray, count: int) -> np.ndarray:
    """Returns the (count, 4) boxes of objects from those of their pieces; id 0 is none."""
    joined = np.zeros((count + 1, 4), np.int64)
    joined[:, :2] = np.iinfo(np.int64).max
    np.minimum.at(joined[:, :2], ids, boxes[:, :2])
    np.maximum.at(joined[:, 2:], ids, boxes[:, 2:])
    return joined[1:]
