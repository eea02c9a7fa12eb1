"""`Picture`: a painted image, prepared so that crops can be cut from it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unet_hf import Segmentation, UNet
from unet_hf.data.detect_encoding import IGNORE
from unet_hf.errors import ConfigError

from ..crops.augmentation import Augmentation
from ..crops.class_sampling import draw_place, find_places

CELL = 512  # px; parts of an image are of so many pixels a side, where anything is painted
MARGIN = 128  # px around such a part
MOST_PIXELS = 24 * 2**20  # of all parts together: 1 GB with three channels and two classes


@dataclass(frozen=True)
class Part:
    """A part of a picture in which something is painted.

    image: (C, h, w) float32, normalised with the whole image. label: (h, w) uint8.
    old: (classes + n, h, w) float32, probabilities of the old network and its maps of objects.
    places: Of each class, indices of painted pixels; see `find_places`.
    """

    image: Tensor
    label: Tensor
    old: Tensor
    places: Sequence[Tensor]

    def shows(self, class_id: int) -> bool:
        return class_id < len(self.places) and len(self.places[class_id]) > 0


def prepare_parts(model: UNet, before: Segmentation, label: np.ndarray) -> list[Part]:
    """Prepares the painted parts of an image.

    before: What the old network says of the image. label: (H, W) uint8, IGNORE where nothing is
    painted.
    """
    boxes = list(painted_boxes(label))
    if not boxes:
        return []
    whole = model.preprocessing.prepare(before.image).whole()
    old = before.probabilities
    if before.object_maps is not None:
        old = np.concatenate([old, before.object_maps])
    parts = []
    for rows, columns in boxes:
        painted = np.ascontiguousarray(label[rows, columns])
        parts.append(
            Part(
                whole[:, rows, columns].clone(),
                torch.from_numpy(painted),
                torch.from_numpy(np.ascontiguousarray(old[:, rows, columns])),
                find_places(painted),
            )
        )
    return parts


def painted_boxes(label: np.ndarray) -> Iterator[tuple[slice, slice]]:
    """Yields boxes that hold all painted pixels: the whole image, or cells of a large one."""
    height, width = label.shape
    if (label == IGNORE).all():
        return
    if max(height, width) <= CELL + 2 * MARGIN:
        yield slice(0, height), slice(0, width)
        return
    for top in range(0, height, CELL):
        for left in range(0, width, CELL):
            if (label[top : top + CELL, left : left + CELL] != IGNORE).any():
                yield (
                    slice(max(0, top - MARGIN), min(height, top + CELL + MARGIN)),
                    slice(max(0, left - MARGIN), min(width, left + CELL + MARGIN)),
                )


class StrokeCrops:
    """Cuts numbered crops around painted pixels, each class in turn.

    Crop k is the same for the same parts and seed.
    """

    def __init__(self, parts: Sequence[Part], augmentation: Augmentation, seed: int) -> None:
        pixels = sum(part.label.numel() for part in parts)
        if pixels > MOST_PIXELS:
            raise ConfigError(
                f"What is painted lies in {pixels / 2**20:.0f} megapixels, and "
                f"{MOST_PIXELS / 2**20:.0f} can be learned from at once. Paint closer together, or "
                "on fewer images."
            )
        self.parts, self.augmentation, self.seed = parts, augmentation, seed
        most = max((len(part.places) for part in parts), default=0)
        self.classes = [
            number for number in range(most) if any(part.shows(number) for part in parts)
        ]

    def batch(self, step: int, crops: int) -> list[Tensor]:
        """The crops of a step: images (B, C, s, s), labels (B, s, s) int64, old (B, n, s, s)."""
        numbers = range(step * crops, (step + 1) * crops)
        return [torch.stack(tensors) for tensors in zip(*map(self.crop, numbers), strict=True)]

    def crop(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        rng = np.random.default_rng([self.seed, number])
        class_id = self.classes[number % len(self.classes)]
        showing = [part for part in self.parts if part.shows(class_id)]
        part = showing[rng.integers(len(showing))]
        focus = draw_place(part.places[class_id], tuple(part.label.shape), rng)
        return self.augmentation.crop(part.image, part.label, part.old, rng, focus)
