"""Divisions of which one daughter was missing in the first frame: they are found a frame late."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .frames import FrameObjects

LOST = 0.75  # of its area at most has an object that is one daughter alone
ALIKE = 0.25  # difference of the logarithms of areas, up to which they are the same


def divided_before(
    frames: Sequence[FrameObjects], parent: np.ndarray, first: np.ndarray, last: np.ndarray
) -> tuple[tuple[FrameObjects, ...], np.ndarray, np.ndarray, np.ndarray]:
    """Moves divisions a frame back, where the mother was one of her daughters already.

    Where a daughter is missing, the mother seems to lose half of her area, and to go on as the
    other one. In the next frame both daughters are there, and have all of her area: so she divided
    when she lost it. The object of the frame between is that of the daughter nearest to it.

    Returns frames, parents, first and last frames. Ids count from 1 in the order in which tracks
    begin, before and after.
    """
    tracks = [one.tracks for one in frames]
    first, last = first.copy(), last.copy()
    sisters: dict[int, list[int]] = {}
    for index, mother in enumerate(parent.tolist()):
        sisters.setdefault(mother, []).append(index + 1)
    sisters.pop(0, None)
    for mother, daughters in sisters.items():
        between = int(last[mother - 1])
        if len(daughters) != 2 or any(first[one - 1] != between + 1 for one in daughters):
            continue
        before = _objects(frames, between - 1, [mother]) if between else None
        alone = _objects(frames, between, [mother])
        after = _objects(frames, between + 1, daughters)
        if before is None or alone is None or after is None:
            continue
        nearest = _only_daughter(before, alone, after)
        if nearest is None:
            continue
        tracks[between] = np.where(tracks[between] == mother, daughters[nearest], tracks[between])
        first[daughters[nearest] - 1], last[mother - 1] = between, between - 1
    order = np.argsort(first, kind="stable")
    number = np.zeros(len(first) + 1, np.int64)
    number[order + 1] = np.arange(1, len(first) + 1)
    found = tuple(replace(one, tracks=number[own]) for one, own in zip(frames, tracks, strict=True))
    return found, number[parent][order], first[order], last[order]


Objects = tuple[np.ndarray, np.ndarray]  # areas (n,), and centres (n, 2)


def _objects(frames: Sequence[FrameObjects], frame: int, tracks: list[int]) -> Objects | None:
    """Areas and centres of tracks in a frame; None unless all of them are there."""
    objects = frames[frame]
    index = [int(one) for track in tracks for one in np.flatnonzero(objects.tracks == track)]
    return (objects.areas[index], objects.centers[index]) if len(index) == len(tracks) else None


def _only_daughter(before: Objects, alone: Objects, after: Objects) -> int | None:
    """Which of the daughters, 0 or 1, the mother was already; None: she was not."""
    (whole,), ((area,), (center,)) = before[0], alone
    areas, centers = after
    distances = np.linalg.norm(centers - center, axis=1)
    nearest = int(distances.argmin())
    middle = (centers * areas[:, None]).sum(0) / areas.sum()
    is_daughter = (
        area < LOST * whole
        and abs(np.log(areas.sum() / whole)) < ALIKE
        and abs(np.log(areas[nearest] / area)) < ALIKE
        and distances[nearest] < np.linalg.norm(middle - center)
    )
    return nearest if is_daughter else None
