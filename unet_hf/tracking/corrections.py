"""`corrected`: links of tracks cut and joined by hand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from operator import index as whole
from typing import Any

import numpy as np

from ..errors import ConfigError
from .frames import FrameObjects

MOST_DAUGHTERS = 2
KINDS = {"join": ("from", "to"), "cut": ("object",)}  # of an edit, and the objects that it names
EXPECTED = (
    'Expected: {"kind": "join", "from": [frame, object], "to": [frame, object]} or '
    '{"kind": "cut", "object": [frame, object]}.'
)


def corrected(
    frames: Sequence[FrameObjects],
    ids: np.ndarray,
    parents: np.ndarray,
    edits: Iterable[Mapping[str, Any]],
) -> tuple[tuple[FrameObjects, ...], np.ndarray, np.ndarray]:
    """Returns frames, ids and parents after edits, see `Tracks.corrected`. ids: (n,), ascending."""
    if not isinstance(edits, Iterable) or isinstance(edits, (str, Mapping)):
        raise ConfigError(f"The edits are {edits!r:.100}, which is no list. {EXPECTED}")
    links = _Links(frames, dict(zip(ids.tolist(), parents.tolist(), strict=True)))
    for number, edit in enumerate(edits, 1):
        links.apply(edit, number)
    of_object, parent_of = links.numbered()
    pieces = np.split(of_object, links.begins[1:-1])
    found = tuple(
        replace(objects, tracks=tracks) for objects, tracks in zip(frames, pieces, strict=True)
    )
    new = sorted(parent_of)
    return found, np.array(new, np.int64), np.array([parent_of[one] for one in new], np.int64)


class _Links:
    """The objects of all frames in one row, each with the one that it was before.

    begins: (T + 1,) where each frame begins in the row, and where the last one ends.
    frame: (n,) of each object. before: (n,) an index into the row, or -1.
    """

    def __init__(self, frames: Sequence[FrameObjects], mothers: Mapping[int, int]) -> None:
        self._frames = frames
        counts = [len(objects.ids) for objects in frames]
        self.begins = np.concatenate([[0], np.cumsum(counts)])
        self.frame = np.repeat(np.arange(len(counts)), counts)
        self._old = np.concatenate([objects.tracks for objects in frames])
        self.before = np.full(len(self._old), -1)
        last = dict.fromkeys(mothers, -1)
        for index, track in enumerate(self._old.tolist()):
            before = last[track]
            if before < 0 and mothers[track]:
                before = last[mothers[track]]  # which has ended: its row is complete
            self.before[index] = before
            last[track] = index

    def apply(self, edit: Mapping[str, Any], number: int) -> None:
        """Changes a link. number: Of the edit, from 1, for errors. Raises `ConfigError`."""
        kind = edit.get("kind") if isinstance(edit, Mapping) else None
        if kind not in tuple(KINDS) or any(name not in edit for name in KINDS[kind]):
            raise ConfigError(f"Edit {number} is {edit!r:.100}. {EXPECTED}")
        if kind == "cut":
            index = self._index(edit["object"], number)
            if self.before[index] < 0:
                raise ConfigError(f"Edit {number}: {self._named(index)} begins a track already.")
            self.before[index] = -1
            return
        earlier, later = self._index(edit["from"], number), self._index(edit["to"], number)
        if self.frame[earlier] >= self.frame[later]:
            raise ConfigError(
                f"Edit {number}: {self._named(later)} is not later than {self._named(earlier)}. "
                "An object is joined to one of a later frame."
            )
        if self.before[later] == earlier:
            raise ConfigError(
                f"Edit {number}: {self._named(earlier)} and {self._named(later)} are joined "
                "already."
            )
        if np.count_nonzero(self.before == earlier) >= MOST_DAUGHTERS:
            raise ConfigError(
                f"Edit {number}: {self._named(earlier)} has two daughters already. Cut one of "
                "them first."
            )
        self.before[later] = earlier

    def numbered(self) -> tuple[np.ndarray, dict[int, int]]:
        """Returns the track of each object, (n,), and the parent of each track, 0 for none.

        A track keeps the number that its first object had, unless an earlier one has it.
        """
        successors = np.bincount(self.before[self.before >= 0], minlength=len(self.before))
        tracks = np.zeros(len(self.before), np.int64)
        parents: dict[int, int] = {}
        following = int(self._old.max(initial=0)) + 1
        for index, (before, old) in enumerate(
            zip(self.before.tolist(), self._old.tolist(), strict=True)
        ):
            if before >= 0 and successors[before] == 1:
                tracks[index] = tracks[before]
                continue
            if old in parents:
                old, following = following, following + 1
            tracks[index] = old
            parents[old] = int(tracks[before]) if before >= 0 else 0
        return tracks, parents

    def _index(self, place: Any, number: int) -> int:
        try:
            frame, name = map(whole, place)
        except (TypeError, ValueError):
            raise ConfigError(
                f"Edit {number} names the object {place!r:.100}. Expected: its frame, from 0, "
                "and its number there."
            ) from None
        if not 0 <= frame < len(self._frames):
            raise ConfigError(
                f"Edit {number}: there is no frame {frame}; the film has {len(self._frames)}, "
                "counted from 0."
            )
        ids = self._frames[frame].ids
        index = int(np.searchsorted(ids, name))
        if index == len(ids) or ids[index] != name:
            raise ConfigError(f"Edit {number}: frame {frame} has no object {name}.")
        return int(self.begins[frame]) + index

    def _named(self, index: int) -> str:
        frame = int(self.frame[index])
        return f"object {self._frames[frame].ids[index - self.begins[frame]]} of frame {frame}"
