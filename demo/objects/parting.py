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
    way: Method and seed. instances: Objects of every size, if these were parted that way.
    """

    result: Segmentation
    objects: Objects | None
    labels: np.ndarray
    hues: np.ndarray
    way: tuple[str, float | None]
    instances: np.ndarray | None = None

    def parted(self, cut: Segmentation, how: dict[str, Any]) -> np.ndarray | None:
        """`instances`, if they are of this cut and this way: another size needs no new ones."""
        return self.instances if self.result is cut and self.way == way_of(how) else None

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
    hues = object_hues(objects.labels, colored(earlier))
    instances = earlier.parted(cut, how) if earlier else None
    return Counted(cut, objects, objects.labels, hues, way_of(how), instances)


def as_seen(counted: Counted, seen_now: dict[str, Any]) -> tuple[Segmentation, Objects]:
    """The result at the threshold in view, and its objects: counted anew, in the same way, where
    the threshold has moved since. Raises as `Segmentation.objects`."""
    result, objects = cut_as_seen(counted.result, seen_now), counted.objects
    if result is not counted.result:
        names = ("method", "seed", "min_size", "exclude_border")
        how = {name: getattr(objects, name) for name in names}
        objects = count_objects(result, how, seen_now.get("pixel_size"), counted).objects
    return result, objects


def part_objects(cut: Segmentation, how: dict[str, Any], earlier: Counted | None) -> Counted:
    """The same objects, not measured.

    Raises:
        ConfigError: As `Segmentation.objects`.
        TooManyObjectsError: As there.
    """
    instances = earlier.parted(cut, how) if earlier else None
    if instances is None:
        classes, _ = check_options(cut.id2label)
        instances = cut.instances(classes, *way_of(how))
    kept = keep_objects(instances, cut.image.valid, how["min_size"], how["exclude_border"])
    if kept.sum() > limits.MAX_OBJECTS:
        raise TooManyObjectsError(f"There are {kept.sum()} objects.")
    labels = select_objects(instances, kept)
    hues = object_hues(labels, colored(earlier))
    return Counted(cut, None, labels, hues, way_of(how), instances)


def way_of(how: dict[str, Any]) -> tuple[str, float | None]:
    return how["method"], how["seed"]


def colored(earlier: Counted | None) -> tuple[np.ndarray, np.ndarray] | None:
    return None if earlier is None else (earlier.labels, earlier.hues)


def layer_of(counted: Counted) -> dict[str, Any]:
    """What the viewer is sent."""
    follows = not is_large(counted.result)
    return object_layer(counted.result, counted.labels, counted.hues, follows)


def is_large(result: Segmentation) -> bool:
    """Whether its objects are counted only when somebody asks."""
    return result.mask.size > limits.COUNTED_AT_ONCE
