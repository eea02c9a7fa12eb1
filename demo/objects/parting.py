"""The objects of a result as the viewer paints them: in full, or parted alone.

To part is quick once a result's basins are known; to measure perimeters and shapes is not. While a
slider is dragged, objects are parted, numbered and coloured, and measured when it rests.
"""

from typing import Any, NamedTuple

import numpy as np

from unet_hf import Segmentation
from unet_hf.errors import TooManyObjectsError
from unet_hf.objects.instances import keep_objects, select_objects
from unet_hf.objects.objects import Objects, check_options

from ..server import limits
from ..viewer.drawn_as_seen import cut_as_seen
from ..viewer.object_layer import object_hues, object_layer


class Counted(NamedTuple):
    """Objects of a result.

    result: At the threshold in view. objects: None where they were not measured.
    labels: (H, W) int32, ids from 1 to n, 0 for none. hues: See `object_hues`.
    """

    result: Segmentation
    objects: Objects | None
    labels: np.ndarray
    hues: np.ndarray

    def counts(self) -> dict[str, int]:
        """The number of objects of each class but the first, by name."""
        class_ids = np.zeros(len(self.hues) + 1, np.uint8)
        class_ids[self.labels] = self.result.mask  # all pixels of an object are of one class
        names = self.result.id2label
        return {names[key]: int((class_ids[1:] == key).sum()) for key in sorted(names) if key}


def cut_in_view(
    result: Segmentation, seen_now: dict[str, Any], earlier: Counted | None
) -> Segmentation:
    """The result at the threshold in view; the one of before, which knows its basins, if it is
    the same."""
    cut = cut_as_seen(result, seen_now)
    if earlier is None or earlier.result.probabilities is not cut.probabilities:
        return cut
    return earlier.result if earlier.result.threshold == cut.threshold else cut


def count_objects(
    cut: Segmentation, how: dict[str, Any], typed: list[Any] | None, earlier: Counted | None
) -> Counted:
    """The objects, measured. how: See `read_counting`. typed: The size of a pixel. earlier: What
    was painted before, whose colours stay.

    Raises as `Segmentation.objects`.
    """
    objects = cut.objects(
        **how, pixel_size=tuple(typed) if typed else None, max_objects=limits.MAX_OBJECTS
    )
    return Counted(cut, objects, objects.labels, object_hues(objects.labels, colored(earlier)))


def part_objects(cut: Segmentation, how: dict[str, Any], earlier: Counted | None) -> Counted:
    """The same objects, not measured.

    Raises:
        ConfigError: As `Segmentation.objects`.
        TooManyObjectsError: As there.
    """
    classes, _ = check_options(cut.id2label)
    labels = cut.instances(classes, how["method"], how["seed"])
    kept = keep_objects(labels, cut.image.valid, how["min_size"], how["exclude_border"])
    if kept.sum() > limits.MAX_OBJECTS:
        raise TooManyObjectsError(f"There are {kept.sum()} objects.")
    labels = select_objects(labels, kept)
    return Counted(cut, None, labels, object_hues(labels, colored(earlier)))


def colored(earlier: Counted | None) -> tuple[np.ndarray, np.ndarray] | None:
    return None if earlier is None else (earlier.labels, earlier.hues)


def layer_of(counted: Counted) -> dict[str, Any]:
    """What the viewer is sent."""
    result, _, labels, hues = counted
    return object_layer(result, labels, hues, follows=not is_large(result))


def is_large(result: Segmentation) -> bool:
    """Whether its objects are counted only when somebody asks."""
    return result.mask.size > limits.COUNTED_AT_ONCE
