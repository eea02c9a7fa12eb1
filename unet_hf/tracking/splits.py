"""Divisions that were none: an object in pieces for a frame or two, and then one again."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .frames import FrameObjects

PIECES = 2  # frames, for which an object may be in pieces; sisters that live longer are cells


def sisters_in(
    tracks: np.ndarray, parent: Sequence[int], first: Sequence[int], now: int
) -> np.ndarray:
    """Finds pairs of sisters that were born at most `PIECES` frames ago, (s, 2) indices.

    tracks: (n,) of the objects. parent, first: Of all tracks, whose ids count from 1. now: A frame.
    """
    born: dict[int, list[int]] = {}
    for index, track in enumerate(tracks.tolist()):
        if parent[track - 1] and now - first[track - 1] <= PIECES:
            born.setdefault(parent[track - 1], []).append(index)
    pairs = [pair for pair in born.values() if len(pair) == 2]
    return np.array(pairs, np.int64).reshape(-1, 2)


def without_splits(
    frames: Sequence[FrameObjects],
    parent: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    merges: Sequence[tuple[int, int, int]],
) -> tuple[tuple[FrameObjects, ...], np.ndarray, np.ndarray, np.ndarray]:
    """Takes back divisions whose daughters became one object, and did not part again.

    The daughter that went on is then the mother herself, and the other one a piece of her: a track
    without a parent. Returns frames, parents, first and last frames; ids again count from 1.

    merges: The track that went on, the one that was swallowed, and the frame; in order of time.
    """
    parent, last = parent.copy(), last.copy()
    same = np.arange(len(parent) + 1)  # id -> the id that it is found to be
    for kept, swallowed, frame in merges:
        mother = same[parent[kept - 1]]
        if not mother or mother != same[parent[swallowed - 1]] or last[swallowed - 1] >= frame:
            continue
        same[same == kept] = mother
        last[mother - 1] = max(last[mother - 1], last[kept - 1])
        parent[swallowed - 1] = 0
    stays = same[1:] == np.arange(1, len(same))
    number = np.concatenate([[0], np.cumsum(stays)])[same]
    frames = tuple(replace(one, tracks=number[one.tracks]) for one in frames)
    return frames, number[parent][stays], first[stays], last[stays]
