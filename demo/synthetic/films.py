"""Draws films of cells that crawl, grow, divide, touch, leave and enter, with their tracks.

The cells are ellipses that push each other apart. How they live is the same in all films; a look
says what form they have, and how a microscope shows them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from .drawing import Noise, to_bytes

MARGIN = (
    1.5  # cells live in a dish that is larger than the picture, on each side by so many lengths
)
VISIBLE = 0.2  # of a young cell's area; less of a cell in the picture is not seen
PUSHES = 8  # rounds a frame, in which cells that overlap are pushed apart
CLOSE = 0.97  # of the distance at which two ellipses touch; nearer ones are pushed


@dataclass(frozen=True, eq=False)
class Film:
    """A film and its truth.

    frames: (T, H, W) uint8. labels: (T, H, W) int32, the track of each pixel, 0 for none.
    tracks: (n, 4) int64, a row a track: id, first frame, last frame, parent or 0, as in the files
    of the Cell Tracking Challenge. A cell that comes back into the picture is a new track.
    """

    frames: np.ndarray
    labels: np.ndarray
    tracks: np.ndarray


@dataclass(frozen=True)
class _Look:
    """radius: of a young cell, pixels; stretch: its length by its width; sideways: how much of its
    growth makes it wider; speed: pixels a frame."""

    radius: float
    stretch: float
    sideways: float
    speed: float
    show: Callable[["_Scene", "_Stage"], np.ndarray]


@dataclass(frozen=True, eq=False)
class _Cell:
    track: int
    center: np.ndarray  # y, x in pixels of the picture
    velocity: np.ndarray
    angle: float  # radians
    half_length: float
    half_width: float
    grown: float  # 1 for a young cell, 2 for one that divides
    bright: float

    def axis(self) -> np.ndarray:
        return np.array([np.sin(self.angle), np.cos(self.angle)])

    def reach(self, direction: np.ndarray) -> float:
        """How far the cell reaches in a direction of length 1."""
        along = direction @ self.axis()
        across = np.sqrt(max(0.0, 1 - along**2))
        return 1 / np.hypot(along / self.half_length, across / self.half_width)


@dataclass(frozen=True, eq=False)
class _Scene:
    """What lies where in a frame, (H, W) each: tracks, heights from 0 to 1, brightness."""

    labels: np.ndarray
    height: np.ndarray
    bright: np.ndarray


@dataclass(frozen=True, eq=False)
class _Stage:
    """What all frames of a film share: its ground, and where the noise comes from."""

    ground: np.ndarray  # (H, W), of unit variance
    rng: np.random.Generator


def film(
    look: str = "fluorescence",
    frames: int = 30,
    size: int = 256,
    cells: int = 16,
    seed: int = 0,
    life: float | None = 20,
    speed: float = 1.0,
    shake: float = 0.0,
) -> Film:
    """Draws a film of living cells, (frames, size, size).

    Args:
        look: "fluorescence" (bright nuclei), "phase" (rods with halos) or "dic" (large cells in
            relief).
        cells: How many there are at first, in and around the picture.
        seed: The same seed gives the same film.
        life: Frames from a cell's birth to its division; None for cells that neither grow nor
            divide.
        speed: How fast the cells crawl; 1 is usual.
        shake: How far the picture jumps from frame to frame, pixels (standard deviation).
    """
    kind, rng = LOOKS[look], np.random.default_rng(seed)
    ground = Noise(size, rng).smooth(size / 8)
    stage = _Stage(ground, rng)
    dish = _Dish(kind, size, rng, life, speed)
    dish.populate(cells)
    pictures, labels = [], []
    for _ in range(frames):
        offset = rng.normal(0, shake, 2) if shake else np.zeros(2)
        scene = dish.scene(offset)
        pictures.append(to_bytes(kind.show(scene, stage)))
        labels.append(scene.labels)
        dish.live()
    return Film(np.stack(pictures), *_seen_tracks(np.stack(labels), dish.parents))


@dataclass
class _Dish:
    """The cells of a film, and how they live."""

    look: _Look
    size: int
    rng: np.random.Generator
    life: float | None
    speed: float
    cells: list[_Cell] = field(default_factory=list)
    parents: dict[int, int] = field(default_factory=dict)

    @property
    def margin(self) -> float:
        return 2 * MARGIN * self.look.radius * self.look.stretch

    def populate(self, count: int) -> None:
        for _ in range(count):
            grown = 2 ** self.rng.uniform(0, 1)
            center = self.rng.uniform(-self.margin, self.size + self.margin, 2)
            self._add(0, center, self.rng.uniform(0, np.pi), grown, self.rng.uniform(0.5, 1))
        self._push_apart()

    def _add(
        self, parent: int, center: np.ndarray, angle: float, grown: float, bright: float
    ) -> None:
        track = len(self.parents) + 1
        self.parents[track] = parent
        young = self.look.radius * np.sqrt([self.look.stretch, 1 / self.look.stretch])
        cell = _Cell(track, center, self.rng.normal(0, 1, 2), angle, *young, 1, bright)
        self.cells.append(self._larger(cell, grown))

    def _larger(self, cell: _Cell, by: float) -> _Cell:
        wider = by ** (self.look.sideways / 2)
        return replace(
            cell,
            half_length=cell.half_length * by / wider,
            half_width=cell.half_width * wider,
            grown=cell.grown * by,
        )

    def live(self) -> None:
        """A frame passes."""
        cells, self.cells = self.cells, []
        for cell in cells:
            if self.life and cell.grown >= 2:
                self._divide(cell)
            else:
                self.cells.append(self._crawl(cell))
        self._push_apart()

    def _divide(self, cell: _Cell) -> None:
        for side in (-1, 1):
            center = cell.center + side * 0.5 * cell.half_length * cell.axis()
            angle = cell.angle + self.rng.normal(0, 0.1)
            grown = cell.grown / 2 * np.exp(self.rng.normal(0, 0.04))
            self._add(cell.track, center, angle, grown, cell.bright)

    def _crawl(self, cell: _Cell) -> _Cell:
        velocity = 0.8 * cell.velocity + 0.6 * self.rng.normal(0, 1, 2)  # variance 1 each
        center = cell.center + self.look.speed * self.speed * velocity
        angle = cell.angle + self.rng.normal(0, 0.04)
        cell = replace(cell, center=center, velocity=velocity, angle=angle)
        if not self.life:
            return cell
        return self._larger(cell, 2 ** (self.rng.uniform(0.7, 1.3) / self.life))

    def _push_apart(self) -> None:
        for _ in range(PUSHES):
            for index, one in enumerate(self.cells):
                for later in range(index + 1, len(self.cells)):
                    other = self.cells[later]
                    between = other.center - self.cells[index].center
                    distance = np.hypot(*between)
                    if distance > one.half_length + other.half_length:
                        continue
                    direction = between / distance if distance else np.array([0.0, 1.0])
                    wanted = CLOSE * (one.reach(direction) + other.reach(direction))
                    push = max(0.0, wanted - distance) / 2 * direction
                    center = self.cells[index].center - push
                    self.cells[index] = replace(self.cells[index], center=center)
                    self.cells[later] = replace(other, center=other.center + push)

    def scene(self, offset: np.ndarray) -> _Scene:
        """Draws what is in the picture, moved by `offset`; where cells overlap, the nearer one."""
        shape = (self.size, self.size)
        labels, nearest = np.zeros(shape, np.int32), np.ones(shape)
        bright = np.zeros(shape)
        y, x = np.mgrid[: self.size, : self.size]
        for cell in self.cells:
            middle = cell.center + offset
            low = np.clip(middle - cell.half_length - 2, 0, self.size).astype(int)
            high = np.clip(middle + cell.half_length + 2, 0, self.size).astype(int)
            here = (slice(low[0], high[0]), slice(low[1], high[1]))
            dy, dx = y[here] - middle[0], x[here] - middle[1]
            axis = cell.axis()
            along, across = dy * axis[0] + dx * axis[1], dy * axis[1] - dx * axis[0]
            away = (along / cell.half_length) ** 2 + (across / cell.half_width) ** 2
            inside = away < nearest[here]
            labels[here][inside] = cell.track
            nearest[here][inside] = away[inside]
            bright[here][inside] = cell.bright
        areas = np.bincount(labels.ravel())
        small = areas < VISIBLE * np.pi * self.look.radius**2
        hidden = small[labels]
        labels[hidden], nearest[hidden], bright[hidden] = 0, 1, 0
        return _Scene(labels, np.sqrt(1 - nearest), bright)


def _seen_tracks(labels: np.ndarray, parents: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers the tracks as they are seen in the picture; returns labels and tracks of `Film`."""
    seen = np.zeros_like(labels)
    rows: list[list[int]] = []
    latest: dict[int, int] = {}  # cell -> its row, if it was in the frame before
    for frame, picture in enumerate(labels):
        cells = np.unique(picture[picture > 0]).tolist()
        sisters = [parents[cell] for cell in cells if cell not in latest]
        now: dict[int, int] = {}
        for cell in cells:
            mother = latest.get(parents[cell])
            if cell in latest:
                row = latest[cell]
            elif mother is not None and sisters.count(parents[cell]) == 1:
                row = mother  # the other daughter is out of the picture: nobody sees a division
            else:
                row = len(rows)
                rows.append([row + 1, frame, frame, 0 if mother is None else mother + 1])
            rows[row][2] = frame
            now[cell] = row
            seen[frame][picture == cell] = row + 1
        latest = now
    return seen, np.array(rows, np.int64).reshape(-1, 4)


def _fluorescence(scene: _Scene, stage: _Stage) -> np.ndarray:
    from scipy import ndimage

    light = scene.bright * (0.45 + 0.4 * scene.height) * (scene.height > 0)
    grain = 1 + 0.1 * ndimage.gaussian_filter(stage.rng.normal(size=light.shape), 1.5) * 4
    light = ndimage.gaussian_filter(light * grain, 1)
    return 0.08 + 0.01 * stage.ground + 0.8 * light + _noise(stage, 0.015, light)


def _phase(scene: _Scene, stage: _Stage) -> np.ndarray:
    from scipy import ndimage

    halo = ndimage.gaussian_filter(scene.height, 4) - scene.height
    picture = 0.55 + 0.02 * stage.ground + np.where(halo > 0, 0.45, 0.4) * halo
    return ndimage.gaussian_filter(picture, 0.7) + _noise(stage, 0.015, halo)


def _dic(scene: _Scene, stage: _Stage) -> np.ndarray:
    """Relief: the slope of the height from upper left to lower right, as of a light beside it."""
    from scipy import ndimage

    grain = ndimage.gaussian_filter(stage.rng.normal(size=scene.height.shape), 1.2)
    thick = ndimage.gaussian_filter(scene.height * (1 + 0.25 * grain), 1.2)
    slope = np.gradient(thick, axis=0) + np.gradient(thick, axis=1)
    return 0.5 + 0.02 * stage.ground + 1.1 * slope + _noise(stage, 0.02, slope)


def _noise(stage: _Stage, sigma: float, like: np.ndarray) -> np.ndarray:
    return sigma * stage.rng.normal(size=like.shape)


LOOKS = {
    "fluorescence": _Look(radius=8, stretch=1.25, sideways=1.0, speed=2.0, show=_fluorescence),
    "phase": _Look(radius=7, stretch=2.2, sideways=0.1, speed=1.5, show=_phase),
    "dic": _Look(radius=15, stretch=1.3, sideways=1.0, speed=2.5, show=_dic),
}
