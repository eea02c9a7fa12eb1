"""Reads every pair once before a training and notes its size, classes and faults.

The plan and the checks use only these notes, so that a data set is not read twice.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from tqdm.auto import tqdm

from unet_hf.data.detect_encoding import IGNORE, MaskEncoding, RawMask
from unet_hf.data.open import LabelledData
from unet_hf.data.pair_error import PairError
from unet_hf.data.pairs import Pair, Pairs, StreamedPairs
from unet_hf.errors import DatasetError
from unet_hf.images.image_data import ImageData
from unet_hf.words import number_of

from .look_facts import LookFacts, look_facts
from .object_facts import ObjectFacts, object_facts, piece_facts
from .seen import hash_pair, spread_positions

SHOWN_NOTES = 8  # different notes on reading that are printed
MEASURED = 200  # images of a split whose connected pieces are measured; more would cost minutes
GRID = 32  # places of classes are noted in GRID x GRID cells an image


@dataclass
class PairSummary:
    """Notes about one pair; only name, row and error if it could not be read."""

    name: str
    row: int
    error: str | None = None
    code: str = ""  # kind of the error, e.g. "mask-missing"
    height: int = 0
    width: int = 0
    channels: int = 0
    dtype: str = ""
    counts: np.ndarray = field(default_factory=lambda: np.zeros(256, np.int64))  # by class id
    constant: bool = False  # all pixels of the image are equal
    finite: bool = True
    digest: bytes = b""  # hash of the pixels
    label_digest: bytes = b""  # hash of the class ids
    numbers_digest: bytes = b""  # hash of the object numbers, if there are any
    places: dict[int, bytes] = field(default_factory=dict)  # class id -> packed GRID x GRID bits
    mask_is_image: bool = False  # the image, read as a mask, equals the mask
    objects: ObjectFacts | None = None  # if the data set tells objects apart
    pieces: ObjectFacts | None = None  # if not: connected pieces of the classes
    look: LookFacts | None = None
    stray: float = 0.0  # share of labelled pixels with an instance id on class 0
    notes: tuple[str, ...] = ()  # what reading noticed, in words
    doubtful_turn: bool = False  # EXIF turned the image alone
    unnumbered: float = 0.0  # share of labelled pixels of other classes without an instance id

    @property
    def area(self) -> int:
        return self.height * self.width

    @property
    def labelled(self) -> int:
        """Number of pixels that are not ignored."""
        return int(self.counts[:IGNORE].sum())

    def share_of_crops_with(self, number: int, size: int, steps: int = 16) -> float:
        """Estimates the share of crops of size x size px that show a class, a little too high.

        Counts, among steps x steps upright crops spread evenly over the image, those that meet a
        grid cell with the class.
        """
        if number not in self.places:
            return 0.0
        bits = np.unpackbits(np.frombuffer(self.places[number], np.uint8)).reshape(GRID, GRID)
        sums = np.pad(bits.astype(np.int64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
        spans = []
        for side in (self.height, self.width):
            first = np.linspace(0, max(side - size, 0), steps if side > size else 1)
            last = np.minimum(first + size, side)
            start = np.floor(first * GRID / side).astype(int)
            spans.append((start, np.ceil(last * GRID / side).astype(int)))
        (top, bottom), (left, right) = spans
        met = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left]
        return float((met + sums[top][:, left] > 0).mean())


@dataclass
class Inspection:
    """Notes about the pairs of both splits; a `total` is None for a stream."""

    train: list[PairSummary]
    validation: list[PairSummary]
    train_total: int | None
    validation_total: int | None

    def counts(self, num_classes: int) -> np.ndarray:
        """Counts the pixels of each class in the training split: (classes,) int64."""
        return sum((facts.counts[:num_classes] for facts in self.train), np.zeros(num_classes, int))

    def notes(self) -> list[str]:
        """Counts what reading noticed: "6 of 6: alpha channel left out"."""
        readable = [facts for facts in self.train + self.validation if facts.error is None]
        counts = Counter(note for facts in readable for note in dict.fromkeys(facts.notes))
        lines = [f"{n} of {len(readable)}: {note}" for note, n in counts.most_common(SHOWN_NOTES)]
        more = len(counts) - SHOWN_NOTES
        return lines + ([f"and {more} other notes on single images"] if more > 0 else [])

    def areas(self, pairs: Pairs) -> np.ndarray:
        """Pixels of each training image, (len(pairs),); the mean for images not inspected."""
        known = {facts.row: float(facts.area) for facts in self.train if facts.error is None}
        mean = float(np.mean(list(known.values())))
        return np.array([known.get(int(index), mean) for index in pairs.indices])

    def shows(self, pairs: Pairs, num_classes: int) -> np.ndarray:
        """Which classes each training image shows: (classes, len(pairs)) bool.

        An image that was not inspected shows none.
        """
        nothing = np.zeros(num_classes, bool)
        known = {facts.row: facts.counts[:num_classes] > 0 for facts in self.train}
        return np.stack([known.get(int(index), nothing) for index in pairs.indices], axis=1)

    @property
    def channels(self) -> int:
        """Number of channels of most training images; the checks report the others.

        Raises `DatasetError` if no training image can be read.
        """
        seen = Counter(facts.channels for facts in self.train if facts.error is None)
        if not seen:
            raise DatasetError(
                f"None of the {len(self.train)} training images looked at can be used; the first: "
                f"{self.train[0].error if self.train else 'there is none.'} `python -m train check "
                "--dataset_name ...` lists all."
            )
        return seen.most_common(1)[0][0]


def _is_finite(image: ImageData) -> bool:
    """Whether some pixels hold data, and none of these is infinite."""
    if image.dtype.kind != "f" and image.nodata is None:
        return True
    known = image.pixels if image.valid is None else image.pixels[image.valid]
    return known.size > 0 and bool(np.isfinite(known).all())


def inspect_pair(
    name: str, row: int, read: Callable[[], Pair], encoding: MaskEncoding, measured: bool = True
) -> PairSummary:
    """Reads a pair and notes its facts, or why it could not be read.

    measured: Whether connected pieces are measured where nothing tells objects apart.
    """
    try:
        pair = read()
    except PairError as error:
        return PairSummary(error.name or name, row, error=str(error), code=error.code)
    pixels, label = pair.image.pixels, pair.label
    image_hash, label_hash, numbers_hash = hash_pair(pair)
    facts = PairSummary(
        name=pair.name,
        row=row,
        height=pair.image.height,
        width=pair.image.width,
        channels=pair.image.channels,
        dtype=str(pixels.dtype),
        constant=bool((pixels == pixels[:1, :1]).all()),
        finite=_is_finite(pair.image),
        digest=image_hash,
        label_digest=label_hash,
        numbers_digest=numbers_hash,
        notes=pair.notes,
        doubtful_turn=pair.doubtful_turn,
    )
    facts.counts, facts.places = note_places(label)
    facts.mask_is_image = not facts.constant and _is_mask(pixels, label, encoding)
    if facts.finite:
        facts.look = look_facts(pixels, label)
    if pair.instances is None:
        facts.pieces = piece_facts(label) if measured else None
    else:
        facts.objects = object_facts(pair.instances)
        objects, numbered = (label != 0) & (label != IGNORE), pair.instances != 0
        known = max(facts.labelled, 1)
        facts.stray = float(((label == 0) & numbered).sum() / known)
        if encoding.num_classes == 2:  # with more, some classes may be regions without ids
            facts.unnumbered = float((objects & ~numbered).sum() / known)
    return facts


def note_places(label: np.ndarray) -> tuple[np.ndarray, dict[int, bytes]]:
    """Counts the pixels of each class id, and notes in which cells of a coarse grid it is."""
    height, width = label.shape
    edges = -(-np.arange(GRID + 1) * height // GRID)  # rounded up, as the columns below are
    column = (np.arange(width) * GRID // width) * 256
    rows = [
        np.bincount((label[top:bottom] + column).ravel(), minlength=GRID * 256)
        for top, bottom in itertools.pairwise(edges)
    ]
    cells = np.stack(rows).reshape(GRID, GRID, 256)
    counts = cells.sum((0, 1))
    found = np.flatnonzero(counts[:IGNORE]).tolist()
    return counts, {number: np.packbits(cells[..., number] > 0).tobytes() for number in found}


def _is_mask(pixels: np.ndarray, label: np.ndarray, encoding: MaskEncoding) -> bool:
    """Whether the image, read as a mask, equals the mask: one file may have been given as both."""
    coarse = tuple(slice(None, None, max(1, side // 16)) for side in label.shape)
    for part in (coarse, (slice(None), slice(None))):  # the coarse one decides nearly always
        values = pixels[part][..., 0] if pixels.shape[2] == 1 else pixels[part]
        if values.ndim == 3 and values.shape[2] not in (3, 4):
            return False
        try:
            if not np.array_equal(encoding.decode(RawMask(values)), label[part]):
                return False
        except DatasetError:
            return False
    return True


def inspect(
    data: LabelledData,
    limit: int,
    progress: Callable[[Iterable], Iterable] = lambda items: items,
) -> Inspection:
    """Inspects up to `limit` pairs of each split, spread evenly over it.

    A stream is inspected from its start, a tenth of the limit. progress: Wraps what is iterated.
    """

    def look(pairs: Pairs | StreamedPairs) -> list[PairSummary]:
        if isinstance(pairs, StreamedPairs):
            reads = pairs.first(max(1, limit // 10))
            return [
                inspect_pair(f"{pairs.split}-{row}", row, read, data.encoding)
                for row, read in enumerate(progress(reads))
            ]
        positions = spread_positions(len(pairs), limit)
        every = -(-len(positions) // MEASURED)
        return [
            inspect_pair(
                pairs.name(position),
                int(pairs.indices[position]),
                lambda position=position: pairs[position],
                data.encoding,
                number % every == 0,
            )
            for number, position in enumerate(progress(positions))
        ]

    def total(pairs: Pairs | StreamedPairs) -> int | None:
        return len(pairs) if isinstance(pairs, Pairs) else None

    return Inspection(
        look(data.train), look(data.validation), total(data.train), total(data.validation)
    )


def looked_at_words(looked_at: int, total: int | None) -> str:
    """Says how many images a split has, None for a stream, and how many were looked at."""
    if total is None:
        return f"a stream, its first {number_of(looked_at, 'image')} looked at"
    return number_of(total, "image") + (f", {looked_at} of them looked at" * (looked_at != total))


def inspection_bar(items: Iterable) -> Iterable:
    """Shows a progress bar over inspected images; it disappears at the end."""
    return tqdm(items, desc="looking at the data", unit="image", disable=None, leave=False)
