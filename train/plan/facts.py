"""What a data set is like, in the few numbers that a training is planned from."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from unet_hf.data.open import LabelledData

from ..checks.inspection import GRID, Inspection, PairSummary
from .known_images import is_known

CLEAR = 0.5  # std of the image; objects that differ less are neither lighter nor darker
FEW = 4  # fewer images do not tell whether colours vary
ORIENTED = 8  # nor do fewer whether they have an up and a down
SAME_SIDE = 0.9  # share of the images with a class on the same side of the middle
OFF_CENTER = 0.15  # of the height; how far from the middle it then is in the mean

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True)
class ObjectSizes:
    """Sizes of the objects of all images, px."""

    small: float  # diameter that a tenth of the objects is below
    median: float
    large: float  # diameter that a tenth is above
    width: float  # median; the diameter, unless objects are long
    touching: float = 0.0  # share of the objects that touch another
    close: float = 0.0  # share that has another within `object_facts.CLOSE` px
    numbered: bool = False  # told apart by the data set; else connected pieces of classes


@dataclass(frozen=True)
class DataFacts:
    """Facts about the training images that were looked at."""

    images: int  # that were looked at and could be read
    sides: tuple[int, int, int]  # smallest, median and largest shorter side, px
    shape: tuple[int, int]  # height and width of most images
    channels: int
    dtype: str
    classes: dict[str, float]  # name -> share of the labelled pixels
    objects: ObjectSizes | None = None  # None without any
    light: int = 0  # images with objects lighter than the background
    dark: int = 0  # images with darker ones
    colored: int = 0  # images with three channels that differ
    gray: int = 0  # images with three equal ones: gray stored as RGB
    tint_std: float = 0.0  # over these: how much the channels' shares of the brightness vary
    oriented: str | None = None  # class that is nearly always above, or below, the middle
    labelled: float = 1.0  # share of the pixels; the others are ignored
    total: int | None = None  # training images of the data set; None for a stream
    known: int = 0  # images of both splits that the shipped start was trained on


def measure_facts(data: LabelledData, inspection: Inspection) -> DataFacts | None:
    """Computes the facts; None if no training image could be read."""
    readable = [facts for facts in inspection.train if facts.error is None]
    if not readable:
        return None
    sides = np.array([min(facts.height, facts.width) for facts in readable])
    counts = inspection.counts(data.num_classes)
    shares = (counts / max(counts.sum(), 1)).round(6).tolist()
    looks = [facts.look for facts in readable if facts.look is not None]
    tints = [look.tint for look in looks if len(look.tint) == 3 and not look.gray]
    return DataFacts(
        images=len(readable),
        sides=(int(sides.min()), int(np.median(sides)), int(sides.max())),
        shape=most((facts.height, facts.width) for facts in readable),
        channels=inspection.channels,
        dtype=most(facts.dtype for facts in readable),
        classes=dict(zip(data.id2label.values(), shares, strict=True)),
        objects=measure_sizes(readable, data.has_ids),
        light=sum(look.contrast > CLEAR for look in looks),
        dark=sum(look.contrast < -CLEAR for look in looks),
        colored=len(tints),
        gray=sum(len(look.tint) == 3 and look.gray for look in looks),
        tint_std=round(float(np.std(tints, axis=0).max()), 4) if len(tints) >= FEW else 0.0,
        oriented=find_oriented(data, readable),
        labelled=sum(facts.labelled for facts in readable)
        / max(sum(facts.area for facts in readable), 1),
        total=inspection.train_total,
        known=sum(is_known(facts.digest) for facts in inspection.train + inspection.validation),
    )


def most(values: Iterable[T]) -> T:
    """The most frequent of some values."""
    return Counter(values).most_common(1)[0][0]


def measure_sizes(readable: Sequence[PairSummary], numbered: bool) -> ObjectSizes | None:
    """Computes the sizes of objects, or of connected pieces; None if there is none.

    numbered: The data set tells the objects apart.
    """
    found = [facts.objects or facts.pieces for facts in readable]
    found = [facts for facts in found if facts is not None and len(facts.diameters)]
    if not found:
        return None
    diameters = np.concatenate([facts.diameters for facts in found])
    widths = np.concatenate([facts.widths for facts in found])
    small, median, large = np.quantile(diameters, [0.1, 0.5, 0.9]).round(1).tolist()
    return ObjectSizes(
        small=small,
        median=median,
        large=large,
        width=round(float(np.median(widths)), 1),
        touching=round(sum(facts.touching for facts in found) / len(diameters), 3),
        close=round(sum(facts.close for facts in found) / len(diameters), 3),
        numbered=numbered and any(facts.objects is not None for facts in readable),
    )


def find_oriented(data: LabelledData, readable: Sequence[PairSummary]) -> str | None:
    """Finds a class that lies above, or below, the middle of nearly every image, as a sky does."""
    rows = (np.arange(GRID) + 0.5) / GRID - 0.5
    for number, name in data.id2label.items():
        places = [facts.places[int(number)] for facts in readable if int(number) in facts.places]
        if len(places) < max(ORIENTED, SAME_SIDE * len(readable)):
            continue
        cells = np.unpackbits(np.frombuffer(b"".join(places), np.uint8))
        filled = cells.reshape(-1, GRID, GRID).sum(2)  # (images, GRID)
        heights = filled @ rows / filled.sum(1)
        same = max((heights > 0).mean(), (heights < 0).mean())
        if same >= SAME_SIDE and abs(heights.mean()) >= OFF_CENTER:
            return name
    return None
