"""Notes which images and masks a training has seen, so that changed ones are found later.

A note is [place, hash of the image, hash of its mask], where the place is "split/name" and the mask
includes the numbers of objects. The hashes of a pair that could not be read are empty.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from unet_hf.data.open import LabelledData
from unet_hf.data.pair_error import PairError
from unet_hf.data.pairs import Pair, Pairs

SHOWN = 5  # places that are named of each kind of change

Note = list[str]
Row = tuple[str, int]  # split, and index in it
Seen = dict[str, list[Note]]  # "train" and "validation": notes in the order of the images


def spread_positions(count: int, limit: int) -> list[int]:
    """Returns up to `limit` of `count` positions, spread evenly: those that are looked at."""
    return np.unique(np.linspace(0, count - 1, min(limit, count)).astype(int)).tolist()


def hash_pixels(array: np.ndarray) -> bytes:
    """Returns a hash of shape, dtype and values."""
    kind = f"{array.shape} {array.dtype}".encode()
    return hashlib.blake2b(kind + np.ascontiguousarray(array).tobytes(), digest_size=16).digest()


def hash_pair(pair: Pair) -> tuple[bytes, bytes, bytes]:
    """Returns the hashes of image, class ids and object numbers; b"" without object numbers."""
    numbers = b"" if pair.instances is None else hash_pixels(pair.instances)
    return hash_pixels(pair.image.pixels), hash_pixels(pair.label), numbers


def note(place: str, image: bytes, label: bytes, numbers: bytes) -> Note:
    """Makes the note of a pair from its hashes."""
    return [place, image[:8].hex(), (label[:8] + numbers[:8]).hex()]


def look_again(data: LabelledData, limit: int, known: dict[Row, Note]) -> Seen:
    """Reads the pairs that an inspection looks at, only to note them.

    known: Notes by row, which are not read again; those that are read are added.
    """

    def look(pairs: Pairs) -> Iterator[Note]:
        for position in spread_positions(len(pairs), limit):
            row = pairs.split, int(pairs.indices[position])
            if row not in known:
                known[row] = _look(pairs, position)
            yield known[row]

    return {"train": [*look(data.train)], "validation": [*look(data.validation)]}


def _look(pairs: Pairs, position: int) -> Note:
    try:
        pair = pairs.once(position)
    except PairError as error:
        return note(f"{pairs.split}/{error.name or pairs.name(position)}", b"", b"", b"")
    return note(f"{pairs.split}/{pair.name}", *hash_pair(pair))


def describe_changes(before: Seen, now: Seen) -> str:
    """Says in words what differs: "changed: the mask of train/3; new: train/9"; "" if nothing."""
    if before == now:
        return ""
    old, new = _by_place(before), _by_place(now)
    changed = [
        f"the {what} of {place}"
        for place in sorted(old.keys() & new.keys())
        for index, what in enumerate(("image", "mask"))
        if old[place][index] != new[place][index]
    ]
    kinds = {
        "changed": changed,
        "missing": sorted(old.keys() - new.keys()),
        "new": sorted(new.keys() - old.keys()),
    }
    listed = [f"{kind}: {_some(items)}" for kind, items in kinds.items() if items]
    return "; ".join(listed) or "another order, or others of them are held back"


def _by_place(seen: Seen) -> dict[str, tuple[list[str], list[str]]]:
    """Returns the hashes of images and of masks at each place; a name may occur more than once."""
    found: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for place, image, mask in sorted(_all_notes(seen)):
        found[place][0].append(image)
        found[place][1].append(mask)
    return found


def _all_notes(seen: Seen) -> Iterable[Note]:
    return [*seen["train"], *seen["validation"]]


def _some(items: list[str]) -> str:
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")
