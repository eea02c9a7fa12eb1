"""What every drawing is made of: the picture with its truth, smooth noise, gray values."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Drawing:
    """A picture and its truth.

    image: (H, W) or (H, W, 3), uint8 or uint16; label: (H, W) uint8 class ids; instances: (H, W)
    int32, 0 where there is no object.
    """

    image: np.ndarray
    label: np.ndarray
    instances: np.ndarray
    id2label: dict[str, str]


class Noise:
    """Smooth random fields of unit variance."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.size, self.rng = size, rng

    def smooth(self, sigma: float) -> np.ndarray:
        from scipy import ndimage

        field = ndimage.gaussian_filter(
            self.rng.normal(size=(self.size, self.size)), sigma, mode="wrap"
        )
        return (field / field.std()).astype(np.float32)


def to_bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(255 * image), 0, 255).astype(np.uint8)
