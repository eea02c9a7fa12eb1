"""Pictures drawn by this file, with exact ground truth: demo examples, checkpoint samples and
test data that carry nobody's licence.

Needs scikit-image and SciPy (extras "demo" and "train").
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Drawing:
    """image: (H, W) or (H, W, 3) uint8; label: (H, W) uint8 class ids; instances: (H, W) int32."""

    image: np.ndarray
    label: np.ndarray
    instances: np.ndarray
    id2label: dict[str, str]


def electron_micrograph(size: int = 512, cells: int = 90, seed: int = 0) -> Drawing:
    """Tissue as a transmission electron microscope shows it: pale cells of all sizes, dark
    membranes, mitochondria, vesicles, uneven stain and grain. Classes: 0 membrane, 1 cell."""
    from scipy import ndimage
    from skimage.segmentation import find_boundaries

    rng = np.random.default_rng(seed)
    noise = _Noise(size, rng)
    instances = _cells(size, cells, rng, noise)

    # Membranes: the outlines, of uneven width, softly dark.
    outline = find_boundaries(instances, connectivity=1, mode="thick")
    distance = ndimage.distance_transform_edt(~outline)
    half_width = np.clip(2.0 + 0.5 * noise.smooth(30), 1.2, 3.5)
    membrane = distance < half_width
    darkness = np.exp(-np.square(np.maximum(distance - 0.5, 0) / (0.75 * half_width)))

    image = 0.70 + 0.04 * noise.smooth(60)
    image += 0.045 * rng.normal(size=cells + 1)[instances]  # each cell has its own cytoplasm
    image += 0.05 * noise.smooth(3.5) + 0.05 * noise.smooth(1.5)
    inner = ndimage.distance_transform_edt(~membrane)
    for _ in range(cells // 5):
        _draw_mitochondrion(image, inner, rng, noise)
    for _ in range(cells * 5):
        _draw_vesicle(image, inner, rng)
    image -= 0.5 * darkness * np.clip(0.9 + 0.16 * noise.smooth(10), 0.5, 1.2)

    grain = ndimage.gaussian_filter(rng.normal(size=image.shape), 0.6)
    image = ndimage.gaussian_filter(image, 0.7) + 0.065 * grain / grain.std()
    label = (~membrane).astype(np.uint8)
    return Drawing(
        _to_bytes(image), label, np.where(label, instances, 0), {"0": "membrane", "1": "cell"}
    )


def fluorescence_nuclei(size: int = 256, nuclei: int = 30, seed: int = 0) -> Drawing:
    """Bright nuclei on a dark ground, some touching. Classes: 0 background, 1 nucleus."""
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    noise = _Noise(size, rng)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    instances = np.zeros((size, size), np.int32)
    image = 0.06 + 0.01 * noise.smooth(40)
    for index in range(1, nuclei + 1):
        center = rng.uniform(0, size, 2)
        radius = rng.uniform(0.025, 0.05) * size
        stretch, angle = rng.uniform(0.65, 1), rng.uniform(0, np.pi)
        dy, dx = y - center[0], x - center[1]
        along = dx * np.cos(angle) + dy * np.sin(angle)
        across = (dy * np.cos(angle) - dx * np.sin(angle)) / stretch
        inside = along**2 + across**2 < (radius * (1 + 0.06 * noise.smooth(8))) ** 2
        inside &= instances == 0
        instances[inside] = index
        image[inside] = rng.uniform(0.25, 0.8)
    image = image * (1 + 0.12 * noise.smooth(3))
    image = ndimage.gaussian_filter(image, 1.0) + 0.012 * rng.normal(size=image.shape)
    label = (instances > 0).astype(np.uint8)
    return Drawing(_to_bytes(image), label, instances, {"0": "background", "1": "nucleus"})


class _Noise:
    """Smooth random fields of unit variance."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.size, self.rng = size, rng

    def smooth(self, sigma: float) -> np.ndarray:
        from scipy import ndimage

        field = ndimage.gaussian_filter(
            self.rng.normal(size=(self.size, self.size)), sigma, mode="wrap"
        )
        return (field / field.std()).astype(np.float32)


def _cells(size: int, cells: int, rng: np.random.Generator, noise: _Noise) -> np.ndarray:
    """(H, W) int32 from 1: Voronoi cells of uneven size with wavy borders."""
    from scipy.spatial import cKDTree

    y, x = np.mgrid[:size, :size].astype(np.float32)
    wave_y = y + 7 * noise.smooth(28) + 2.2 * noise.smooth(9)
    wave_x = x + 7 * noise.smooth(28) + 2.2 * noise.smooth(9)
    # Crowds of small neurites between large ones: seeds gather where a smooth field is high.
    candidates = rng.uniform(-0.05 * size, 1.05 * size, (cells * 6, 2))
    density = noise.smooth(size / 7)
    inside = np.clip(candidates.astype(int), 0, size - 1)
    chance = np.exp(1.3 * density[inside[:, 0], inside[:, 1]])
    chosen = rng.choice(len(candidates), cells, replace=False, p=chance / chance.sum())
    stretched = np.stack([wave_y, wave_x], -1).reshape(-1, 2)
    _, nearest = cKDTree(candidates[chosen]).query(stretched)
    return (nearest.reshape(size, size) + 1).astype(np.int32)


def _draw_mitochondrion(
    image: np.ndarray, inner: np.ndarray, rng: np.random.Generator, noise: _Noise
) -> None:
    """A dark oval with a double outline and stripes (cristae), where there is room for it."""
    size = len(image)
    candidates = np.argwhere(inner > 17)
    if not len(candidates):
        return
    cy, cx = candidates[rng.integers(len(candidates))]
    length = rng.uniform(12, min(34.0, inner[cy, cx] - 2))
    stretch, angle = rng.uniform(0.5, 0.8), rng.uniform(0, np.pi)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
    across = ((y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)) / stretch
    edge = (1 + 0.06 * noise.smooth(10)) - np.hypot(along, across) / length  # > 0 inside
    body = 1 / (1 + np.exp(-np.clip(edge * length * 0.9, -30, 30)))
    rim = np.exp(-np.square(edge * length / 1.6))
    cristae = np.clip(np.sin(along * 1.05 + 2.2 * noise.smooth(9)), 0, 1)
    image -= body * (0.16 + 0.22 * cristae) + 0.16 * rim


def _draw_vesicle(image: np.ndarray, inner: np.ndarray, rng: np.random.Generator) -> None:
    """A small ring."""
    size = len(image)
    cy, cx = rng.integers(6, size - 6, 2)
    if inner[cy, cx] < 5:
        return
    radius = rng.uniform(1.6, 3.0)
    y, x = np.mgrid[-6:7, -6:7]
    ring = np.exp(-np.square((np.hypot(y, x) - radius) / 0.8))
    image[cy - 6 : cy + 7, cx - 6 : cx + 7] -= 0.13 * ring * rng.uniform(0.4, 1)


def _to_bytes(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(255 * image), 0, 255).astype(np.uint8)
