"""Draws living cells as a phase-contrast microscope shows them.

Each cell is a height, and the picture is the height minus its own blurred version: flat parts are
as gray as the ground, edges are dark inside and have a bright halo outside. That is what phase
contrast does to a thick object.
"""

from dataclasses import dataclass

import numpy as np

from .drawing import Drawing, Noise

GROUND = 0.485  # gray of the ground; 1 is the brightest of 16 bits
RIM = 1.2  # px; people draw the outline on the halo, so far outside of the dark edge
WINDOW = 64  # px, half the side of the square in which a cell is drawn
GAP = 4  # px; at least so far are cells apart that do not touch


@dataclass(frozen=True)
class _Kind:
    """A form of cell: pointed tips with hollow sides between them. Pairs are ranges."""

    share: float
    tips: tuple[int, int]
    reach: tuple[float, float]  # px, from the middle to a tip
    waist: tuple[float, float]  # px, towards which the sides between the tips are bent
    stretch: tuple[float, float]  # length by width
    height: tuple[float, float]
    steep: tuple[float, float]  # px from the edge to most of the height
    grain: float  # of what is inside


KINDS = (
    _Kind(0.58, (3, 7), (18, 36), (4, 17), (1.1, 2.6), (0.4, 1.2), (0.8, 2.0), 1.0),  # spread
    _Kind(0.35, (2, 5), (18, 32), (5, 13), (1.5, 3.5), (0.8, 2.8), (1.0, 2.5), 0.6),  # elongated
    _Kind(0.07, (12, 13), (7, 9), (7, 9), (1.0, 1.2), (-2.2, -1.2), (1.0, 2.0), 1.0),  # round
)


@dataclass(frozen=True, eq=False)
class _Dish:
    """The cells so far: their ids, their heights, and how grainy they are, (H, W) each."""

    instances: np.ndarray
    height: np.ndarray
    grain: np.ndarray

    def cut(self, window: tuple[slice, slice]) -> "_Dish":
        """Returns a window of it, which shares its memory."""
        return _Dish(self.instances[window], self.height[window], self.grain[window])


def phase_contrast(
    size: int = 512,
    cells: int = 60,
    seed: int = 0,
    touching: float = 0.25,
    halo: float = 1.0,
    body: float = 1.0,
) -> Drawing:
    """Living cells on glass under phase contrast, (size, size) uint16, some touching.

    Classes: 0 background, 1 cell.

    Args:
        size: Side of the picture, pixels.
        cells: Number of cells that are placed as long as there is room.
        seed: The same seed gives the same picture.
        touching: Share of the cells that are placed beside another.
        halo: Contrast of the halos and edges; 1 is usual.
        body: Contrast of what is inside the cells; 1 is usual.
    """
    rng = np.random.default_rng(seed)
    noise = Noise(size, rng)
    with_border = (size + 2 * WINDOW, size + 2 * WINDOW)  # cells may stick out of the picture
    dish = _Dish(np.zeros(with_border, np.int32), *np.zeros((2, *with_border), np.float32))
    for _ in range(cells):
        _place_cell(dish, rng, rng.random() < touching)
    dish = dish.cut((slice(WINDOW, -WINDOW), slice(WINDOW, -WINDOW)))
    dish.height[:] += _debris(size, rng, noise)
    image = _seen(dish, noise, halo, body)
    image += _uneven_ground(size, rng, noise) + 0.005 * rng.normal(size=image.shape)
    # Numbered anew, since a cell may be out of the picture.
    instances = np.unique(dish.instances, return_inverse=True)[1].reshape(size, size)
    return Drawing(
        np.clip(np.rint(65535 * image), 0, 65535).astype(np.uint16),
        (instances > 0).astype(np.uint8),
        instances.astype(np.int32),
        {"0": "background", "1": "cell"},
    )


def _seen(dish: _Dish, noise: Noise, halo: float, body: float) -> np.ndarray:
    """Computes what the microscope shows of heights, without the ground's own unevenness."""
    from scipy import ndimage

    height = dish.height
    edges = 0.3 * (ndimage.gaussian_filter(height, 2) - height)
    edges += 0.06 * (ndimage.gaussian_filter(height, 6) - height)
    # A halo is brighter than the edge is dark, and brighter on one side of a cell.
    bright = 2.0 * np.clip(1 + 0.45 * noise.smooth(9), 0.3, 2)
    edges *= np.where(edges > 0, bright, 0.8)
    grain = dish.grain * (0.25 + noise.smooth(0.7) + 0.5 * noise.smooth(1.4))
    return GROUND + ndimage.gaussian_filter(halo * edges + 0.065 * body * grain, 0.6)


def _place_cell(dish: _Dish, rng: np.random.Generator, beside: bool) -> None:
    """Adds a cell where there is room: beside another or away from all. Gives up after a while."""
    from scipy import ndimage

    kind = KINDS[rng.choice(len(KINDS), p=[kind.share for kind in KINDS])]
    shape = _shape(kind, rng)
    near = ndimage.binary_dilation(shape, iterations=GAP)
    side = len(dish.instances) - 2 * WINDOW
    for _ in range(300):
        top, left = rng.integers(0, side, 2)
        here = dish.cut((slice(top, top + len(shape)), slice(left, left + len(shape))))
        taken = here.instances > 0
        overlap = (taken & shape).sum() / shape.sum()
        if 0.01 < overlap < 0.08 if beside else not (taken & near).any():
            cell = _largest_piece(shape & ~taken)
            here.instances[cell] = dish.instances.max() + 1
            _add_height(here, cell, kind, rng)
            return


def _largest_piece(mask: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    pieces, _ = ndimage.label(mask)
    return pieces == np.bincount(pieces[mask]).argmax()


def _shape(kind: _Kind, rng: np.random.Generator) -> np.ndarray:
    """Draws a cell's shape: (2 WINDOW + 1, 2 WINDOW + 1) bool, the cell in the middle."""
    from skimage.draw import polygon2mask

    outline = _outline(kind, rng)
    stretch = np.sqrt(rng.uniform(*kind.stretch))
    along, across = outline.real * stretch, outline.imag / stretch
    across = across + rng.normal(0, 0.006) * along**2  # bent a little
    outline = np.exp(1j * rng.uniform(0, np.pi)) * (along + 1j * across)
    ragged = rng.normal(0, 0.3, (2, len(outline)))
    corners = np.stack([outline.imag, outline.real]) + ragged + WINDOW
    return _largest_piece(polygon2mask((2 * WINDOW + 1, 2 * WINDOW + 1), corners.T))


def _outline(kind: _Kind, rng: np.random.Generator) -> np.ndarray:
    """Draws tips, with a quadratic Bezier curve from each to the next: complex, x + iy, in px."""
    tips = rng.integers(*kind.tips)
    turns = 2 * np.pi * (np.arange(tips) + rng.uniform(-0.22, 0.22, tips)) / tips
    between = turns + np.pi * (1 + rng.uniform(-0.2, 0.2, tips)) / tips
    points = rng.uniform(*kind.reach, tips) * np.exp(1j * turns)
    bends = rng.uniform(*kind.waist, tips) * np.exp(1j * between)
    t = np.linspace(0, 1, 24, endpoint=False)[:, None]
    sides = (1 - t) ** 2 * points + 2 * t * (1 - t) * bends + t**2 * np.roll(points, -1)
    return sides.T.ravel()


def _add_height(dish: _Dish, cell: np.ndarray, kind: _Kind, rng: np.random.Generator) -> None:
    """Adds a cell's height, and how grainy it is."""
    from scipy import ndimage

    depth = np.maximum(ndimage.distance_transform_edt(cell) - RIM, 0)
    profile = 1 - np.exp(-depth / rng.uniform(*kind.steep))
    if kind.height[0] < 0:  # so high that the phase wraps: a bright ring
        profile = np.exp(-(((depth - 2) / 1.6) ** 2))
    dish.height[cell] += rng.uniform(*kind.height) * profile[cell]
    y, x = np.mgrid[: len(cell), : len(cell)]
    cy, cx = np.unravel_index(depth.argmax(), depth.shape)
    away = np.hypot(y - cy, x - cx) / max(0.55 * depth.max(), 1)  # in radii of the nucleus
    smooth = 1 - 0.6 * np.exp(-(away**4))  # the nucleus is
    dish.grain[cell] = (kind.grain * rng.uniform(0.7, 1.3) * smooth * np.minimum(depth / 3, 1))[
        cell
    ]
    # Nucleoli in the nucleus, and vesicles around it: dark, some of them bright.
    chance = (np.exp(-away / 0.8) * np.where(cell, depth + 0.01, 0)).ravel()
    places = rng.choice(chance.size, rng.integers(4, 22), p=chance / chance.sum())
    dots = np.zeros(cell.shape)
    np.add.at(dots.ravel(), places, rng.choice([1.0, 1.0, 1.0, -0.5], len(places)))
    dish.height[:] += 4 * ndimage.gaussian_filter(dots, 0.7)


def _debris(size: int, rng: np.random.Generator, noise: Noise) -> np.ndarray:
    """Heights of small dense specks and shreds everywhere."""
    from scipy import ndimage

    specks = np.zeros((size, size), np.float32)
    count = size * size // 1200
    y, x = rng.integers(0, size, (2, count))
    specks[y, x] = rng.exponential(1.5, count) * rng.choice([1, 1, 1, -0.7], count)
    shreds = np.maximum(noise.smooth(0.8) + noise.smooth(5) - 2.9, 0)
    return ndimage.gaussian_filter(specks, 0.7) + 0.35 * shreds


def _uneven_ground(size: int, rng: np.random.Generator, noise: Noise) -> np.ndarray:
    """Uneven light, dust far from the focus, which is seen as faint rings, and soft noise."""
    ground = 0.004 * noise.smooth(60) + 0.003 * noise.smooth(8)
    ground += 0.003 * noise.smooth(3) + 0.006 * noise.smooth(0.8)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    for _ in range(6):
        cy, cx = rng.uniform(0, size, 2)
        off = (np.hypot(y - cy, x - cx) - rng.uniform(10, 45)) / rng.uniform(2, 5)
        ground += rng.uniform(-0.01, 0.01) * np.exp(-(off**2))
    return ground
