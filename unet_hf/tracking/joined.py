"""Objects that are two cells for a few frames, because a mask has joined them."""

import numpy as np

from .cells import Cells, overlaps


def joined_pairs(
    before: Cells,
    after: Cells,
    shape: tuple[int, int],
    seen: np.ndarray,
    source: np.ndarray,
    target: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Finds objects that vanished into one beside them: indices into `before`, (k,) each.

    The first one vanished, and most of its expected place is covered by what the second one has
    become, which has grown by more than half of what the first one had. So both are in there, and
    when two objects are there again, none has divided.

    Args:
        before: Objects where they are expected.
        seen: (n,) bool, those that were there in the frame before.
        source, target: (s,) indices of objects that went on as one, and of what they are now.
    """
    holder = np.full(len(after), -1)
    holder[target] = source
    lost = seen.copy()
    lost[source] = False
    one, into, shared = overlaps(before, after, shape)
    inside = lost[one] & (holder[into] >= 0) & (2 * shared > before.areas[one])
    one, into = one[inside], into[inside]
    other = holder[into]
    grown = after.areas[into] - before.areas[other]
    both = 2 * grown > before.areas[one]
    return one[both], other[both]
