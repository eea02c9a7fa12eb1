"""Draws tissue as an electron microscope shows it."""

import numpy as np

from .drawing import Drawing, Noise, to_bytes


def electron_micrograph(size: int = 512, cells: int = 90, seed: int = 0) -> Drawing:
    """Tissue as a transmission electron microscope shows it: pale cells of all sizes, dark
    membranes, mitochondria, vesicles, uneven stain and grain. Classes: 0 membrane, 1 cell."""
    from scipy import ndimage
    from skimage.segmentation import find_boundaries

    rng = np.random.default_rng(seed)
    noise = Noise(size, rng)
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
        to_bytes(image), label, np.where(label, instances, 0), {"0": "membrane", "1": "cell"}
    )


def _cells(size: int, cells: int, rng: np.random.Generator, noise: Noise) -> np.ndarray:
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
    image: np.ndarray, inner: np.ndarray, rng: np.random.Generator, noise: Noise
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
