"""`Features`: what a network sees in an image, at each of its resolutions, kept for quick answers.

A linear function of the features of all levels is the sum of one function a level, each computed at
that level's own resolution and then enlarged: for a new stroke no feature is computed again.
"""

from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional

from unet_hf import UNet
from unet_hf.engine.precision import cpu_has
from unet_hf.errors import ConfigError
from unet_hf.images.image_data import ImageData
from unet_hf.predict.progress import Progress

MOST_PIXELS = 2048**2  # 660 MB of features of a network of width 16
BLOCK = 2**14  # pixels in float32 at a time: few CPUs multiply bfloat16, and caches are small
BLURS = (1.0, 2.0, 4.0, 8.0)  # px, standard deviations of plain filters beside the network's
BLUR_REACH = 3.0  # standard deviations


@dataclass(init=False, eq=False)
class Features:
    """Features of one image.

    size: Height and width of it.
    levels: (C, h, w) each, bfloat16, from the full resolution down; every level covers the image
        and its mirrored margin up to `covered`, (height, width) in pixels of the image.
    logits: (classes, H, W) float32, of the network's own classes.
    object_maps: (n, H, W) float32, see `Network.object_channels`; None of none.
    plain: Which of all channels are plain filters of the image, see `plain_filters`.
    """

    size: tuple[int, int]
    covered: tuple[int, int]
    levels: list[Tensor]
    logits: Tensor
    object_maps: np.ndarray | None
    plain: slice

    def __init__(self, model: UNet, prepared: Tensor, progress: Progress | None = None) -> None:
        """prepared: (C, H, W) float32, as `Preprocessing.prepare` gives it; see `features_of`.

        progress: See `all_levels`. Raises `ConfigError` if it has more than `MOST_PIXELS`.
        """
        height, width = self.size = tuple(prepared.shape[-2:])
        if height * width > MOST_PIXELS:
            raise too_large(height * width)
        if model.geometry.padding == "valid":
            raise ConfigError(
                "This checkpoint trims the borders of what it sees, so strokes cannot be answered "
                "at once. Go on to teaching, or choose a checkpoint with padding 'same'."
            )
        fast = model.device.type == "cpu" and cpu_has("avx512_bf16")
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=fast):
            batch = prepared[None].contiguous(memory_format=torch.channels_last)
            levels = all_levels(model, batch.to(model.device), progress)
            # The network may be on a GPU; what is learned from its features is small.
            *maps, outputs = (found.cpu() for found in levels)
        classes = model.config["num_classes"]
        self.logits = outputs[0, :classes].float()
        found = outputs[0, classes:].float().numpy()
        self.object_maps = found if len(found) else None
        maps = [found[0].bfloat16() for found in maps]
        self.covered = tuple(maps[0].shape[1:])
        margin = (0, self.covered[1] - width, 0, self.covered[0] - height)
        plain = plain_filters(functional.pad(prepared[None], margin, mode="replicate")[0])
        self.levels = [torch.cat([maps[0], maps[1], *plain]), *maps[2:]]
        self.plain = slice(len(maps[0]) + len(maps[1]), len(self.levels[0]))

    def at(self, rows: np.ndarray, columns: np.ndarray) -> Tensor:
        """Features of some pixels: (n, all channels) float32; as `linear` sees them."""
        height, width = self.covered
        places = np.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], axis=1)
        grid = torch.from_numpy(places.astype(np.float32))[None, None]
        parts = []
        for level in self.levels:
            if tuple(level.shape[1:]) == self.covered:
                parts.append(level[:, torch.from_numpy(rows), torch.from_numpy(columns)].float().T)
                continue
            found = functional.grid_sample(
                level[None].float(), grid, padding_mode="border", align_corners=False
            )
            parts.append(found[0, :, 0].T)
        return torch.cat(parts, 1)

    def linear(self, weight: Tensor) -> Tensor:
        """A linear function of every pixel's features: (classes, H, W) float32.

        weight: (classes, all channels).
        """
        total = torch.zeros(len(weight), *self.covered)
        parts = weight.split([len(level) for level in self.levels], dim=1)
        for level, part in zip(self.levels, parts, strict=True):
            _, height, width = level.shape
            found = torch.cat([part @ some.float() for some in level.flatten(1).split(BLOCK, 1)], 1)
            found = found.reshape(1, -1, height, width)
            if (height, width) != self.covered:
                found = functional.interpolate(
                    found, self.covered, mode="bilinear", align_corners=False
                )
            total += found[0]
        return total[:, : self.size[0], : self.size[1]]


def too_large(pixels: int) -> ConfigError:
    return ConfigError(
        f"The image has {pixels / 1e6:.0f} megapixels; strokes are answered at once up to "
        f"{MOST_PIXELS / 1e6:.0f}. Cut out a part, or go on to teaching."
    )


def features_of(model: UNet, image: ImageData, progress: Progress | None = None) -> Features:
    """The features of an image. Raises `ConfigError` if it is too large; before it is prepared.

    progress: See `all_levels`.
    """
    if image.height * image.width > MOST_PIXELS:
        raise too_large(image.height * image.width)
    return Features(model, model.preprocessing.prepare(image).whole(), progress)


def all_levels(model: UNet, image: Tensor, progress: Progress | None = None) -> list[Tensor]:
    """Computes what `Network.forward` does, which explains it, and returns what is on the way.

    Args:
        progress: Called after each level with how many are done, of how many; what it raises ends
            the computation.

    Returns:
        The first level of the contracting path, all levels of the expansive path from the full
        resolution down, the bottleneck, each (B, C, h, w), and what it gives with maps of
        objects, (B, classes + n, H, W).
    """
    height, width = image.shape[-2:]
    x, skips = model._mirror_to_grid(image), []
    total, done = 2 * len(model.contracting) + 1, count(1)

    def computed(level: nn.Module, x: Tensor) -> Tensor:
        found = level(x)
        if progress is not None:
            progress(next(done), total)
        return found

    for convolutions in model.contracting:
        skips.append(computed(convolutions, x))
        x = model.pooling(skips[-1])
    first = skips[0]
    found = [computed(model.bottleneck, x)]
    for up, convolutions in zip(model.up_convolutions, model.expansive, strict=True):
        found.insert(0, computed(convolutions, torch.cat([skips.pop(), up(found[0])], 1)))
    outputs = model.head(found[0])
    if model.object_head is not None:
        outputs = torch.cat([outputs, model.object_head(found[0])], 1)
    return [first, *found, outputs[..., :height, :width]]


def plain_filters(image: Tensor) -> list[Tensor]:
    """The image, blurred images, and their edges and ridges, each like the (C, H, W) image.

    They are bfloat16, as all features are kept.

    Ridges are the eigenvalues of the Hessian matrix: thin dark and bright lines, which a network
    that has never seen any may tell from nothing.
    """
    found = [image.bfloat16()]
    for deviation in BLURS:
        blurred = blur(image, deviation)
        rows, columns = _gradient(blurred)
        rows_rows, rows_columns = _gradient(rows)
        _, columns_columns = _gradient(columns)
        half = (rows_rows + columns_columns) / 2
        apart = torch.hypot((rows_rows - columns_columns) / 2, rows_columns)
        kept = (blurred, torch.hypot(rows, columns), half + apart, half - apart)
        found += [channels.bfloat16() for channels in kept]  # at once: less memory to be had anew
    return found


def _gradient(image: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences of (C, H, W) along rows and columns; the border goes on."""
    down = functional.pad(image, (0, 0, 1, 1), mode="replicate")
    across = functional.pad(image, (1, 1, 0, 0), mode="replicate")
    return down[:, 2:] - down[:, :-2], across[:, :, 2:] - across[:, :, :-2]


def blur(image: Tensor, deviation: float) -> Tensor:
    """Convolves each channel of (C, H, W) with a Gaussian; the border goes on.

    SciPy takes half the time of a convolution of single channels by PyTorch, on one core.
    """
    channels = image.numpy()
    found = gaussian_filter(channels, deviation, axes=(1, 2), mode="nearest", truncate=BLUR_REACH)
    return torch.from_numpy(found)
