"""`segment`: the one way everything predicts, and `Segmentation`: what it returns."""

import os
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import torch
from torch import Tensor

from .configuration import checked_threshold, checked_tile_size
from .image_data import ImageData
from .images import ImageSource, read_image
from .outputs import USUAL, write_outputs
from .overlay import color_table, draw_overlay, to_display
from .tiling import mirrored

if TYPE_CHECKING:
    from .objects import Objects
    from .pixel_size import PixelSize
    from .unet import UNet

# On the CPU, PyTorch hands a convolution to oneDNN unless its input is one image of at most
# 20,480 values; the kernel it takes then rounds differently, and a small tile would not equal
# the same pixels of a large one. A batch of two always goes to oneDNN. (Twice the limit, as
# `smallest_feature_map` is exact to a factor of 1.6.)
SMALL_CONVOLUTION = 2 * 20480


@dataclass(frozen=True)
class Segmentation:
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
    precision: str = "float32"

    def with_threshold(self, threshold: float) -> "Segmentation":
        """The same prediction cut at another probability of class 1; two classes only.

        Raises:
            ConfigError: More than two classes, or a threshold outside 0 to 1.
        """
        threshold = checked_threshold(threshold, len(self.id2label))
        return replace(self, mask=decide(self.probabilities, threshold), threshold=threshold)

    def areas(self) -> dict[str, dict[str, float]]:
        """Pixels and share (0 to 1) of each class, by name; absent classes count 0."""
        counts = np.bincount(self.mask.ravel(), minlength=len(self.id2label))
        return {
            name: {"pixels": int(counts[index]), "share": float(counts[index] / self.mask.size)}
            for index, name in self.id2label.items()
        }

    def objects(
        self,
        *,
        classes: Collection[int | str] | int | str | None = None,
        method: str = "components",
        min_size: int = 0,
        exclude_border: bool = False,
        pixel_size: "PixelSize | tuple | str | None" = None,
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

        Raises:
            ConfigError: One of these is not usable, or scikit-image is not installed.

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
        )

    def overlay(self, alpha: float = 0.5) -> PIL.Image.Image:
        """The image with the classes painted over it, RGB; alpha 0 shows the image alone."""
        return draw_overlay(to_display(self.image), self.mask, self.colors, alpha)

    def mask_image(self) -> PIL.Image.Image:
        """The mask, indexed: pixel values are class ids, the palette makes them visible."""
        image = PIL.Image.fromarray(self.mask, "P")
        image.putpalette(color_table(self.colors).ravel().tolist())
        return image

    def summary(self) -> dict[str, Any]:
        """Everything but the pixels, as JSON."""
        return {
            "size": [self.mask.shape[1], self.mask.shape[0]],
            "classes": {str(key): name for key, name in self.id2label.items()},
            "areas": self.areas(),
            "threshold": self.threshold,
            "seconds": round(self.seconds, 4),
            "device": self.device,
            "precision": self.precision,
            "tiles": self.tiles,
            "notes": list(self.notes),
            "image": self.image.summary(),
        }

    def save(
        self,
        folder: str | os.PathLike,
        alpha: float = 0.5,
        *,
        only: Collection[str] = USUAL,
        prefix: str = "",
        objects: "Objects | None" = None,
    ) -> dict[str, Path]:
        """Writes the result into `folder` (made if missing), each file at once or not at all.

        mask.png (indexed, exact ids), overlay.png, probabilities.tif (classes, H, W; float32,
        deflate) and summary.json, or `only` some of all there are: also classes.tif (the mask
        as uint8), and of the objects instances.tif (their ids, uint16 or uint32), objects.csv,
        outlines.geojson (for QuPath), rois.zip (for ImageJ) and histogram.svg (of their areas).

        Args:
            prefix: What the files' names begin with.
            objects: The objects that are meant, by default `self.objects()`.

        Returns:
            The files' paths by their names without prefix and ending.

        Raises:
            ConfigError: `only` names something else, `alpha` is not from 0 to 1, or a package
                is missing: `pip install "unet_hf[objects]"`.
        """
        return write_outputs(
            self, Path(folder), alpha=alpha, only=only, prefix=prefix, objects=objects
        )


def decide(probabilities: np.ndarray, threshold: float | None) -> np.ndarray:
    """(classes, H, W) probabilities -> (H, W) uint8 class ids.

    Two classes: class 1 where its probability exceeds the threshold. More: the most
    probable class, the lower id where two are equal.
    """
    if threshold is not None:
        return (probabilities[1] > threshold).astype(np.uint8)
    return probabilities.argmax(axis=0).astype(np.uint8)


def predict_window(model: "UNet", window: Tensor) -> np.ndarray:
    """(C, h, w) normalised pixels -> (classes, h', w') float32 probabilities."""
    batch = window[None].to(model.device, memory_format=torch.channels_last)
    if smallest_feature_map(model, *window.shape[-2:]) < SMALL_CONVOLUTION:
        batch = batch.repeat(2, 1, 1, 1)
    return softmax(model(batch)[0].float().cpu().numpy())


def smallest_feature_map(model: "UNet", height: int, width: int) -> int:
    """About how many values enter the smallest convolution for a window of this size."""
    base, geometry = model.config["base_channels"], model.geometry
    multiple = geometry.multiple
    values = [model.config["in_channels"] * height * width]
    if geometry.padding == "same":
        values.append(base * multiple * (height // multiple) * (width // multiple) // 2)
    else:  # the end of the bottleneck, and the head: valid convolutions shrink the map
        output = [side - 2 * geometry.halo for side in (height, width)]
        bottom = [(side + 4 * (multiple - 1)) // multiple for side in output]
        values += [base * multiple * bottom[0] * bottom[1] // 2, base * output[0] * output[1]]
    return min(values)


def softmax(logits: np.ndarray) -> np.ndarray:
    """(classes, h, w) float32 logits -> probabilities.

    NumPy rounds a pixel alike wherever it lies; PyTorch's softmax takes another exponential
    at the end of each thread's share, which shows as 3e-8 at some seams.
    """
    exponentials = np.exp(logits - logits.max(axis=0))
    return exponentials / exponentials.sum(axis=0)


@torch.inference_mode()
def segment(
    model: "UNet",
    source: ImageSource,
    *,
    page: int = 0,
    axes: str | None = None,
    threshold: float | None = None,
    tile_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Segmentation:
    """See `UNet.segment`."""
    num_classes = model.config["num_classes"]
    geometry = model.geometry
    threshold = model.threshold if threshold is None else checked_threshold(threshold, num_classes)
    tile_size = model.config["tile_size"] if tile_size is None else tile_size
    checked_tile_size(tile_size, geometry)
    image = read_image(source, page=page, axes=axes)
    started = time.perf_counter()

    height, width = image.height, image.width
    prepared = model.preprocessing.prepare(image)
    tiles = geometry.plan(height, width, tile_size)
    probabilities = np.empty((num_classes, height, width), np.float32)
    mask = np.empty((height, width), np.uint8)
    was_training = model.training
    model.eval()
    try:
        for done, tile in enumerate(tiles, start=1):
            top, bottom, left, right = tile.window
            window = prepared.window(mirrored(top, bottom, height), mirrored(left, right, width))
            predicted = predict_window(model, window)
            y, x = tile.crop
            rows = tile.rows.stop - tile.rows.start
            columns = tile.columns.stop - tile.columns.start
            core = predicted[:, y : y + rows, x : x + columns]
            probabilities[:, tile.rows, tile.columns] = core
            mask[tile.rows, tile.columns] = decide(core, threshold)
            if progress is not None:
                progress(done, len(tiles))
    finally:
        model.train(was_training)

    return Segmentation(
        mask=mask,
        probabilities=probabilities,
        id2label=model.id2label,
        colors=list(model.config["colors"]),
        threshold=threshold,
        image=image,
        notes=(*image.notes, *prepared.notes),
        tiles=len(tiles),
        seconds=time.perf_counter() - started,
        device=str(model.device),
    )
