"""Measurements of each object, with their units; shapes are measured by scikit-image."""

from dataclasses import dataclass

import numpy as np

from ..images.image_data import ImageData
from ..images.pixel_size import PixelSize
from .instances import select_objects, touching_border

SHAPE_PROPERTIES = ("perimeter", "eccentricity", "solidity")  # do not depend on the position
INTENSITY_STATISTICS = ("mean", "min", "max")


@dataclass(frozen=True)
class Column:
    """A column of the table: `name` as in the CSV file, `unit` as it is shown ("" for none)."""

    name: str
    unit: str
    meaning: str


def measure(
    labels: np.ndarray,
    mask: np.ndarray,
    probabilities: np.ndarray,
    image: ImageData,
    id2label: dict[int, str],
    pixel_size: PixelSize | None,
    *,
    origin: tuple[int, int] = (0, 0),
    touching: np.ndarray | None = None,
) -> tuple[tuple[Column, ...], dict[str, np.ndarray]]:
    """Measures all objects; returns the columns' meaning and the table of `Objects`.

    Args:
        labels: (H, W) int32, 0 and 1 to n without gaps.
        image: Its `place` has the factor from its pixels to those of the finest level.
        pixel_size: None leaves out the columns that need it. If pixels are not square, the
            perimeter is in pixels only, as its estimate assumes that they are.
        origin: The first row and column of the arrays, if they are a window of a larger image.
        touching: (n,) bool, whether each object touches the image's border; None if it is that of
            the arrays.
    """
    columns: list[Column] = []
    table: dict[str, np.ndarray] = {}

    def add(name: str, unit: str, meaning: str, values: np.ndarray) -> None:
        columns.append(Column(name, unit, meaning))
        table[name] = values

    width, place = labels.shape[1], image.place
    top, left = origin
    across, down = place.scale
    pixels = _Pixels.from_labels(labels)
    boxes = bounding_boxes(labels)
    shapes = _shapes(labels, boxes)
    classes = np.zeros(pixels.count, np.int64)
    classes[pixels.owner] = mask.ravel()[pixels.index]  # all pixels of an object have one class
    ids = np.arange(1, pixels.count + 1)
    add("id", "", "number of the object, its value in instances.tif", ids)
    add("class_id", "", "class, as in the mask", classes)
    names = np.array([id2label[index] for index in classes.tolist()], dtype=object)
    add("class", "", "name of the class", names)
    if place.level:
        meaning = "resolution that was segmented; px are pixels of level 0, the finest"
        add("level", "", meaning, np.full(pixels.count, place.level))

    area = pixels.area
    x = pixels.mean(pixels.index % width + left)
    y = pixels.mean(pixels.index // width + top)
    diameter, perimeter = np.sqrt(4 * area / np.pi), shapes["perimeter"]
    areas = place.scaled(area, place.area_factor)
    add("area_px", "px²", "pixels of the object, holes not among them", areas)
    if size := pixel_size:
        unit = size.ascii_unit
        add(f"area_{unit}2", f"{size.unit}²", "the same area", area * (size.x * size.y))
    centre_x, centre_y = (x + 0.5) * across, (y + 0.5) * down
    add("centroid_x_px", "px", "mean x of its pixels' centres", centre_x)
    add("centroid_y_px", "px", "mean y of its pixels' centres", centre_y)
    if size:
        add(f"centroid_x_{unit}", size.unit, "the same", (x + 0.5) * size.x)
        add(f"centroid_y_{unit}", size.unit, "the same", (y + 0.5) * size.y)
    for number, (name, edge) in enumerate(
        {"top": "upper", "left": "left", "bottom": "lower", "right": "right"}.items()
    ):
        edge_px = boxes[:, number] + origin[number % 2]
        edges = place.scaled(edge_px, across if number % 2 else down)
        add(f"{name}_px", "px", f"{edge} edge of the bounding box", edges)
    meaning = "length of its edges, those of holes too, through the centres of border pixels"
    add("perimeter_px", "px", meaning, perimeter * place.length_factor)
    if size and size.is_square:
        add(f"perimeter_{unit}", size.unit, "the same", perimeter * size.x)
    diameter_px = diameter * place.length_factor
    add("equivalent_diameter_px", "px", "diameter of a disc of this area", diameter_px)
    if size:
        scale = np.sqrt(size.x * size.y)
        add(f"equivalent_diameter_{unit}", size.unit, "the same", diameter * scale)
    meaning = "of the ellipse with the same second moments, in pixels: 0 a circle, 1 a line"
    add("eccentricity", "", meaning, shapes["eccentricity"])
    add("solidity", "", "area over the area of the convex hull, 0 to 1", shapes["solidity"])

    values = str(image.dtype)
    for channel, suffix in enumerate(_channel_suffixes(image)):
        inside = image.pixels[..., channel].ravel()[pixels.index]
        for statistic in INTENSITY_STATISTICS:
            column = getattr(pixels, statistic)(inside)
            meaning = f"{statistic} of the image, in the units of its file"
            add(f"{statistic}_intensity{suffix}", values, meaning, column)
    meaning = "mean probability of its class over its pixels, 0 to 1"
    own = probabilities.reshape(len(probabilities), -1)
    own = own[classes[pixels.owner], pixels.index]
    add("mean_probability", "", meaning, pixels.mean(own))
    meaning = (
        "has it pixels in the first or last row or column, or beside pixels without data, so that "
        "it may be cut off?"
    )
    if touching is None:
        touching = touching_border(labels, image.valid)
    add("touches_border", "", meaning, touching)
    return tuple(columns), table


@dataclass(frozen=True, eq=False)
class _Pixels:
    """The pixels of all objects, for statistics of each object in one pass."""

    index: np.ndarray  # (m,) int64, in the image read row by row
    owner: np.ndarray  # (m,) int32, row of the pixel's object in the table
    area: np.ndarray  # (n,) int64

    @classmethod
    def from_labels(cls, labels: np.ndarray) -> "_Pixels":
        index = np.flatnonzero(labels)
        owner = labels.ravel()[index] - np.int32(1)
        return cls(index, owner, np.bincount(owner, minlength=labels.max(initial=0)))

    @property
    def count(self) -> int:
        return self.area.size

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Returns the mean of each object, (n,) float64, of (m,) values."""
        return np.bincount(self.owner, values, self.count) / self.area

    def min(self, values: np.ndarray) -> np.ndarray:
        return self._extreme(np.minimum, values)

    def max(self, values: np.ndarray) -> np.ndarray:
        return self._extreme(np.maximum, values)

    def _extreme(self, pick: np.ufunc, values: np.ndarray) -> np.ndarray:
        extreme = np.zeros(self.count, values.dtype)
        extreme[self.owner] = values  # any value of the object, to start with
        pick.at(extreme, self.owner, values)
        return extreme


def bounding_boxes(labels: np.ndarray) -> np.ndarray:
    """Returns the upper, left, lower and right edge of each object, (n, 4)."""
    from scipy.ndimage import find_objects

    boxes = [(y.start, x.start, y.stop, x.stop) for y, x in find_objects(labels)]
    return np.array(boxes, np.int64).reshape(-1, 4)


def _shapes(labels: np.ndarray, boxes: np.ndarray) -> dict[str, np.ndarray]:
    """Returns (n,) values of each of `SHAPE_PROPERTIES`.

    Objects of the same shape are measured once: nearly all of the many objects of a noisy mask have
    one of a few hundred tiny shapes.
    """
    from skimage.measure import regionprops_table

    first: dict[tuple[int, bytes], int] = {}  # shape -> the first object that has it
    example = np.empty(len(boxes), np.int64)
    for row, (top, left, bottom, right) in enumerate(boxes.tolist()):
        inside = labels[top:bottom, left:right] == row + 1
        example[row] = first.setdefault((right - left, inside.tobytes()), row)
    examples = np.unique(example)
    alone = select_objects(labels, np.isin(np.arange(len(boxes)), examples))
    table = regionprops_table(alone, properties=SHAPE_PROPERTIES)
    return {name: table[name][np.searchsorted(examples, example)] for name in SHAPE_PROPERTIES}


def _channel_suffixes(image: ImageData) -> list[str]:
    if image.channels == 1:
        return [""]
    if image.channels == 3 and "S" in image.axes:
        return ["_red", "_green", "_blue"]
    return [f"_{channel}" for channel in range(image.channels)]
