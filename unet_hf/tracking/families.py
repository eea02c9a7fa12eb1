"""`families`: tracks in the order of a family tree, with the row on which each is drawn."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Family:
    """A track that has no parent, and all that come from it.

    tracks: Their ids, each before its daughters. rows: The height of each, in rows from 0. A track
    that ends in no division has a row of its own, and a mother lies between her daughters.
    height: Rows that the family takes.
    """

    tracks: tuple[int, ...]
    rows: tuple[float, ...]
    height: int

    @property
    def divides(self) -> bool:
        return len(self.tracks) > 1


def families(ids: np.ndarray, parent: np.ndarray) -> list[Family]:
    """Returns all families, in the order of the ids of those that begin them.

    ids: (n,) int, ascending. parent: (n,) int, 0 for none.
    """
    daughters: dict[int, list[int]] = {}
    for track, mother in zip(ids.tolist(), parent.tolist(), strict=True):
        daughters.setdefault(mother, []).append(track)
    return [_family(track, daughters) for track in daughters.get(0, ())]


def _family(first: int, daughters: dict[int, list[int]]) -> Family:
    """Without recursion: a line of cells may be longer than Python's stack is deep."""
    order, waiting = [], [first]
    while waiting:
        track = waiting.pop()
        order.append(track)
        waiting.extend(reversed(daughters.get(track, ())))
    rows: dict[int, float] = {}
    height = sum(track not in daughters for track in order)
    free = height
    for track in reversed(order):  # daughters before their mother, the last row first
        if track in daughters:
            rows[track] = _middle([rows[one] for one in daughters[track]])
        else:
            free -= 1
            rows[track] = float(free)
    return Family(tuple(order), tuple(rows[track] for track in order), height)


def _middle(rows: Collection[float]) -> float:
    return (min(rows) + max(rows)) / 2
