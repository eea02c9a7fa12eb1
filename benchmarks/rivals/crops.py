"""Random crops with flips and quarter turns, the usual augmentation of small recipes."""

import numpy as np
import torch

from .task import Example


def pad_to(array: np.ndarray, side: int) -> np.ndarray:
    """Mirrors an array (..., H, W) at its far edges until both sides have at least `side` px."""
    missing = [max(side - length, 0) for length in array.shape[-2:]]
    none = [(0, 0)] * (array.ndim - 2)
    return np.pad(array, [*none, *((0, more) for more in missing)], mode="symmetric")


class Crops:
    """Draws batches of crops from examples that are all in memory."""

    def __init__(self, examples: list[Example], side: int, batch: int, seed: int) -> None:
        self.images = [pad_to(example.normalized(), side) for example in examples]
        self.labels = [pad_to(example.label, side) for example in examples]
        self.side, self.batch = side, batch
        self.random = np.random.default_rng(seed)

    def draw(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (B, C, side, side) float32 and labels (B, side, side) int64."""
        pairs = [self._one() for _ in range(self.batch)]
        images, labels = (np.stack(part) for part in zip(*pairs, strict=True))
        return torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))

    def _one(self) -> tuple[np.ndarray, np.ndarray]:
        index = self.random.integers(len(self.images))
        image, label = self.images[index], self.labels[index]
        rows, columns = (
            slice(start, start + self.side)
            for start in self.random.integers(np.array(label.shape) - self.side + 1)
        )
        turns, flip = self.random.integers(4), self.random.integers(2)
        parts = (np.rot90(part[..., rows, columns], turns, (-2, -1)) for part in (image, label))
        return tuple(np.ascontiguousarray(part[..., ::-1] if flip else part) for part in parts)
