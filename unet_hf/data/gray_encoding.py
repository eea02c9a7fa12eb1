"""Infers what the values of gray masks mean: from how many pixels have them, and where these lie.

`detect_gray` asks the rules one after another, from the plainest to the most general; the first
that applies decides, and says so in the encoding's `rule`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import DatasetError
from .levels import EXACT_VALUES, MAX_LEVELS, Levels, find_levels, is_flat, nearest_levels
from .mask_encoding import IGNORE, MaskEncoding
from .numbered_objects import in_one_piece, is_one_class, numbers_objects
from .stored_masks import (
    RawMask,
    first_five,
    format_ranges,
    looks_smooth,
    plane_of,
    value_counts,
    whole_numbers,
)
from .trimaps import find_border

UNKNOWN = (-1, -100)  # what frameworks store where nothing is known
STRAY = 0.02  # share of what is beside it in a mask; a value with less does not decide
WHITE = (1, 255, 2**16 - 1)  # what stands for "yes" in 1, 8 and 16 bits
APART = 40  # gray levels of many values, of which some are soft edges, differ by this at least
ONLY_VOID = 0.9  # share of all that is not 0; a "void" with more is the foreground
COLORS_CURE = "--mask_encoding colors (each level that fills areas is a class)"
BINARY_CURE = "--mask_encoding binary (all that is not 0 is class 1)"
NUMBERED = (
    "If they number objects, this looks like instance ids: give the column as --instance_column "
    "and the classes as --label_column, or train object against background with "
    "--mask_encoding instances."
)


def detect_gray(
    masks: Sequence[RawMask],
    named: int | None,
    ignore_index: int | None,
    reduce_labels: bool,
    asked: str | None,
) -> MaskEncoding:
    """Infers the encoding of masks with one value a pixel; arguments as of `detect_encoding`.

    named: The number of classes that have names.
    """
    planes = [plane_of(mask) for mask in masks]
    gray = [plane for plane in planes if plane.dtype != bool] or planes
    if any(plane.dtype.kind == "f" for plane in gray) and _soft(gray) and asked != "ids":
        rule = "fractions from 0 to 1, above 0.5 read as class 1, others as class 0"
        return MaskEncoding("binary", max(named or 2, 2), rule, threshold=0.5)
    values = _survey(gray, any(mask.palette for mask in masks), named, ignore_index, reduce_labels)
    if reduce_labels:
        asked = "ids"
    if asked == "binary":
        return values.soft() or values.binary(
            "0 read as class 0, every other value as class 1", threshold=0
        )
    if asked == "instances":
        return values.objects("--mask_encoding instances")
    if asked is None:
        for rule in (_one_bit, _two_values, _two_scales, _soft_edges, _numbered, _trimap, _levels):
            if encoding := rule(values):
                return encoding
    return _class_ids(values, asked, reduce_labels)


@dataclass(frozen=True, eq=False)
class GrayValues:
    """The values of some masks: how often they occur, and in which planes."""

    planes: list[np.ndarray]
    counts: Counter[int]
    ignored: tuple[int, ...]
    palette: bool
    named: int | None  # number of named classes
    said: str  # about ignored values, for the end of a rule

    @cached_property
    def shares(self) -> dict[int, float]:
        """Share of the pixels of each value that is not ignored."""
        total = self.counts.total()
        return {v: n / total for v, n in self.counts.items() if v not in self.ignored}

    @cached_property
    def values(self) -> list[int]:
        return sorted(self.shares)

    @property
    def top(self) -> int:
        return self.values[-1]

    @property
    def may_be_two(self) -> bool:
        """Whether the names, if there are any, are those of two classes."""
        return (self.named or 2) <= 2

    @cached_property
    def whole(self) -> list[np.ndarray]:
        """The planes as whole numbers, (H, W) int64; ignored values are 0."""
        planes = [whole_numbers(plane) for plane in self.planes]
        if not self.ignored:
            return planes
        return [np.where(np.isin(plane, self.ignored), 0, plane) for plane in planes]

    @cached_property
    def levels(self) -> Levels | None:
        """The values that fill areas."""
        return find_levels(self.whole)

    @property
    def has_gaps(self) -> bool:
        """Whether the values are too far apart for class ids."""
        return self.top >= 64 and 8 * len(self.values) < self.top

    @property
    def is_shapeless(self) -> bool:
        """Whether there are many values, and most of them fill no area: edges, or tiny objects."""
        planes = [plane for plane in self.whole if min(plane.shape) >= 3]
        if len(self.values) <= EXACT_VALUES or len(planes) < len(self.whole):
            return False
        filling = set().union(*(np.unique(plane[is_flat(plane)]).tolist() for plane in planes))
        return 2 * len(filling.intersection(self.values)) < len(self.values)

    @property
    def has_middle(self) -> bool:
        """Whether the grays of many values gather around one, as those of a third level do."""
        grays = {value: share for value, share in self.shares.items() if 16 < value < 239}
        total, foreground = sum(grays.values()), 1 - self.shares.get(0, 0.0)
        if len(grays) <= 16 or total < 0.1 * foreground:
            return False
        peak = max(grays, key=grays.__getitem__)
        return sum(s for v, s in grays.items() if abs(v - peak) <= 8) > 0.3 * total

    def binary(self, rule: str, **kwargs: Any) -> MaskEncoding:
        rule += self.said
        return MaskEncoding("binary", max(self.named or 2, 2), rule, ignored=self.ignored, **kwargs)

    def soft(self) -> MaskEncoding | None:
        """Reads black and white masks with soft edges; None if they are not."""
        if self.top > IGNORE or not looks_smooth(self.shares) or self.has_middle:
            return None
        rule = f"{len(self.values)} values from {self.values[0]} to {self.top} read as soft edges: "
        between = sum(share for value, share in self.shares.items() if 8 < value < 247)
        rule += f"above 127 class 1, others class 0 ({between:.2%} of the pixels are gray)"
        return self.binary(rule, threshold=127)

    def objects(self, why: str) -> MaskEncoding:
        count = len(self.values) - (0 in self.shares)
        rule = f"the {count} values up to {self.top} number objects ({why}), "
        rule += f"read as class 1; 0 as class 0{self.said}"
        return MaskEncoding(
            "numbered", max(self.named or 2, 2), rule, ignored=self.ignored, threshold=0
        )


def _survey(
    planes: list[np.ndarray],
    palette: bool,
    named: int | None,
    ignore_index: int | None,
    reduce_labels: bool,
) -> GrayValues:
    """Counts the values; leaves out those that are ignored, and -1 and -100."""
    counts: Counter[int] = Counter()
    for plane in planes:
        counts.update(value_counts(whole_numbers(plane)))
    ignored = () if ignore_index is None else (ignore_index,)
    if reduce_labels:
        ignored = tuple(sorted({0, IGNORE, *ignored}))
    said = f", {first_five(ignored)} ignored" if ignored else ""
    negative = [value for value in counts if value < 0 and value not in ignored]
    if len(negative) == 1 and negative[0] in UNKNOWN and len(counts) > 1:
        ignored = (*ignored, negative[0])
        said += f", {negative[0]} ignored (unknown, {counts[negative[0]] / counts.total():.1%})"
    if set(counts) <= set(ignored):
        raise DatasetError(
            f"The masks hold {first_five(sorted(counts))} alone, which is ignored. Check "
            "--ignore_index and --reduce_labels, or choose another --label_column."
        )
    return GrayValues(planes, counts, ignored, palette, named, said)


def _soft(planes: Sequence[np.ndarray]) -> bool:
    """Whether the values are between 0 and 1, with fractions among them."""
    fractions = any((plane % 1 != 0).any() for plane in planes)
    return fractions and all(plane.min() >= 0 and plane.max() <= 1 for plane in planes)


# ------------------------------------------------------------------ rules


def _one_bit(values: GrayValues) -> MaskEncoding | None:
    if values.planes[0].dtype != bool or not values.may_be_two:
        return None
    return values.binary("1-bit masks: 0 and 1 read as classes 0 and 1", foreground=1)


def _two_values(values: GrayValues) -> MaskEncoding | None:
    """Reads 0 and one other value that is no id as black and white."""
    top = values.top
    plain = top > 1 and 0 in values.shares and not (values.palette and values.named is None)
    if not values.may_be_two or not set(values.values) <= {0, top} or not (top == IGNORE or plain):
        return None
    return values.binary(f"values 0 and {top} read as classes 0 and 1", foreground=top)


def _two_scales(values: GrayValues) -> MaskEncoding | None:
    """Reads masks of 0 and 1 among masks of 0 and 255: each mask on its own scale."""
    if not values.may_be_two or values.palette or values.values[0] < 0:
        return None
    inside = []
    for plane in values.whole:
        counts = value_counts(plane[plane != 0]) if plane.any() else {}
        inside.append({v for v, n in counts.items() if n >= STRAY * sum(counts.values())})
    found = sorted(set().union(*inside))
    if len(found) < 2 or not set(found) <= set(WHITE) or any(len(seen) > 1 for seen in inside):
        return None
    beside = zip(inside, values.whole, strict=True)
    if not set(found) <= set().union(*(seen for seen, plane in beside if (plane == 0).any())):
        return None  # a mask of 255 throughout shows no scale
    seen = ", ".join(f"0 and {v} in {sum(v in s for s in inside)}" for v in found)
    rule = f"each mask on its own scale ({seen} masks): 0 read as class 0, the other value as 1"
    strays = [value for value in values.values if value and value not in found]
    if not strays:
        return values.binary(rule, threshold=0)
    rule += f"; stray pixels ({first_five(strays)}) belong to their neighbours{values.said}"
    levels = {0: 0, **dict.fromkeys(found, 1)}
    return MaskEncoding("levels", 2, rule, ignored=values.ignored, levels=levels)


def _soft_edges(values: GrayValues) -> MaskEncoding | None:
    """Reads black and white masks with soft edges, unless a level between fills areas."""
    if not values.may_be_two or values.palette:
        return None
    smooth = values.soft()
    return smooth if smooth and (not values.levels or len(values.levels.values) <= 2) else None


def _numbered(values: GrayValues) -> MaskEncoding | None:
    """Reads instance ids, see `numbers_objects`; refuses masks without ids among them."""
    if not values.may_be_two or values.palette or len(values.values) < 4:
        return None
    numbered = [plane for plane in values.whole if not is_one_class(plane)]
    if not numbers_objects(numbered):
        return None
    if others := len(values.whole) - len(numbered):
        raise DatasetError(
            f"Beside masks that number their objects ({len(numbered)} of those looked at) there "
            f"are masks with one value for all objects ({others}). Number the objects in these, "
            f"too, or leave them out. To train without objects: {BINARY_CURE}."
        )
    return values.objects(
        "mostly one piece each, as objects are and classes are not; --mask_encoding ids "
        "reads them as classes"
    )


def _trimap(values: GrayValues) -> MaskEncoding | None:
    """Reads 1, 2, 3 whose third value is a thin border between the others, as in Oxford's pets."""
    if values.values != [1, 2, 3] or 0 in values.counts or (values.named or 2) != 2:
        return None
    found = find_border([np.maximum(plane, 1) - 1 for plane in values.whole])
    if found is None or found[0] != 2 or not found[1]:
        return None
    rule = "values 1-2 read as classes 0-1 (they start at 1), 3 ignored: it lies as a thin border "
    rule += f"between them (a trimap; --mask_encoding ids for classes 1-3){values.said}"
    return MaskEncoding("ids", 2, rule, offset=1, ignored=(*values.ignored, 3))


def _levels(values: GrayValues) -> MaskEncoding | None:
    """Reads values far apart by those that fill areas; others belong to their neighbours."""
    if values.palette or values.values[0] < 0 or len(values.values) < 2:
        return None
    ids = [value for value in values.values if value != IGNORE]
    void = IGNORE in values.shares and (ids[-1] < 64 or 8 * len(ids) >= ids[-1])
    foreground = 1 - values.shares.get(0, 0.0)
    flooded = values.shares.get(IGNORE, 0) > ONLY_VOID * foreground and len(values.values) > 2
    if values.named and ids[-1] < values.named:
        # Beside 255 nearly everywhere, two names fit 0 and 255, too, if 1 is a few stray pixels.
        stray = values.shares.get(1, 0.0) < STRAY * values.shares.get(0, 0.0)
        if not (flooded and values.may_be_two and stray):
            return None  # class ids, as the names say
    smooth = values.top <= IGNORE and looks_smooth(values.shares)
    few = values.has_gaps and not void
    many = values.top <= IGNORE and len(values.values) > EXACT_VALUES and ids[-1] >= 64
    if not (few or flooded or smooth or many):
        return None
    if values.top > IGNORE and values.values[-2] < 64:
        return None  # class ids, and a value for "unknown"
    found = values.levels
    if found is None or len(found.values) < 2:
        return None
    if many and not few and np.diff(found.values).min() < APART:
        return None  # ids, each of which fills areas
    if void and not many and len(found.values) > 2:
        return None
    if values.may_be_two and (trimap := _gray_trimap(values, found)):
        return trimap
    count = len(found.values)
    if values.named not in (None, count):
        raise DatasetError(
            f"The masks hold {count} gray levels that fill areas ({first_five(found.values)}), but "
            f"id2label names {values.named} classes. Name {count}, in the order of the levels, or "
            f"choose {BINARY_CURE}."
        )
    rule = f"gray levels {', '.join(map(str, found.values))} read as classes "
    rule += f"{format_ranges(list(range(count)))} (each fills areas)" + _odd_said(found)
    levels = {level: number for number, level in enumerate(found.values)}
    return MaskEncoding("levels", max(count, 2), rule + values.said, ignored=values.ignored,
                        levels=levels, noise=found.noise)  # fmt: skip


def _odd_said(found: Levels) -> str:
    if not found.odd_values:
        return ""
    if not found.odd:
        return "; values near them are read as they are"
    return (
        f"; {found.odd:.2%} of the pixels have other values ({first_five(list(found.odd_values))}: "
        "soft edges or stray pixels) and are read as the nearest of their neighbours"
    )


def _gray_trimap(values: GrayValues, found: Levels) -> MaskEncoding | None:
    """Reads three levels of which one is a thin, even border; asks where that is not clear."""
    three = found.values if len(found.values) == 3 else tuple(values.values)
    if len(three) != 3:
        return None
    border = find_border(
        [nearest_levels(plane, three, noise=found.noise)[0] for plane in values.whole]
    )
    if border is None:
        return None
    number, thin, even = border
    level = three[number]
    if not (thin and even):
        if three != found.values:
            return None
        raise DatasetError(
            f"The masks hold the levels {', '.join(map(str, three))}, and {level} lies "
            "everywhere between the two others: a third class, or the unknown border of a trimap? "
            f"Say it with {COLORS_CURE}, or --ignore_index {level} (a border: not counted)."
        )
    first, second = (value for value in three if value != level)
    rule = f"values {first} and {second} read as classes 0 and 1, {level} ignored: it lies as a "
    rule += "thin border between them (a trimap; --mask_encoding colors for three classes)"
    rule += (_odd_said(found) if three == found.values else "") + values.said
    levels = {value: IGNORE if value == level else int(value == second) for value in three}
    return MaskEncoding("levels", 2, rule, ignored=values.ignored, noise=found.noise,
                        levels=levels)  # fmt: skip


def _class_ids(values: GrayValues, asked: str | None, reduce_labels: bool) -> MaskEncoding:
    """Reads values as class ids, 255 as void."""
    shares, found, named = dict(values.shares), list(values.values), values.named
    said, ignored, guessed = values.said, values.ignored, False
    if IGNORE in shares and len(found) > 1:
        foreground = 1 - shares.get(0, 0.0)
        # Every class that has a name has an id of its own: 255 can be none of them.
        complete = named is not None and set(range(named)) <= set(found)
        if (
            asked is None
            and not complete
            and (
                shares[IGNORE] > 0.5 or (named is None and shares[IGNORE] > ONLY_VOID * foreground)
            )
        ):
            raise DatasetError(
                f"255 fills {shares[IGNORE]:.0%} of the masks, beside {first_five(found[:-1])} "
                f"({shares[IGNORE] / foreground:.0%} of all that is not 0): void, or a class? Say "
                f"it with --ignore_index 255 (void), {BINARY_CURE} or {COLORS_CURE}."
            )
        void, guessed = shares.pop(IGNORE), not complete
        said += f", 255 ignored (void, {void:.1%})"
        ignored = (*ignored, IGNORE)
        found = found[:-1]
    values = replace(values, ignored=ignored)
    top = found[-1]
    _check_range(values, asked)
    shift = 0 not in values.counts and found[0] == 1 and len(found) > 1 and asked is None
    offset = int(reduce_labels or (shift and (named is None or top >= named)))
    num_classes = named or max(top - offset + 1, 2)
    outside = [value for value in found if value - offset >= num_classes]
    if outside:
        raise DatasetError(
            f"The masks hold {first_five(outside)}, but id2label names {num_classes} classes, 0 to "
            f"{num_classes - 1}. Name the others in id2label, or mark a value with --ignore_index."
        )
    rule = f"{'palette indices' if values.palette else 'values'} {format_ranges(found)}"
    if offset:
        why = "--reduce_labels" if reduce_labels else "they start at 1"
        rule += f" read as classes {format_ranges([value - offset for value in found])} ({why})"
    else:
        rule += " read as class ids"
        if named is None and top > 1 and asked is None and in_one_piece(values.whole):
            rule += " (if they number objects: --mask_encoding instances)"
    return MaskEncoding("ids", num_classes, rule + said, offset, ignored, guessed_void=guessed)


def _check_range(values: GrayValues, asked: str | None) -> None:
    """Refuses values that are no class ids, or not clearly. Raises `DatasetError`."""
    found, top = values.values, values.top
    seen = f"The masks hold {len(found)} values from {found[0]} to {top} ({first_five(found)})"
    if found[0] < 0 or top > 254:
        unknown = found[0] if found[0] < 0 else top
        raise DatasetError(
            f"{seen}; class ids from 0 to 254 are expected. {NUMBERED} If {unknown} means "
            f"'unknown': --ignore_index {unknown}."
        )
    gaps = values.has_gaps
    open_question = values.named is None and asked is None and not values.palette
    doubtful = gaps or (top >= 200 and len(found) > MAX_LEVELS)
    if open_question and (doubtful or values.is_shapeless):
        looks, cure = "instance ids or soft edges", "--mask_encoding instances or "
        if gaps:
            looks, cure = "gray levels that stand for classes", f"{COLORS_CURE} or "
        void = values.counts[IGNORE] if IGNORE in values.ignored else 0
        beside = f" beside 255 ({void / values.counts.total():.1%})" if void else ""
        raise DatasetError(
            f"{seen}{beside}, which may be class ids or {looks}. Say what they mean with "
            f"{cure}{BINARY_CURE}; --mask_encoding ids if each value is a class id."
        )
