"""Draws nuclei: bright under fluorescence, dark and coloured in a stained section."""

from dataclasses import dataclass

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
        inside = _Ellipse.draw(size, (0.025, 0.05), rng).inside(y, x, noise.smooth(8))
        inside &= instances == 0
        instances[inside] = index
        image[inside] = rng.uniform(0.25, 0.8)
    image = image * (1 + 0.12 * noise.smooth(3))
    image = ndimage.gaussian_filter(image, 1.0) + 0.012 * rng.normal(size=image.shape)
    label = (instances > 0).astype(np.uint8)
    return Drawing(to_bytes(image), label, instances, {"0": "background", "1": "nucleus"})


def stained_nuclei(
    size: int = 512, nuclei: int = 220, seed: int = 0, brown: float = 0.4, eosin: float = 0.0
) -> Drawing:
    """A section of tissue in bright field, (size, size, 3) uint8: nuclei blue of haematoxylin, a
    share of them brown of DAB as in immunohistochemistry, many touching.

    Classes: 0 background, 1 nucleus.

    Args:
        size: Side of the picture, pixels.
        nuclei: Number of nuclei that are placed; one that is mostly covered by others is left out.
        seed: The same seed gives the same picture.
        brown: Share of the nuclei that are brown.
        eosin: How pink the tissue is; 0.15 is usual where there is no brown (H&E).
    """
    rng = np.random.default_rng(seed)
    noise = Noise(size, rng)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    tissue, wave = _tissue(noise), noise.smooth(5)
    instances = np.zeros((size, size), np.int32)
    stains = tissue[..., None] * (0.16, eosin, 0.05 * (brown > 0))  # haematoxylin, eosin, DAB
    for _ in range(nuclei):
        ellipse = _Ellipse.draw(size, (0.013, 0.026), rng)
        here = ellipse.window
        inside = ellipse.inside(y[here], x[here], wave[here])
        free = inside & (instances[here] == 0)
        if free.sum() < max(0.7 * inside.sum(), 1) or tissue[here].mean() < 0.5:
            continue
        instances[here][free] = instances.max() + 1
        dab = rng.uniform(0.4, 1.1) if rng.random() < brown else 0
        stains[here][free] = (rng.uniform(0.55, 1.0) * (0.2 if dab else 1), eosin / 2, dab)
    label = (instances > 0).astype(np.uint8)
    image = _through(stains, instances, noise) + 0.008 * rng.normal(size=stains.shape)
    return Drawing(to_bytes(image), label, instances, {"0": "background", "1": "nucleus"})


@dataclass(frozen=True, eq=False)
class _Ellipse:
    """Where a nucleus is, in pixels; its angle in radians."""

    center: np.ndarray  # y, x
    radius: float
    stretch: float
    angle: float

    @classmethod
    def draw(cls, size: int, radii: tuple[float, float], rng: np.random.Generator) -> "_Ellipse":
        """Draws one anywhere in a picture; `radii` in sides of the picture."""
        center, radius = rng.uniform(0, size, 2), rng.uniform(*radii) * size
        return cls(center, radius, rng.uniform(0.65, 1), rng.uniform(0, np.pi))

    @property
    def window(self) -> tuple[slice, slice]:
        """The part of a picture that it is in, with its waves."""
        reach = int(1.4 * self.radius) + 2
        y, x = self.center.astype(int)
        return slice(max(y - reach, 0), y + reach), slice(max(x - reach, 0), x + reach)

    def inside(self, y: np.ndarray, x: np.ndarray, wave: np.ndarray) -> np.ndarray:
        """Which of these pixels are inside of its outline, which `wave` makes wavy."""
        dy, dx = y - self.center[0], x - self.center[1]
        along = dx * np.cos(self.angle) + dy * np.sin(self.angle)
        across = (dy * np.cos(self.angle) - dx * np.sin(self.angle)) / self.stretch
        return along**2 + across**2 < (self.radius * (1 + 0.06 * wave)) ** 2


def _tissue(noise: Noise) -> np.ndarray:
    """How dense the tissue is between the nuclei: fibres, and gaps of bare glass."""
    fibres = 1 + 0.3 * noise.smooth(2) + 0.2 * noise.smooth(6)
    gaps = 1 / (1 + np.exp(-8 * (noise.smooth(25) + 1.2)))
    return np.clip(fibres, 0, None) * gaps


def _through(stains: np.ndarray, instances: np.ndarray, noise: Noise) -> np.ndarray:
    """Computes the light that comes through stains (Beer and Lambert): (H, W, 3), 0 to 1."""
    from scipy import ndimage
    from skimage.color import rgb_from_hed

    chromatin = 1 + np.where(instances, 0.16 * noise.smooth(1.2) + 0.12 * noise.smooth(2.5), 0)
    stains = ndimage.gaussian_filter(stains * chromatin[..., None], (0.9, 0.9, 0))
    return 0.94 * np.exp(-1.6 * np.clip(stains, 0, None) @ rgb_from_hed)
