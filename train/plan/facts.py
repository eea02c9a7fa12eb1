"""What a data set is like, in the few numbers that a training is planned from."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ..checks.inspection import Inspection, PairSummary


@dataclass(frozen=True)
class ObjectSizes:
    """Sizes of the objects of all images, px."""

    small: float  # diameter that a tenth of the objects is below
    median: float
    large: float  # diameter that a tenth is above
    width: float  # median; the diameter, unless objects are long
    touching: float  # share of the objects that touch another
    close: float  # share that has another within `object_facts.CLOSE` px
    numbered: bool  # told apart by the data set; else connected pieces of classes


@dataclass(frozen=True)
class DataFacts:
    """Facts about the training images that were looked at."""

    images: int  # that were looked at and could be read
    sides: tuple[int, int, int]  # smallest, median and largest shorter side, px
    shape: tuple[int, int]  # height and width of most images
    channels: int
    dtype: str
    objects: ObjectSizes | None  # None without any


def measure_facts(inspection: Inspection) -> DataFacts | None:
    """Computes the facts; None if no training image could be read."""
    readable = [facts for facts in inspection.train if facts.error is None]
    if not readable:
        return None
    sides = np.array([min(facts.height, facts.width) for facts in readable])
    return DataFacts(
        images=len(readable),
        sides=(int(sides.min()), int(np.median(sides)), int(sides.max())),
        shape=most((facts.height, facts.width) for facts in readable),
        channels=inspection.channels,
        dtype=most(facts.dtype for facts in readable),
        objects=measure_sizes(readable),
    )


def most(values):
    """The most frequent of some values."""
    return Counter(values).most_common(1)[0][0]


def measure_sizes(readable: list[PairSummary]) -> ObjectSizes | None:
    """Computes the sizes of objects, or of connected pieces; None if there is none."""
    found = [facts.objects or facts.pieces for facts in readable]
    found = [facts for facts in found if facts is not None]
    diameters = np.concatenate([facts.diameters for facts in found] or [np.zeros(0)])
    if not len(diameters):
        return None
    small, median, large = np.quantile(diameters, [0.1, 0.5, 0.9]).tolist()
    count = len(diameters)
    return ObjectSizes(
        small=round(small, 1),
        median=round(median, 1),
        large=round(large, 1),
        width=round(float(np.median(np.concatenate([facts.widths for facts in found]))), 1),
        touching=round(sum(facts.touching for facts in found) / count, 3),
        close=round(min(sum(facts.close for facts in found) / count, 1.0), 3),
        numbered=any(facts.objects is not None for facts in readable),
    )
