"""Cuts random crops from a labelled image, deformed as in the paper (section 3.1).

Shift, rotation, zoom, mirroring and elastic deformation are one map from crop pixels to image
pixels, so that the image is sampled once, and only where the crop is. Beyond the image's border
the map is mirrored, so images smaller than the crop need no special case.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from .colors import invert, mix_channels

COARSE = 3  # the paper's grid of displacement vectors is 3 x 3


@dataclass(frozen=True)
class Augmentation:
    """Strengths of the random changes of a crop; see `TrainingConfig` for units."""

    size: int
    elastic_std: float = 10.0
    rotation: float = 180.0
    scale_range: float = 1.25
    flip: bool = True
    gray_std: float = 0.2
    noise_std: float = 0.1
    channel_mixing: float = 0.0
    inversion: float = 0.0

    def crop(
        self,
        image: Tensor,
        label: Tensor,
        planes: Tensor,
        rng: np.random.Generator,
        focus: tuple[int, int] | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Cuts one random crop of an image with its labels and other values of its pixels.

        Args:
            image: (C, H, W) float32, normalised.
            label: (H, W) class ids, uint8 or, so that each crop need not convert them, float32.
            planes: (n, H, W) float32; n may be 0.
            rng: The only source of randomness: the same state gives the same crop.
            focus: y and x of a pixel that is somewhere in the crop; None: the crop is anywhere.

        Returns:
            (C, size, size) float32, (size, size) int64 and (n, size, size) float32.
        """
        height, width = label.shape
        if focus is None:
            y, x = self._shift(height, rng), self._shift(width, rng)
            turn = self._turn(rng)
        else:
            turn = self._turn(rng)
            y, x = self._shift_near(focus, (height, width), turn, rng)
        coarse = rng.normal(0, self.elastic_std, (2, COARSE, COARSE)) if self.elastic_std else None
        grid = sampling_grid(self.size, (height, width), (x, y), turn, coarse)
        image_crop = sample(image, grid, "bicubic")
        label_crop = sample(label[None].float(), grid, "nearest")[0].long()
        plane_crops = sample(planes, grid, "bilinear")
        image_crop = mix_channels(image_crop, self.channel_mixing, rng)
        image_crop = invert(image_crop, self.inversion, rng)
        return self._vary_gray(image_crop, rng), label_crop, plane_crops

    def _shift(self, side: int, rng: np.random.Generator) -> float:
        """Draws the crop's center along one axis, px; the middle of an image that is too small."""
        half = self.size / 2
        return rng.uniform(half, side - half) - 0.5 if side > self.size else (side - 1) / 2

    def _shift_near(
        self,
        focus: tuple[int, int],
        image_size: tuple[int, int],
        turn: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[float, float]:
        """Draws a center, y and x in px, from which a pixel is anywhere in the crop.

        Where that crop would reach beyond the image, it is moved inside if the pixel stays in it.
        """
        half = self.size / 2
        pixel = np.array(focus[::-1], float)  # x before y, as in `turn`
        center = pixel - turn @ rng.uniform(-half, half, 2)
        sides = np.array(image_size[::-1])
        low, high = half - 0.5, sides - half - 0.5
        inside = np.where(sides > self.size, np.clip(center, low, high), (sides - 1) / 2)
        if np.abs(np.linalg.solve(turn, pixel - inside)).max() < half:
            center = inside
        return float(center[1]), float(center[0])

    def _turn(self, rng: np.random.Generator) -> np.ndarray:
        """Draws rotation, zoom and mirroring: (2, 2), from crop to image, x before y."""
        angle = np.deg2rad(rng.uniform(-self.rotation, self.rotation))
        zoom = self.scale_range ** rng.uniform(-1, 1)
        mirror = -1.0 if self.flip and rng.random() < 0.5 else 1.0
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return zoom * rotation @ np.diag([mirror, 1.0])

    def _vary_gray(self, crop: Tensor, rng: np.random.Generator) -> Tensor:
        if self.gray_std > 0:
            channels = crop.shape[0]
            gain = np.exp(rng.normal(0, self.gray_std)) * np.exp(
                rng.normal(0, self.gray_std / 4, (channels, 1, 1))
            )
            offset = rng.normal(0, self.gray_std) + rng.normal(
                0, self.gray_std / 4, (channels, 1, 1)
            )
            crop = crop * torch.from_numpy(gain.astype(np.float32))
            crop = crop + torch.from_numpy(offset.astype(np.float32))
        if self.noise_std > 0:
            generator = torch.Generator().manual_seed(int(rng.integers(2**63)))  # it is faster
            noise = torch.randn(crop.shape, generator=generator)
            crop = crop + noise * float(rng.uniform(0, self.noise_std))
        return crop


def sampling_grid(
    size: int,
    image_size: tuple[int, int],
    center: tuple[float, float],
    turn: np.ndarray,
    coarse: np.ndarray | None = None,
) -> Tensor:
    """Computes where each pixel of a crop is in its image, for `sample`.

    Args:
        size: Side of the crop, pixels.
        image_size: Height and width of the image.
        center: x and y of the crop's centre in the image, pixels.
        turn: (2, 2) linear map from crop to image, x before y.
        coarse: (2, 3, 3) displacements in x and in y, pixels of the crop, on a coarse grid from
            its first to its last pixel; bicubic interpolation brings them to every pixel (paper,
            section 3.1). None: not deformed.

    Returns:
        (size, size, 2) float32, x and y; -1 ... 1 from the first to the last pixel's center.
    """
    # The map is a sum of products of a function of y and a function of x. Each function is a spline
    # of the coarse grid, the coordinate itself, or 1. So it is one small matrix product, done in
    # float64: float32 would be off by 1e-5 px before the sampling begins.
    functions = _functions(size)
    linear, constant = COARSE, COARSE + 1
    factors = np.zeros((2, COARSE + 2, COARSE + 2))  # x or y, function of y, function of x
    factors[0, constant, linear] = factors[1, linear, constant] = 1
    if coarse is not None:
        factors[:, :COARSE, :COARSE] = coarse
    factors = np.einsum("ij,jyx->iyx", turn, factors)
    factors[:, constant, constant] += center
    height, width = image_size
    factors *= 2 / np.array([max(width - 1, 1), max(height - 1, 1)])[:, None, None]
    factors[:, constant, constant] -= 1
    rows = torch.einsum("iyx,cx->yci", torch.from_numpy(factors), functions).flatten(1)
    return (functions @ rows).float().unflatten(1, (size, 2))


@lru_cache(maxsize=4)
def _functions(size: int) -> Tensor:
    """Computes functions of one coordinate at each pixel of a crop: (size, COARSE + 2) float64.

    They are the bicubic interpolation from COARSE to `size` points, which is linear, the distance
    to the center, and 1.
    """
    splines = [ndimage.zoom(unit, size / COARSE, order=3) for unit in np.eye(COARSE)]
    distance = np.arange(size) - (size - 1) / 2
    return torch.from_numpy(np.stack([*splines, distance, np.ones(size)], axis=1))


def sample(values: Tensor, grid: Tensor, mode: str) -> Tensor:
    """Samples between pixels, mirrored beyond the border: (C, H, W) -> (C, h, w) float32.

    mode: "nearest", "bilinear" or "bicubic".
    """
    return functional.grid_sample(
        values[None], grid[None], mode=mode, padding_mode="reflection", align_corners=True
    )[0]
