"""What is measured on each object, with its unit: scikit-image's `regionprops_table`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .instances import touching_border
from .pixel_size import PixelSize

if TYPE_CHECKING:
    from .image_data import ImageData
    from .segmentation import Segmentation

MEASURED = (
    "area", "centroid", "bbox", "perimeter", "eccentricity", "equivalent_diameter_area",
    "solidity",
)  # fmt: skip
INTENSITIES = ("mean", "min", "max")


@dataclass(frozen=True)
class Column:
    """One column of the table: `name` as in the CSV file, `unit` as it is shown ("" for none)."""

    name: str
    unit: str
    meaning: str


def measure(
    labels: np.ndarray, result: "Segmentation", pixel_size: PixelSize | None
) -> tuple[tuple[Column, ...], dict[str, np.ndarray]]:
    """The table of `Objects`, and what its columns mean.

    Args:
        labels: (H, W) int32, 0 and 1 to n without gaps.
        pixel_size: None leaves out what needs it. Where pixels are not square, the perimeter
            has no length but in pixels, as its estimate supposes that they are.
    """
    columns: list[Column] = []
    table: dict[str, np.ndarray] = {}

    def add(name: str, unit: str, meaning: str, values: np.ndarray) -> None:
        columns.append(Column(name, unit, meaning))
        table[name] = values

    found = _regions(labels, result.image)
    ids = np.arange(1, labels.max(initial=0) + 1)
    classes = _first(labels, result.mask)
    add("id", "", "number of the object, its value in instances.tif", ids)
    add("class_id", "", "class, as in the mask", classes)
    names = np.array([result.id2label[index] for index in classes.tolist()], dtype=object)
    add("class", "", "name of the class", names)

    area, x, y = found["area"].astype(np.int64), found["centroid-1"], found["centroid-0"]
    diameter, perimeter = found["equivalent_diameter_area"], found["perimeter"]
    add("area_px", "px²", "pixels of the object, holes not among them", area)
    if size := pixel_size:
        unit = size.ascii_unit
        add(f"area_{unit}2", f"{size.unit}²", "the same area", area * (size.x * size.y))
    add("centroid_x_px", "px", "mean x of its pixels' centres", x + 0.5)
    add("centroid_y_px", "px", "mean y of its pixels' centres", y + 0.5)
    if size:
        add(f"centroid_x_{unit}", size.unit, "the same", (x + 0.5) * size.x)
        add(f"centroid_y_{unit}", size.unit, "the same", (y + 0.5) * size.y)
    for number, (name, edge) in enumerate(
        {"top": "upper", "left": "left", "bottom": "lower", "right": "right"}.items()
    ):
        add(f"{name}_px", "px", f"{edge} edge of the bounding box", found[f"bbox-{number}"])
    meaning = "length of its edges, those of holes too, through the centres of border pixels"
    add("perimeter_px", "px", meaning, perimeter)
    if size and size.is_square:
        add(f"perimeter_{unit}", size.unit, "the same", perimeter * size.x)
    add("equivalent_diameter_px", "px", "diameter of a disc of this area", diameter)
    if size:
        scale = np.sqrt(size.x * size.y)
        add(f"equivalent_diameter_{unit}", size.unit, "the same", diameter * scale)
    meaning = "of the ellipse with the same second moments, in pixels: 0 a circle, 1 a line"
    add("eccentricity", "", meaning, found["eccentricity"])
    add("solidity", "", "area over the area of the convex hull, 0 to 1", found["solidity"])

    values = str(result.image.dtype)
    for channel, suffix in enumerate(_channel_suffixes(result.image)):
        for statistic in INTENSITIES:
            column = found[f"intensity_{statistic}-{channel}"]
            if statistic != "mean":
                column = column.astype(result.image.dtype)
            meaning = f"{statistic} of the image, in the units of its file"
            add(f"{statistic}_intensity{suffix}", values, meaning, column)
    meaning = "mean probability of its class over its pixels, 0 to 1"
    add("mean_probability", "", meaning, _mean_probability(labels, classes, result.probabilities))
    meaning = "has it pixels in the first or last row or column, so that it may be cut off?"
    add("touches_border", "", meaning, touching_border(labels))
    return tuple(columns), table


def _regions(labels: np.ndarray, image: "ImageData") -> dict[str, np.ndarray]:
    from skimage.measure import regionprops_table

    pixels = image.pixels.view(np.uint8) if image.dtype == bool else image.pixels
    if image.dtype == np.float16:  # sums would overflow
        pixels = pixels.astype(np.float32)
    intensities = [f"intensity_{statistic}" for statistic in INTENSITIES]
    return regionprops_table(labels, pixels, properties=[*MEASURED, *intensities])


def _channel_suffixes(image: "ImageData") -> list[str]:
    if image.channels == 1:
        return [""]
    if image.channels == 3 and "S" in image.axes:
        return ["_red", "_green", "_blue"]
    return [f"_{channel}" for channel in range(image.channels)]


def _first(labels: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n,) the value under each object's first pixel, in the order of ids."""
    places = np.flatnonzero(labels)
    first = np.unique(labels.ravel()[places], return_index=True)[1]
    return values.ravel()[places[first]].astype(np.int64)


def _mean_probability(
    labels: np.ndarray, classes: np.ndarray, probabilities: np.ndarray
) -> np.ndarray:
    """(n,) float64, each object's mean of the probability of its own class."""
    places = np.flatnonzero(labels)
    ids = labels.ravel()[places] - 1
    own = probabilities.reshape(len(probabilities), -1)[classes[ids], places]
    return np.bincount(ids, own, len(classes)) / np.bincount(ids, minlength=len(classes))
