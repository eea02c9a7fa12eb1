"""Compares a mask with the truth, and two predictions of one image with each other.

Gives scores, a map of what is right and wrong, and the regions that are wrong, largest first.
Needs scikit-image and SciPy (extras "demo" and "train").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ..classes import is_membrane_data
from ..errors import ConfigError, ShapeError
from ..objects.learned import walled_cells
from ..predict.segmentation import Segmentation
from .metrics import confusion_matrix, membrane_slice, overlap_scores

# Names of the values 0, 1, 2 ... of `Score.outcome`.
OUTCOMES = ("elsewhere", "correct", "missed", "false", "not counted")


@dataclass(frozen=True)
class Region:
    """Connected pixels (by their edges) at which two masks differ in the same way.

    box: x, y, width, height, in pixels.
    kind: "missed": a class taken for class 0, usually the background; "false": class 0 taken for
        another; "confused": one of the others taken for another.
    """

    pixels: int
    box: tuple[int, int, int, int]
    kind: str
    truth: str  # class name in the truth, or in the first of two predictions
    predicted: str  # class name in the prediction, or in the second one


@dataclass(frozen=True, eq=False)
class Score:
    """Scores of a mask, by class name; None for a class that is in neither mask nor truth.

    confusion: (classes, classes) pixel counts: row = true class, column = predicted class.
    v_rand, v_info: As in the ISBI 2012 challenge, after thinning; None where class 0 is no
        membrane.
    parted: These two are those of the cells that a checkpoint parts by itself, at no threshold,
        closing gaps in membranes.
    """

    id2label: dict[int, str]
    confusion: np.ndarray = field(repr=False)
    iou: dict[str, float | None]
    dice: dict[str, float | None]
    mean_iou: float
    pixel_accuracy: float
    v_rand: float | None
    v_info: float | None
    parted: bool
    mask: np.ndarray = field(repr=False)
    truth: np.ndarray = field(repr=False)
    ignore_index: int = 255

    def outcome(self, class_id: int) -> np.ndarray:
        """Maps where a class is correct, missed or false: (H, W) uint8 indices into `OUTCOMES`."""
        self._check(class_id)
        is_true, is_found = self.truth == class_id, self.mask == class_id
        outcome = (is_true & is_found) * np.uint8(1)
        outcome[is_true & ~is_found] = 2
        outcome[~is_true & is_found] = 3
        outcome[self.truth == self.ignore_index] = 4
        return outcome

    def errors(self, limit: int | None = None) -> list[Region]:
        """Regions that are wrong, the largest first; those of equal size from top to bottom."""
        return differing_regions(self.truth, self.mask, self.id2label, self.ignore_index, limit)

    def _check(self, class_id: int) -> None:
        if class_id not in self.id2label:
            raise ConfigError(
                f"There is no class {class_id!r}; the classes are "
                f"{', '.join(f'{key} {name}' for key, name in self.id2label.items())}."
            )


@dataclass(frozen=True, eq=False)
class Disagreement:
    """Differences of two predictions of one image, `a` and `b`, in the class ids of `a`.

    map: (H, W) uint8, 1 where they differ.
    confusion: (classes, classes) pixel counts: row = class in a, column = class in b.
    """

    id2label: dict[int, str]
    map: np.ndarray = field(repr=False)
    pixels: int
    share: float  # of all pixels that hold data, 0 to 1
    confusion: np.ndarray = field(repr=False)
    seconds: tuple[float, float]
    first: np.ndarray = field(repr=False)
    second: np.ndarray = field(repr=False)

    def regions(self, limit: int | None = None) -> list[Region]:
        """Regions where the predictions differ, the largest first."""
        return differing_regions(self.first, self.second, self.id2label, None, limit)


def cells_of(result: Segmentation) -> np.ndarray | None:
    """Returns the cells between membranes as `walled_cells` does, (H, W) int32.

    None where the checkpoint has not learned to close gaps: cells are then connected pixels.
    """
    if not result.walled:
        return None
    return walled_cells(result.object_maps, result.object_channels, 1 - result.probabilities[0])


def score_mask(
    predicted: Segmentation | np.ndarray,
    truth: np.ndarray,
    id2label: Mapping[int, str] | None = None,
    ignore_index: int = 255,
) -> Score:
    """Scores a prediction against the truth.

    Args:
        predicted: A `Segmentation`, whose pixels without data do not count, or (H, W) class ids.
        truth: (H, W) class ids; `ignore_index` where nothing is known, which does not count.
        id2label: Names of all classes; not needed for a `Segmentation`.

    Raises:
        ShapeError: The sizes differ.
        ConfigError: Ids without a name, no names, or no pixel that counts.
    """
    if isinstance(predicted, Segmentation):
        mask, names = predicted.mask, dict(id2label or predicted.id2label)
    else:
        mask, names = np.asarray(predicted), dict(id2label or {})
    truth = np.asarray(truth)
    _check_pair(mask, truth, names, ignore_index)
    valid = predicted.image.valid if isinstance(predicted, Segmentation) else None
    if valid is not None:
        truth = np.where(valid, truth, ignore_index)
    confusion = confusion_matrix(truth, mask, len(names), ignore_index)
    if confusion.sum() == 0:
        raise ConfigError(
            f"The truth is {ignore_index} (not counted) in every pixel that holds data, so there "
            "is nothing to score. Give a mask with at least one class in it."
        )
    overlap = overlap_scores(confusion)
    v_rand = v_info = learned = None
    if is_membrane_data(names):
        learned = cells_of(predicted) if isinstance(predicted, Segmentation) else None
        cells = membrane_slice(truth == 1, mask == 1, (0.5,), learned)[0.5]
        v_rand, v_info = cells.of_cells
    return Score(
        id2label=names,
        confusion=confusion,
        iou=_by_name(overlap.iou, names),
        dice=_by_name(overlap.dice, names),
        mean_iou=overlap.mean_iou,
        pixel_accuracy=overlap.pixel_accuracy,
        v_rand=v_rand,
        v_info=v_info,
        parted=learned is not None,
        mask=mask,
        truth=truth,
        ignore_index=ignore_index,
    )


def compare_predictions(a: Segmentation, b: Segmentation) -> Disagreement:
    """Compares two predictions of the same image. Classes are matched by their names.

    Raises:
        ShapeError: They are not of one size.
        ConfigError: They do not tell the same classes apart.
    """
    if a.mask.shape != b.mask.shape:
        raise ShapeError(
            f"The predictions are {_size(a.mask)} and {_size(b.mask)} pixels; two of the same "
            "image are expected. Segment one image with both."
        )
    check_same_classes(a.id2label, b.id2label)
    ids = {name: class_id for class_id, name in a.id2label.items()}
    as_in_a = np.array([ids[b.id2label[key]] for key in range(len(ids))], np.uint8)
    first, second, valid = a.mask, as_in_a[b.mask], a.image.valid
    if valid is not None:
        second = np.where(valid, second, first)
    differs = first != second
    pairs = first.astype(np.int64) * len(ids) + second
    return Disagreement(
        id2label=dict(a.id2label),
        map=differs.astype(np.uint8),
        pixels=int(differs.sum()),
        share=float(differs.sum() / (differs.size if valid is None else valid.sum())),
        confusion=np.bincount(pairs.ravel(), minlength=len(ids) ** 2).reshape(len(ids), len(ids)),
        seconds=(a.seconds, b.seconds),
        first=first,
        second=second,
    )


def check_same_classes(a: Mapping[int, str], b: Mapping[int, str]) -> None:
    """Raises `ConfigError` unless two predictions tell the same classes apart, in any order."""
    if sorted(a.values()) != sorted(b.values()):
        raise ConfigError(
            f"One tells {_list(a)} apart, the other {_list(b)}. Compare two checkpoints with the "
            "same classes, or one at two thresholds."
        )


def differing_regions(
    truth: np.ndarray,
    mask: np.ndarray,
    id2label: Mapping[int, str],
    ignore_index: int | None = 255,
    limit: int | None = None,
) -> list[Region]:
    """Finds connected pixels with the same wrong class, the largest region first.

    Args:
        truth, mask: (H, W) class ids.
        ignore_index: Value of `truth` whose pixels do not count. None: all pixels count.
        limit: Highest number of regions.
    """
    from scipy.ndimage import find_objects
    from skimage.measure import label

    classes = len(id2label)
    pairs = truth.astype(np.int64) * classes + mask + 1
    pairs[truth == mask] = 0
    if ignore_index is not None:
        pairs[truth == ignore_index] = 0
    regions = label(pairs, background=0, connectivity=1)
    sizes = np.bincount(regions.ravel())[1:]
    boxes = find_objects(regions)
    largest = np.argsort(-sizes, kind="stable")[:limit]  # regions are numbered from the top
    found = []
    for index in largest.tolist():
        rows, columns = boxes[index]
        inside = regions[rows, columns] == index + 1
        true, predicted = divmod(int(pairs[rows, columns][inside][0]) - 1, classes)
        found.append(
            Region(
                pixels=int(sizes[index]),
                box=(
                    columns.start,
                    rows.start,
                    columns.stop - columns.start,
                    rows.stop - rows.start,
                ),
                kind="missed" if predicted == 0 else "false" if true == 0 else "confused",
                truth=id2label[true],
                predicted=id2label[predicted],
            )
        )
    return found


def _check_pair(
    mask: np.ndarray, truth: np.ndarray, names: Mapping[int, str], ignore_index: int
) -> None:
    if mask.ndim != 2 or mask.shape != truth.shape:
        raise ShapeError(
            f"The truth has the shape {truth.shape}, the prediction {mask.shape}; (height, width) "
            "is expected of both, and the same. Give the mask that belongs to this image, unscaled."
        )
    if sorted(names) != list(range(len(names))) or not names:
        raise ConfigError(
            f"id2label={dict(names)!r} does not name the classes 0, 1 ... Pass a name for each id."
        )
    for what, ids in (("truth", truth[truth != ignore_index]), ("prediction", mask)):
        known = ids.dtype.kind in "bui" and 0 <= ids.min(initial=0) <= ids.max(initial=0) < len(
            names
        )
        if ids.size and not known:
            raise ConfigError(
                f"The {what} holds {ids.dtype} values from {ids.min()} to {ids.max()}; class ids "
                f"from 0 to {len(names) - 1} are expected"
                + (f" ({ignore_index}: not counted)." if what == "truth" else ".")
                + " Store class ids."
            )


def _by_name(values: np.ndarray, names: Mapping[int, str]) -> dict[str, float | None]:
    return {
        names[key]: None if np.isnan(value) else float(value) for key, value in enumerate(values)
    }


def _size(mask: np.ndarray) -> str:
    return f"{mask.shape[1]} x {mask.shape[0]}"


def _list(id2label: Mapping[int, str]) -> str:
    return ", ".join(id2label[key] for key in sorted(id2label))
