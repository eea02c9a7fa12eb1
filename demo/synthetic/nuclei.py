"""Draws nuclei: bright under fluorescence, dark and coloured in a stained section."""

import numpy as np

from .drawing import Drawing, Noise, to_bytes


def fluorescence_nuclei(size: int = 256, nuclei: int = 30, seed: int = 0) -> Drawing:
    """Bright nuclei on a dark ground, some touching. Classes: 0 background, 1 nucleus."""
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    noise = Noise(size, rng)
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
    return Drawing(to_bytes(image), label, instances, {"0": "background", "1": "nucleus"})
