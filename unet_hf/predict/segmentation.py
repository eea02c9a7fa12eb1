"""`Segmentation`: the result of a prediction, and what it can be turned into."""

import json
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from ..errors import ConfigError
from ..files import make_folder, write_atomically
from ..images.image_data import ImageData
from ..images.pixel_size import PixelSize
from ..network.configuration import check_objects, checked_threshold, settled_objects
from ..objects.basins import Basins
from ..objects.instances import compact, find_instances
from ..objects.learned import learned_basins, learned_labels
from ..objects.objects import Objects, check_options, find_objects, large_enough
from ..objects.outline_files import to_geojson, to_roi_zip
from .decision import decide
from .outputs import (
    DEFAULT_OUTPUTS,
    NEEDS_TTA,
    OBJECT_OUTPUTS,
    OUTPUTS,
    OVERLAY_PNG_OPTIONS,
    checked_outputs,
    nodata_id,
    write_tiff,
)
from .overlay import Look, color_table, draw_overlay, to_display
from .summary import PredictionSummary


@dataclass(frozen=True, eq=False)
class Segmentation(PredictionSummary):
    """A prediction, of the image's own height, width and orientation.

    mask: (H, W) uint8, the class id of every pixel.
    probabilities: (classes, H, W) float32, 0 to 1, summing to 1 over the classes.

    Where the image holds no data (`image.valid` is false), mask and all probabilities are 0. These
    pixels are not counted, belong to no object, and are not painted.
    """

    mask: np.ndarray = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    id2label: dict[int, str]
    colors: list[str]  # "#rrggbb", by class id
    threshold: float | None  # two classes: mask = probabilities[1] > threshold
    image: ImageData = field(repr=False)
    notes: tuple[str, ...] = ()  # what was inferred or converted on the way
    tiles: int = 1
    seconds: float = 0.0  # without reading the image
    device: str = "cpu"
    precision: str = "float32"  # what was computed in: also "bfloat16", "float16" or "int8"
    # With test-time augmentation: (H, W) float32, the largest standard deviation of any class's
    # probability over the eight views; 0 where all views are equal, at most 0.5.
    uncertainty: np.ndarray | None = field(default=None, repr=False)
    # What the network tells of objects: (n, H, W) float32, see `Network.object_channels`; or None.
    object_maps: np.ndarray | None = field(default=None, repr=False)
    object_channels: tuple[str, ...] = field(default=(), repr=False)
    walled: bool = field(default=False, repr=False)  # walls keep the objects apart
    # How far the image is from those that the checkpoint was trained on, in units of the distance
    # that 99 % of their kind do not exceed: above 1 it is unlike them. None: it is not known.
    unlike_training: float | None = None
    # The checkpoint's way of counting objects: "method", "min_size", "seed", or none of them.
    object_defaults: dict[str, Any] = field(default_factory=dict, repr=False)

    def with_threshold(self, threshold: float) -> "Segmentation":
        """Returns the same prediction with another threshold of class 1; two classes only.

        Raises:
            ConfigError: More than two classes, or a threshold outside 0 to 1.
        """
        threshold = checked_threshold(threshold, len(self.id2label))
        return replace(self, mask=decide(self.probabilities, threshold), threshold=threshold)

    @property
    def pixel_counts(self) -> dict[int, int]:
        """The number of pixels of each class id, of those that hold data."""
        valid = self.image.valid
        counted = self.mask.ravel() if valid is None else self.mask[valid]
        counts = np.bincount(counted, minlength=len(self.id2label))
        return dict(enumerate(counts.tolist()))

    @property
    def object_recipe(self) -> dict[str, Any]:
        """How `objects` finds objects by default: method, min_size (pixels) and perhaps seed."""
        return check_objects(self.object_defaults)

    def objects(
        self,
        *,
        classes: Collection[int | str] | int | str | None = None,
        method: str = "auto",
        seed: float | None = None,
        min_size: int | None = None,
        exclude_border: bool = False,
        pixel_size: PixelSize | tuple | str | None = None,
        max_objects: int | None = None,
    ) -> Objects:
        """Finds and measures the single objects.

        Args:
            classes: Names or ids; None: all but class 0, the background between objects.
            method: "components": pixels that are connected by their edges are one object.
                "watershed": also splits objects that touch, where they narrow to less than 3/4 of
                the thinner side; a low probability counts as a narrowing. "learned": parts them
                by what the network has learned of objects, if it has. "auto": what the
                checkpoint's configuration says, otherwise "components".
            seed: "learned": how sure the deepest pixel of an object must be, 0 to 1. A higher
                one joins more, and leaves out what is not sure. None: the checkpoint's.
            min_size: Objects of fewer pixels are left out. None: the checkpoint's, otherwise 0.
            exclude_border: Leaves out objects that touch the image's border and may be cut off.
            pixel_size: (0.25, "µm"), or x, y and unit; None: that of the file, if known.
            max_objects: More objects than this are counted, but not measured; None: no limit.

        Raises:
            ConfigError: One of these is not usable, or scikit-image is not installed.
            TooManyObjectsError: There are more than `max_objects`.

        >>> objects = result.objects(method="watershed", min_size=20)  # doctest: +SKIP
        >>> objects.table["area_px"].mean()  # doctest: +SKIP
        """
        recipe = settled_objects(self.object_defaults, method, seed, min_size)
        chosen, size = check_options(
            self.id2label, classes=classes, pixel_size=pixel_size, **recipe
        )
        return find_objects(
            self.instances(chosen, recipe["method"], recipe["seed"]),
            self.mask,
            self.probabilities,
            self.image,
            self.id2label,
            self.colors,
            classes=chosen,
            **recipe,
            exclude_border=exclude_border,
            pixel_size=size or self.image.pixel_size,
            max_objects=max_objects,
        )

    def object_labels(
        self,
        *,
        classes: Collection[int | str] | int | str | None = None,
        method: str = "auto",
        seed: float | None = None,
        min_size: int | None = None,
        exclude_border: bool = False,
        max_objects: int | None = None,
    ) -> np.ndarray:
        """Returns `objects(...).instances()`, (H, W) uint16 or uint32, without measuring them.

        Measuring the shapes of a crowd takes as long as finding it. Options and errors are those
        of `objects`.
        """
        recipe = settled_objects(self.object_defaults, method, seed, min_size)
        chosen, _ = check_options(self.id2label, classes=classes, **recipe)
        found = self.instances(chosen, recipe["method"], recipe["seed"])
        size = recipe["min_size"]
        return compact(large_enough(found, self.image, size, exclude_border, max_objects))

    def instances(
        self, classes: tuple[int, ...], method: str, seed: float | None = None
    ) -> np.ndarray:
        """Returns the objects of some classes, (H, W) int32, without selecting or measuring them.

        0 is no object; 1 to n are in the order of first pixels, row by row.
        """
        if method != "learned":
            return find_instances(self._known, self.probabilities, classes, method)
        return learned_labels(self.basins(classes), seed, self.walled)

    def basins(self, classes: tuple[int, ...]) -> Basins:
        """Returns the parts of some classes' pixels that the method "learned" joins to objects.

        Raises:
            ConfigError: The network was not trained to tell objects apart.
        """
        if classes not in self._basins:
            self._basins[classes] = learned_basins(
                self._known, self.object_maps, self.object_channels, classes,
                1 - self.probabilities[0] if self.walled else None,
            )  # fmt: skip
        return self._basins[classes]

    @property
    def _known(self) -> np.ndarray:
        """The mask, with -1 where the image holds no data."""
        valid = self.image.valid
        return self.mask if valid is None else np.where(valid, self.mask, np.int16(-1))

    @cached_property
    def _basins(self) -> dict[tuple[int, ...], Basins]:
        """Basins by classes: a seed that changes needs no new ones."""
        return {}

    def overlay(
        self,
        alpha: float = 0.5,
        *,
        hidden: Collection[int | str] | int | str = (),
        outline: bool = False,
        window: tuple[float, float] | None = None,
    ) -> PIL.Image.Image:
        """Returns the image with the classes painted over it, RGB.

        Args:
            alpha: 0 shows the image alone, 1 the colours alone.
            hidden: Names or ids of classes that are not painted.
            outline: Paints, opaque, only the borders of the classes.
            window: The values of the image that are drawn black and white; None: 0 and 255 for
                uint8 images, otherwise the 0.5 and 99.5 percentiles.

        Raises:
            ConfigError: One of these is not usable.
        """
        ids = Look(alpha, hidden, outline, window).hidden_ids(self.id2label)
        display = to_display(self.image, window)
        return draw_overlay(
            display,
            self.mask,
            self.colors,
            alpha,
            hidden=ids,
            outline=outline,
            valid=self.image.valid,
        )

    def mask_image(self) -> PIL.Image.Image:
        """Returns the mask as an indexed image: class ids, with a palette of the class colours."""
        image = PIL.Image.fromarray(self.mask, "P")
        image.putpalette(color_table(self.colors).ravel().tolist())
        return image

    def save(
        self,
        folder: str | os.PathLike,
        alpha: float = 0.5,
        *,
        hidden: Collection[int | str] | int | str = (),
        outline: bool = False,
        window: tuple[float, float] | None = None,
        only: Collection[str] = DEFAULT_OUTPUTS,
        prefix: str = "",
        objects: Objects | None = None,
    ) -> dict[str, Path]:
        """Writes the result into `folder`, made if missing; each file completely or not at all.

        mask.png (indexed, exact ids), overlay.png, probabilities.tif (classes, H, W; float32,
        deflate) and summary.json, unless `only` names others. There are also classes.tif (the
        mask as uint8), uncertainty.tif (float32; with test-time augmentation), and for objects
        instances.tif (their ids, uint16 or uint32), objects.csv, outlines.geojson (for QuPath)
        and rois.zip (for ImageJ). The TIFFs have the georeference of a GeoTIFF. If the image's file
        names a nodata value, its pixels are 255 in classes.tif, which says so.

        Args:
            alpha, hidden, outline, window: Options of overlay.png, see `overlay`.
            only: Names of the outputs to write, without ending.
            prefix: The start of all file names.
            objects: The objects to write, by default `self.objects()`.

        Returns:
            The path of each file, by its name without prefix and ending.

        Raises:
            ConfigError: `only` names something else, an option of the overlay is not usable, the
                folder cannot be made, or a package is missing: `pip install ".[objects]"` in a
                clone.
        """
        look = Look(alpha, hidden, outline, window)
        look.hidden_ids(self.id2label)  # before anything is written
        names = checked_outputs(only)
        if "uncertainty" in names and self.uncertainty is None:
            raise ConfigError(NEEDS_TTA)
        if objects is None and set(names) & set(OBJECT_OUTPUTS):
            objects = self.objects()
        folder = Path(folder)
        make_folder(folder)
        paths = {name: folder / f"{prefix}{OUTPUTS[name]}" for name in names}
        writers = self._writers(objects, look)
        for name, path in paths.items():
            write_atomically(path, writers[name])
        return paths

    def all_outputs(self) -> list[str]:
        """Returns the names of all outputs that this result can be saved as."""
        return [name for name in OUTPUTS if name != "uncertainty" or self.uncertainty is not None]

    def _writers(self, objects: Objects | None, look: Look) -> dict[str, Callable[[Path], Any]]:
        """Returns the function that writes the file, for each name in `OUTPUTS`."""
        labels = [self.id2label[index] for index in range(len(self.id2label))]
        size = objects.pixel_size if objects else self.image.pixel_size
        image, no_data = self.image, nodata_id(self.image, len(labels))

        def text(content: Callable[[], str]) -> Callable[[Path], Any]:
            return lambda path: path.write_text(content(), encoding="utf-8", newline="\n")

        return {
            "mask": lambda path: self.mask_image().save(path, format="PNG"),
            "overlay": lambda path: self.overlay(**vars(look)).save(path, **OVERLAY_PNG_OPTIONS),
            "probabilities": lambda path: write_tiff(
                path, self.probabilities, {"axes": "CYX", "Labels": labels}, None, image
            ),
            "summary": text(lambda: json.dumps(self.summary(), indent=2)),
            "classes": lambda path: write_tiff(
                path, self.mask, {"axes": "YX", "Classes": labels}, size, image, no_data
            ),
            "uncertainty": lambda path: write_tiff(
                path, self.uncertainty, {"axes": "YX"}, size, image
            ),
            "instances": lambda path: write_tiff(
                path, objects.instances(), {"axes": "YX"}, size, image
            ),
            "objects": text(lambda: objects.csv()),
            "outlines": text(lambda: json.dumps(to_geojson(objects), separators=(",", ":"))),
            "rois": lambda path: path.write_bytes(to_roi_zip(objects)),
        }
