"""`link`: objects of each frame to tracks, frame by frame, with SciPy and nothing else."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ..errors import ConfigError, how_to_install
from .assignment import cheapest
from .cells import Cells, cells_of
from .costs import centers_of, possible_accounts
from .frames import FrameObjects, KeptFrames, check_film, check_frame
from .joined import joined_pairs
from .late import divided_before
from .lone import with_lone_pairs
from .motion import motion_around, predicted_motion, usual_areas, usual_growth
from .splits import sisters_in, without_splits
from .tracks import Tracks
from .weights import checked_weights

LINKINGS = 3  # of two frames; what the first one finds says how objects move, for the next one
FEWEST = 3  # objects that say how those around them move


def link(
    labels: np.ndarray | Iterable[np.ndarray],
    *,
    divisions: float = 0.02,
    gaps: int = 2,
    max_distance: float = 1.5,
    position_spread: float = 0.4,
    area_spread: float = 0.2,
    overlap_weight: float = 3.0,
    turnover: float = 0.003,
    gap_cost: float = 1.0,
    register: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Tracks:
    """Links the objects of a film's frames to tracks, with divisions, and over gaps.

    From each frame to the next, the motion of every object is predicted: that of the whole
    picture by cross-correlation, then that of the objects around it. What became of all objects
    is chosen at once, as the cheapest account of all of them: each goes on as one object,
    divides into two, or vanishes; what is left is new. An object goes on where one lies near the
    predicted place, overlaps it, and is about as large; it divides where that is true of two
    objects taken together. So areas are conserved, but for the growth that is usual between the
    two frames.

    Two objects that a mask joins for up to `gaps` frames are the same two afterwards, and none of
    them has divided, see `joined_pairs`.

    An object that moves faster, over a part of the picture where nothing else is, is found up to
    four sizes away, see `lone_pairs`.

    Distances are in sizes of the object, and a size is the root of its area: the options fit any
    magnification. They hold for a film in which objects move, beyond the motion of those around
    them, by less than about half of their size a frame.

    Args:
        labels: (T, H, W) integers, or an iterable of frames (H, W), which are then kept
            compressed. 0 is no object; a number is an object of its frame, and means nothing in
            others.
        divisions: How often cells divide, as a share of the cells of a frame: 0.02 if a cell
            lives for 50 frames. 0 if they never do: no division is then ever found.
        gaps: Frames in which an object may be missing and still be the same afterwards.
        max_distance: Sizes; an object that has others around it is not farther away from its
            predicted place.
        position_spread: Sizes; usual distance from the predicted place.
        area_spread: Usual change of an area from a frame to the next, as a logarithm: 0.2 for
            about 20 %.
        overlap_weight: What it costs not to overlap the predicted place at all, as a negative
            logarithm of a probability.
        turnover: Chance that an object vanishes, or appears, in a frame, away from the border.
        gap_cost: What each missing frame costs, as a negative logarithm of a probability.
        register: Whether the motion of the whole picture is looked for.
        progress: Is called after each frame with the number of frames that are done.

    Returns:
        The tracks. Those of the first frames do not depend on what follows, but for two things. A
        division is taken back if its daughters are one object again after a frame or two, and do
        not part within `gaps` frames: then an object was in pieces. And it is moved a frame back if
        the mother was one of her daughters there already, see `divided_before`.

    Raises:
        ConfigError: There is one frame only, or an option is not usable.
        ShapeError: A frame is not (H, W), or frames differ in size.
        UnsupportedLayoutError: Labels are not integers, or negative.
    """
    linker = Linker(
        divisions=divisions,
        gaps=gaps,
        max_distance=max_distance,
        position_spread=position_spread,
        area_spread=area_spread,
        overlap_weight=overlap_weight,
        turnover=turnover,
        gap_cost=gap_cost,
        register=register,
    )
    check_film(labels)
    kept = None if isinstance(labels, Sequence | np.ndarray) else KeptFrames()
    for count, labelled in enumerate(labels, 1):
        frame = linker.add(labelled)
        if kept is not None:
            kept.append(frame)
        if progress:
            progress(count)
    return linker.tracks(labels if kept is None else kept)


class Linker:
    """Links frames as they come: `add` each, then ask for `tracks`. Options are those of `link`.

    Keeps the objects of the last frames, and a few numbers of all others.
    """

    def __init__(self, *, gaps: int = 2, register: bool = True, **weights: float) -> None:
        _check_packages()
        self._weights = checked_weights(weights)
        if isinstance(gaps, bool) or not isinstance(gaps, (int, np.integer)) or gaps < 0:
            raise ConfigError(f"gaps={gaps!r} is not a number of frames: 0, 1, 2 ...")
        self._gaps, self._register = int(gaps), bool(register)
        self._shape: tuple[int, int] | None = None
        self._cells = cells_of(np.zeros((1, 1), np.uint8))  # of the last frames, the latest first
        self._tracks = np.zeros(0, np.int64)  # of each of these cells
        self._missed = np.zeros(0, np.int64)  # frames in which each was not seen
        self._past = np.zeros((0, 2))  # areas of each before, as if in this frame; nan if unknown
        self._parent: list[int] = []
        self._first: list[int] = []
        self._last: list[int] = []
        self._frames: list[FrameObjects] = []
        self._merges: list[tuple[int, int, int]] = []  # see `without_splits`
        self._inside: dict[int, int] = {}  # tracks that are missed -> those that hold them

    def add(self, frame: np.ndarray) -> np.ndarray:
        """Links the next frame, (H, W) integers; returns it as an array. Raises as `link`."""
        frame = check_frame(frame, len(self._frames), self._shape)
        self._shape = frame.shape
        cells = cells_of(frame)
        expected, growth, source, targets, swallowed = self._choose(cells)
        divides = targets[:, 1] >= 0
        tracks = np.zeros(len(cells), np.int64)
        tracks[targets[~divides, 0]] = self._tracks[source[~divides]]
        parents = np.zeros(len(cells), np.int64)
        parents[targets[divides]] = self._tracks[source[divides], None]
        for index in np.flatnonzero(tracks == 0).tolist():
            tracks[index] = self._begin(int(parents[index]))
        for track in tracks.tolist():
            self._last[track - 1] = len(self._frames)
        self._frames.append(FrameObjects(cells.ids, tracks, cells.areas, cells.centers))
        gone = np.ones(len(expected), bool)
        gone[source] = False
        past = np.full((len(cells), 2), np.nan)
        same = (targets[~divides, 0], source[~divides])
        past[same[0]] = np.stack([expected.areas, self._past[:, 0]], 1)[same[1]] * np.exp(growth)
        self._hold(cells, expected, growth, *same, swallowed[~divides], past)
        merged = swallowed >= 0
        # Both may be there again in the next frame, as they were before.
        past[targets[merged, 0]] = expected.areas[source[merged], None]
        for pair in zip(source[merged], swallowed[merged], strict=True):
            kept, other = self._tracks[list(pair)].tolist()
            self._merges.append((kept, other, len(self._frames) - 1))
        self._keep(cells, tracks, past, expected, gone)
        return frame

    def _hold(
        self,
        cells: Cells,
        expected: Cells,
        growth: float,
        target: np.ndarray,
        source: np.ndarray,
        swallowed: np.ndarray,
        past: np.ndarray,
    ) -> None:
        """Remembers which objects are two cells, and what is usual for them: their areas before.

        source, target, swallowed: (s,) of objects that went on as one. past: (m, 2), is changed.
        """
        there = set(self._tracks[source].tolist())
        holding = {
            holder for lost, holder in self._inside.items() if lost not in there and holder in there
        }
        holds = np.array([track in holding for track in self._tracks[source].tolist()], bool)
        past[target[holds]] = self._past[source[holds]] * np.exp(growth)
        seen = self._missed == 0
        seen[swallowed[swallowed >= 0]] = False
        alone = swallowed < 0
        lost, other = joined_pairs(expected, cells, self._shape, seen, source[alone], target[alone])
        into = np.full(len(expected), -1)
        into[source] = target
        rows = past[into[other]]  # of one that was new, the area before it held another is known
        usual = expected.areas[other][:, None] * np.exp(growth)
        past[into[other]] = np.where(np.isnan(rows), usual, rows)
        missed = set(self._tracks[self._missed > 0].tolist())
        self._inside = {
            one: holder
            for one, holder in self._inside.items()
            if holder in holding and one in missed
        } | dict(zip(self._tracks[lost].tolist(), self._tracks[other].tolist(), strict=True))

    def _choose(self, cells: Cells) -> tuple[Cells, float, np.ndarray, np.ndarray, np.ndarray]:
        """Chooses what became of the objects before.

        Returns them at their expected places, their usual growth, the indices (k,) of those that
        are there, the indices (k, 2) into `cells` of what they are now: one object and -1, or two;
        and the indices (k,) of those that they have swallowed, or -1.
        """
        before, shape = self._cells, self._shape
        seen = self._tracks[self._missed == 0]  # they come first
        sisters = sisters_in(seen, self._parent, self._first, len(self._frames))
        larger = before.areas[sisters].argsort(1)[:, ::-1]
        sisters = np.take_along_axis(sisters, larger, 1)
        motion = predicted_motion(before, cells, shape, self._register)
        pairs: tuple[np.ndarray, ...] = ()
        for _ in range(LINKINGS):
            expected = before.moved(motion)
            growth = usual_growth(expected, cells, shape)
            usual = usual_areas(expected.areas, self._past) * np.exp(growth * (1 + self._missed))
            accounts = possible_accounts(
                expected, cells, shape, self._missed, usual, sisters, self._weights
            )
            chosen = cheapest(accounts)
            earlier, pairs = pairs, (accounts.source[chosen], accounts.targets[chosen])
            swallowed = accounts.swallowed[chosen]
            whole = swallowed < 0
            if whole.sum() < FEWEST or (earlier and all(map(np.array_equal, earlier, pairs))):
                break
            places = centers_of(cells, pairs[1][whole])
            motion = motion_around(before.centers, pairs[0][whole], places)
        chosen = with_lone_pairs(
            expected, cells, self._missed, *pairs, swallowed, self._weights.max_distance
        )
        return expected, growth, *chosen

    def tracks(self, labels: Sequence[np.ndarray] | np.ndarray) -> Tracks:
        """Returns the tracks. labels: the frames that were added, for masks in track ids.

        Raises:
            ConfigError: Fewer than two frames were added.
        """
        if len(self._frames) < 2:
            raise ConfigError(
                f"The film has {len(self._frames)} frames, and at least two can be linked. "
                "Objects of a single picture need no tracks."
            )
        parent, first, last = (
            np.array(values, np.int64) for values in (self._parent, self._first, self._last)
        )
        found = without_splits(self._frames, parent, first, last, self._merges)
        frames, *columns = divided_before(*found)
        ids = np.arange(1, len(columns[0]) + 1)
        return Tracks(ids, *columns, frames, self._shape, labels)

    def _begin(self, parent: int) -> int:
        """Begins a track with the next frame; returns its id."""
        self._parent.append(parent)
        self._first.append(len(self._frames))
        self._last.append(len(self._frames))
        return len(self._parent)

    def _keep(
        self,
        cells: Cells,
        tracks: np.ndarray,
        past: np.ndarray,
        expected: Cells,
        gone: np.ndarray,
    ) -> None:
        """Keeps what the next frame is compared with: the last cells, and those that are missed."""
        missed = self._missed + 1
        inside = ((expected.centers >= 0) & (expected.centers < self._shape)).all(1)
        gone = gone & inside & (missed <= self._gaps)
        self._cells = cells.join(expected.take(gone))
        self._tracks = np.concatenate([tracks, self._tracks[gone]])
        self._past = np.concatenate([past, self._past[gone]])
        self._missed = np.concatenate([np.zeros(len(cells), np.int64), missed[gone]])


def _check_packages() -> None:
    """Raises `ConfigError` if a package that links objects is missing."""
    try:
        import scipy.spatial  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"Objects are linked with the package {error.name}, which is not installed. "
            + how_to_install("objects")
        ) from error
