"""`segment`: the one way everything predicts, and `Segmentation`: what it returns."""

import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import PIL.Image
import torch

from .areas import Counted
from .configuration import checked_threshold, checked_tile_size
from .engine import checked_precision
from .errors import PrecisionError
from .image_data import ImageData
from .images import ImageSource, read_image
from .outputs import USUAL, write_outputs
from .overlay import Look, color_table, draw_overlay, to_display
from .preprocessing import PreparedImage
from .reporting import Reporter
from .runtime import network_of
from .tiling import Tile, mirrored
from .views import Show, views_of

if TYPE_CHECKING:
    from .objects import Objects
    from .pixel_size import PixelSize
    from .unet import UNet


@dataclass(frozen=True)
class Segmentation(Counted):
    """A prediction, of the image's own height, width and orientation.

    mask: (H, W) uint8, the class id of every pixel.
    probabilities: (classes, H, W) float32, 0 to 1, summing to 1 over the classes.
    """

    mask: np.ndarray = field(repr=False)
    probabilities: np.ndarray = field(repr=False)
    id2label: dict[int, str]
    colors: list[str]  # "#rrggbb", by class id
    threshold: float | None  # two classes: mask = probabilities[1] > threshold
    image: ImageData = field(repr=False)
    notes: tuple[str, ...] = ()  # what was inferred or converted on the way
    tiles: int = 1
    seconds: float = 0.0  # reading not included
    device: str = "cpu"
    precision: str = "float32"  # of the network's arithmetic, or "bfloat16", "float16"
    # With test-time augmentation: (H, W) float32, the standard deviation over the eight views of
    # the probability they agree least on; 0 where all say the same, 0.5 at most.
    uncertainty: np.ndarray | None = field(default=None, repr=False)

    def with_threshold(self, threshold: float) -> "Segmentation":
        """The same prediction cut at another probability of class 1; two classes only.

        Raises:
            ConfigError: More than two classes, or a threshold outside 0 to 1.
        """
        threshold = checked_threshold(threshold, len(self.id2label))
        return replace(self, mask=decide(self.probabilities, threshold), threshold=threshold)

    @property
    def pixels(self) -> dict[int, int]:
        """Number of pixels of each class id."""
        counts = np.bincount(self.mask.ravel(), minlength=len(self.id2label))
        return dict(enumerate(counts.tolist()))

    def objects(
        self,
        *,
        classes: Collection[int | str] | int | str | None = None,
        method: str = "components",
        min_size: int = 0,
        exclude_border: bool = False,
        pixel_size: "PixelSize | tuple | str | None" = None,
        max_objects: int | None = None,
    ) -> "Objects":
        """The single objects, measured.

        Args:
            classes: Names or ids; None: all but class 0, the ground between objects.
            method: "components": what hangs together by the edges of pixels is one object.
                "watershed": what touches is parted, too, where it narrows to less than 3/4 of
                the thinner side; a low probability counts as a narrowing.
            min_size: Objects of fewer pixels are left out.
            exclude_border: Leaves out what touches the image's border and may be cut off.
            pixel_size: (0.25, "µm"), or x, y and unit; None: what the file says, if anything.
            max_objects: More than these are counted, but not measured; None: any number is.

        Raises:
            ConfigError: One of these is not usable, or scikit-image is not installed.
            TooManyObjectsError: There are more than `max_objects`.

        >>> objects = result.objects(method="watershed", min_size=20)  # doctest: +SKIP
        >>> objects.table["area_px"].mean()  # doctest: +SKIP
        """
        from .objects import find_objects

        return find_objects(
            self,
            classes=classes,
            method=method,
            min_size=min_size,
            exclude_border=exclude_border,
            pixel_size=pixel_size,
            max_objects=max_objects,
        )

    def overlay(
        self,
        alpha: float = 0.5,
        *,
        hidden: Collection[int | str] | int | str = (),
        outline: bool = False,
        window: tuple[float, float] | None = None,
    ) -> PIL.Image.Image:
        """The image with the classes painted over it, RGB.

        Args:
            alpha: 0 shows the image alone, 1 the colours alone.
            hidden: Names or ids of classes that are not painted.
            outline: Paints, opaque, only the borders of the classes.
            window: What is drawn black and what white, in the image's own values; None: 8 bits
                as they are, anything else between its 0.5 and 99.5 percentiles.

        Raises:
            ConfigError: One of these is not usable.
        """
        ids = Look(alpha, hidden, outline, window).hidden_ids(self.id2label)
        display = to_display(self.image, window)
        return draw_overlay(display, self.mask, self.colors, alpha, hidden=ids, outline=outline)

    def mask_image(self) -> PIL.Image.Image:
        """The mask, indexed: pixel values are class ids, the palette makes them visible."""
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
        only: Collection[str] = USUAL,
        prefix: str = "",
        objects: "Objects | None" = None,
    ) -> dict[str, Path]:
        """Writes the result into `folder` (made if missing), each file at once or not at all.

        mask.png (indexed, exact ids), overlay.png, probabilities.tif (classes, H, W; float32,
        deflate) and summary.json, or `only` some of all there are: also classes.tif (the mask
        as uint8), uncertainty.tif (float32; with test-time augmentation), and of the objects
        instances.tif (their ids, uint16 or uint32), objects.csv, outlines.geojson (for QuPath),
        rois.zip (for ImageJ) and histogram.svg (of their areas).

        Args:
            alpha, hidden, outline, window: How overlay.png is painted, see `overlay`.
            prefix: What the files' names begin with.
            objects: The objects that are meant, by default `self.objects()`.

        Returns:
            The files' paths by their names without prefix and ending.

        Raises:
            ConfigError: `only` names something else, the overlay cannot be painted so, or a
                package is missing: `pip install "unet_hf[objects]"`.
        """
        look = Look(alpha, hidden, outline, window)
        return write_outputs(
            self, Path(folder), look=look, only=only, prefix=prefix, objects=objects
        )


def decide(probabilities: np.ndarray, threshold: float | None) -> np.ndarray:
    """(classes, H, W) probabilities -> (H, W) uint8 class ids.

    Two classes: class 1 where its probability exceeds the threshold. More: the most
    probable class, the lower id where two are equal.
    """
    if threshold is not None:
        return (probabilities[1] > threshold).astype(np.uint8)
    return probabilities.argmax(axis=0).astype(np.uint8)


@torch.inference_mode()
def segment(
    model: "UNet",
    source: ImageSource,
    *,
    page: int = 0,
    axes: str | None = None,
    channel: int | None = None,
    threshold: float | None = None,
    tile_size: int | None = None,
    precision: str = "auto",
    tta: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Segmentation:
    """See `UNet.segment`."""
    num_classes = model.config["num_classes"]
    geometry = model.geometry
    threshold = model.threshold if threshold is None else checked_threshold(threshold, num_classes)
    tile_size = model.config["tile_size"] if tile_size is None else tile_size
    checked_tile_size(tile_size, geometry)
    chosen = checked_precision(precision, model.device)
    image = read_image(source, page=page, axes=axes, channel=channel)
    started = time.perf_counter()

    prepared = model.preprocessing.prepare(image)
    tiles = geometry.plan(image.height, image.width, tile_size)
    notes = (*image.notes, *prepared.notes)
    was_training = model.training
    model.eval()
    show = views_of(tta, model.device, tile_size)
    try:
        predicted = _predict(model, prepared, tiles, threshold, chosen, show, progress)
    except PrecisionError:
        if precision != "auto":
            raise
        notes = (*notes, f"{chosen} cannot hold this network's values: float32 was taken")
        chosen = "float32"
        predicted = _predict(model, prepared, tiles, threshold, chosen, show, progress)
    finally:
        model.train(was_training)

    probabilities, mask, uncertainty = predicted
    return Segmentation(
        mask=mask,
        probabilities=probabilities,
        id2label=model.id2label,
        colors=list(model.config["colors"]),
        threshold=threshold,
        image=image,
        notes=notes,
        tiles=len(tiles),
        seconds=time.perf_counter() - started,
        device=str(model.device),
        precision=chosen,
        uncertainty=uncertainty,
    )


def _predict(
    model: "UNet",
    prepared: PreparedImage,
    tiles: list[Tile],
    threshold: float | None,
    precision: str,
    show: Show,
    progress: Callable[[int, int], None] | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Tile by tile: (classes, H, W) probabilities, (H, W) class ids, (H, W) uncertainty if any."""
    height, width = prepared.image.height, prepared.image.width
    probabilities = np.empty((model.config["num_classes"], height, width), np.float32)
    mask = np.empty((height, width), np.uint8)
    uncertainty = None
    report = Reporter(progress, len(tiles))
    network = partial(network_of(model, precision), pause=report.pause)
    for tile in tiles:
        top, bottom, left, right = tile.window
        window = prepared.window(mirrored(top, bottom, height), mirrored(left, right, width))
        predicted, spread = show(network, window)
        y, x = tile.crop
        rows = slice(y, y + tile.rows.stop - tile.rows.start)
        columns = slice(x, x + tile.columns.stop - tile.columns.start)
        core = predicted[:, rows, columns]
        probabilities[:, tile.rows, tile.columns] = core
        mask[tile.rows, tile.columns] = decide(core, threshold)
        if spread is not None:
            if uncertainty is None:
                uncertainty = np.empty((height, width), np.float32)
            uncertainty[tile.rows, tile.columns] = spread[rows, columns]
        report.step()
    return probabilities, mask, uncertainty
