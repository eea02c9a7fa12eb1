"""Random crops of a labelled image, deformed as in the paper (section 3.1).

Shift, rotation, zoom, mirroring and elastic deformation are one map from crop pixels to image
pixels, so that the image is sampled once, and only where the crop lies. Beyond the image's
border the map is mirrored, hence images smaller than the crop need no case of their own.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

COARSE = 3  # the paper's grid of displacement vectors is 3 x 3


@dataclass(frozen=True)
class Augmentation:
    """How far a crop may stray from the image; see `TrainingConfig` for units."""

    size: int
    elastic_std: float = 10.0
    rotation: float = 180.0
    scale_range: float = 1.25
    flip: bool = True
    gray_std: float = 0.2
    noise_std: float = 0.1

    def crop(
        self, image: Tensor, label: Tensor, weights: Tensor, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One random crop of an image with its labels and weights.

        Args:
            image: (C, H, W) float32, normalised.
            label: (H, W) uint8 class ids, `weights`: (H, W) float32.
            rng: The only source of chance: the same state gives the same crop.

        Returns:
            (C, size, size) float32, (size, size) int64, (size, size) float32.
        """
        height, width = label.shape
        center = [self._shift(height, rng), self._shift(width, rng)]
        position = self._positions(center, rng)  # (size, size, 2), x and y in image pixels

        # grid_sample wants -1 ... 1 from the first to the last pixel's centre.
        extent = torch.tensor([max(width - 1, 1), max(height - 1, 1)], dtype=torch.float32)
        grid = (position * (2 / extent) - 1)[None]
        image_crop = _sample(image[None], grid, "bicubic")[0]
        label_crop = _sample(label[None, None].float(), grid, "nearest")[0, 0].long()
        weight_crop = _sample(weights[None, None], grid, "bilinear")[0, 0]
        return self._vary_gray(image_crop, rng), label_crop, weight_crop

    def _shift(self, side: int, rng: np.random.Generator) -> float:
        """The crop's centre along one axis; small images are met in their middle."""
        half = self.size / 2
        return rng.uniform(half, side - half) - 0.5 if side > self.size else (side - 1) / 2

    def _positions(self, center: list[float], rng: np.random.Generator) -> Tensor:
        angle = np.deg2rad(rng.uniform(-self.rotation, self.rotation))
        zoom = self.scale_range ** rng.uniform(-1, 1)
        mirror = -1.0 if self.flip and rng.random() < 0.5 else 1.0
        turn = (
            zoom
            * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            @ np.diag([mirror, 1.0])
        )

        axis = torch.arange(self.size, dtype=torch.float32) - (self.size - 1) / 2
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        flat = torch.stack([x, y], dim=-1)
        if self.elastic_std > 0:
            flat = flat + elastic_displacement(self.size, self.elastic_std, rng)
        turned = flat @ torch.from_numpy(turn.T.astype(np.float32))
        return turned + torch.tensor([center[1], center[0]], dtype=torch.float32)

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
            noise = rng.standard_normal(crop.shape, dtype=np.float32)
            crop = crop + torch.from_numpy(noise) * float(rng.uniform(0, self.noise_std))
        return crop


def elastic_displacement(size: int, std: float, rng: np.random.Generator) -> Tensor:
    """Smooth random displacements: (size, size, 2) float32, x and y in pixels.

    Gaussian vectors on a coarse 3 x 3 grid, brought to every pixel by bicubic interpolation.
    """
    coarse = rng.normal(0, std, (2, COARSE, COARSE)).astype(np.float32)
    spread = _bicubic_matrix(size)
    return torch.einsum("yi,cij,xj->yxc", spread, torch.from_numpy(coarse), spread)


@lru_cache(maxsize=4)
def _bicubic_matrix(size: int) -> Tensor:
    """Bicubic interpolation from COARSE to `size` points is linear: (size, COARSE) float32."""
    columns = [ndimage.zoom(unit, size / COARSE, order=3) for unit in np.eye(COARSE)]
    return torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))


def _sample(values: Tensor, grid: Tensor, mode: str) -> Tensor:
    return functional.grid_sample(
        values, grid, mode=mode, padding_mode="reflection", align_corners=True
    )
