"""Detects from some masks of a data set what their stored values mean.

`read_mask` gives the values as they are in the file, `detect_encoding` infers their meaning from
some masks, and `MaskEncoding.decode` turns every mask into class ids. `MaskEncoding.describe` says
what was inferred. A value that the rule does not know is an error, never a class.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import DatasetError
from .mask_encoding import IGNORE, MaskEncoding, check_categories, unknown_colors
from .stored_masks import (
    RawMask,
    ade20k_classes,
    first_five,
    foreground_of,
    format_ranges,
    hex_color,
    instances_of,
    looks_smooth,
    only_mask,
    packed_colors,
    plane_of,
    read_mask,
    value_counts,
    whole_numbers,
)

__all__ = ["IGNORE", "MaskEncoding", "RawMask", "detect_encoding", "instances_of", "read_mask"]

ENCODINGS = ("ids", "binary", "colors", "ade20k")
MAX_COLORS = 64  # a mask with more is a photograph, or was stored with losses (JPEG)
UNCLEAR = "Say what they mean with --mask_encoding (ids, binary or colors) or --id2label"


def detect_encoding(
    masks: Sequence[RawMask | Sequence[RawMask]],
    *,
    id2label: dict[str, str] | None = None,
    ignore_index: int | None = None,
    reduce_labels: bool = False,
    label_colors: dict[str, str] | None = None,
    mask_encoding: str | None = None,
    categories: Sequence[Sequence[int]] | None = None,
) -> MaskEncoding:
    """Infers the meaning of the values of these masks; about 32 of a data set are enough.

    Args:
        id2label: Names of the classes, after `reduce_labels`; decides how many there are.
        ignore_index: A stored value that becomes `IGNORE`.
        reduce_labels: Stored 0 becomes `IGNORE`, other values one less.
        label_colors: "#rrggbb" -> class id; "255" ignores the color.
        mask_encoding: "ids", "binary", "colors" or "ade20k"; detected if None.
        categories: For lists of masks, the category of each mask, counted from 0.

    Raises:
        DatasetError: The values have no clear meaning, or do not fit the given names.
    """
    if mask_encoding not in (None, *ENCODINGS):
        raise DatasetError(f"--mask_encoding {mask_encoding} is none of {', '.join(ENCODINGS)}.")
    named = max(map(int, id2label), default=-1) + 1 if id2label else None
    listed = any(not isinstance(mask, RawMask) and len(mask) > 1 for mask in masks)
    if mask_encoding is None and not label_colors and (listed or categories is not None):
        _refuse("a list of masks a row", ignore_index, reduce_labels)
        return _detect_instances(masks, named, categories)
    flat = [
        only_mask(mask, mask_encoding or "") for mask in masks if isinstance(mask, RawMask) or mask
    ]
    if not flat:
        raise DatasetError("There is no mask to look at: the data is empty. Add labelled rows.")
    if mask_encoding == "ade20k":
        planes = [RawMask(ade20k_classes(mask)) for mask in flat]
        found = _detect_ids(planes, named, ignore_index, reduce_labels, "ids")
        rule = f"ADE20K colours, class = R // 10 * 256 + G; {found.rule}"
        return replace(found, kind="ade20k", rule=rule)
    colored = any(plane_of(mask) is None for mask in flat)
    if label_colors or mask_encoding == "colors" or (colored and mask_encoding is None):
        _refuse("masks of colours", ignore_index, reduce_labels)
        return _detect_colors(flat, named, label_colors)
    if colored:
        raise DatasetError(
            f"The masks are coloured: --mask_encoding {mask_encoding} does not apply. Use colors, "
            "or choose another --label_column."
        )
    _check_alpha(flat)
    return _detect_ids(flat, named, ignore_index, reduce_labels, mask_encoding)


def _detect_ids(
    masks: Sequence[RawMask],
    named: int | None,
    ignore_index: int | None,
    reduce_labels: bool,
    asked: str | None,
) -> MaskEncoding:
    """Detects the encoding of masks with one value a pixel."""
    planes = [plane_of(mask) for mask in masks]
    gray = [plane for plane in planes if plane.dtype != bool] or planes
    if any(plane.dtype.kind == "f" for plane in gray) and _soft(gray) and asked != "ids":
        rule = "fractions from 0 to 1, above 0.5 read as class 1, others as class 0"
        return MaskEncoding("binary", max(named or 2, 2), rule, threshold=0.5)
    counts: Counter[int] = Counter()
    for plane in gray:
        counts.update(value_counts(whole_numbers(plane)))
    ignored = () if ignore_index is None else (ignore_index,)
    zero_occurs = 0 in counts
    shares = {v: n / counts.total() for v, n in counts.items() if v not in ignored}
    if reduce_labels:
        ignored, asked = tuple(sorted({0, IGNORE, *ignored})), "ids"
        shares = {value: share for value, share in shares.items() if value not in ignored}
    values = sorted(shares)
    if not values:
        raise DatasetError(
            f"The masks hold {first_five(sorted(counts))} alone, which is ignored. Check "
            "--ignore_index and --reduce_labels, or choose another --label_column."
        )
    said = f", {first_five(ignored)} ignored" if ignored else ""
    top, palette = values[-1], any(mask.palette for mask in masks)

    def binary(rule: str, **kwargs: Any) -> MaskEncoding:
        return MaskEncoding("binary", max(named or 2, 2), rule + said, ignored=ignored, **kwargs)

    soft = f"{len(values)} values from {values[0]} to {top} read as soft edges: "
    soft += "above 127 class 1, others class 0"
    if asked == "binary":
        if top <= 255 and looks_smooth(shares):
            return binary(soft, threshold=127)
        return binary("0 read as class 0, every other value as class 1", threshold=0)
    if asked is None and (named or 2) <= 2:
        if gray[0].dtype == bool:
            return binary("1-bit masks: 0 and 1 read as classes 0 and 1", foreground=1)
        if looks_smooth(shares):
            return binary(soft, threshold=127)
        two = top == 255 or (top > 1 and 0 in shares and not (palette and named is None))
        if two and set(values) <= {0, top}:
            return binary(f"values 0 and {top} read as classes 0 and 1", foreground=top)

    if IGNORE in shares and len(values) > 1:
        if asked is None and shares[IGNORE] > 0.5:
            raise DatasetError(
                f"255 fills {shares[IGNORE]:.0%} of the masks, beside "
                f"{first_five(values[:-1])}: void, "
                f"or a class? Ignore it with --ignore_index 255. {UNCLEAR}."
            )
        said += f", 255 ignored (void, {shares.pop(IGNORE):.1%})"
        ignored = (*ignored, IGNORE)
        values, top = values[:-1], values[-2]
    _check_range(values, shares, named, asked, palette)
    shift = not zero_occurs and values[0] == 1 and len(values) > 1 and asked is None
    offset = int(reduce_labels or (shift and (named is None or top >= named)))
    num_classes = named or max(top - offset + 1, 2)
    outside = [value for value in values if value - offset >= num_classes]
    if outside:
        raise DatasetError(
            f"The masks hold {first_five(outside)}, but id2label names {num_classes} classes, 0 to "
            f"{num_classes - 1}. Name the others in id2label, or mark a value with --ignore_index."
        )
    rule = f"{'palette indices' if palette else 'values'} {format_ranges(values)}"
    if offset:
        why = "--reduce_labels" if reduce_labels else "they start at 1"
        rule += f" read as classes {format_ranges([value - offset for value in values])} ({why})"
    else:
        rule += " read as class ids"
    return MaskEncoding("ids", num_classes, rule + said, offset, ignored)


def _check_range(
    values: list[int], shares: dict[int, float], named: int | None, asked: str | None, palette: bool
) -> None:
    """Refuses values that are no class ids, or not clearly. Raises `DatasetError`."""
    top = values[-1]
    if values[0] < 0 or top > 254:
        seen = f"The masks hold {len(values)} values from {values[0]} to {top}"
        raise DatasetError(
            f"{seen}; class ids from 0 to 254 are expected. "
            "If they number objects, this looks like instance ids: give the column as "
            "--instance_column and the classes as --label_column, or train object against "
            "background with --mask_encoding binary. A value for 'unknown' goes to --ignore_index."
        )
    if named is None and asked is None and not palette:
        gaps = top >= 64 and 8 * len(values) < top
        if gaps or (top >= 200 and len(values) > MAX_COLORS):
            looks = "gray levels that stand for classes" if gaps else "instance ids or soft edges"
            raise DatasetError(
                f"The masks hold {len(values)} values up to {top} "
                f"({first_five(values)}), which may be "
                f"class ids or {looks}. {UNCLEAR}."
            )


def _soft(planes: Sequence[np.ndarray]) -> bool:
    """Whether the values are between 0 and 1, with fractions among them."""
    fractions = any((plane % 1 != 0).any() for plane in planes)
    return fractions and all(plane.min() >= 0 and plane.max() <= 1 for plane in planes)


def _detect_colors(
    masks: Sequence[RawMask], named: int | None, label_colors: dict[str, str] | None
) -> MaskEncoding:
    counts: Counter[int] = Counter()
    for mask in masks:
        counts.update(value_counts(packed_colors(mask)))
    if label_colors:
        colors = _parse_colors(label_colors)
        unknown = sorted(color for color in counts if hex_color(color) not in colors)
        if unknown:
            share = sum(counts[color] for color in unknown) / counts.total()
            raise DatasetError(unknown_colors([hex_color(color) for color in unknown], share))
        classes = [c for c in colors.values() if c != IGNORE]
        order = "as --label_colors says"
    else:
        if len(counts) > MAX_COLORS:
            raise DatasetError(
                f"The masks hold {len(counts)} colours: this looks like a photograph or an "
                "overlay; which column holds the mask? Say it with --label_column. If it is the "
                "mask, it was stored with losses (JPEG): export it as PNG."
            )
        colors = {hex_color(color): number for number, color in enumerate(sorted(counts))}
        classes = list(colors.values())
        order = "in the order of red, green, blue"
        if named is not None and len(colors) != named:
            raise DatasetError(
                f"The masks hold {len(colors)} colours ({first_five(list(colors))}), "
                f"but id2label names "
                f"{named} classes: which is which? Say it with --label_colors."
            )
    num_classes = named or max(max(classes, default=0) + 1, 2)
    if max(classes, default=0) >= num_classes:
        raise DatasetError(
            f"--label_colors names class {max(classes)}, but id2label has 0 to {num_classes - 1}."
        )
    pairs = ", ".join(f"{color} = {c}" for color, c in colors.items())
    ids = format_ranges(sorted(set(classes)))
    rule = f"{len(colors)} RGB colours read as classes {ids} {order}: {pairs}"
    return MaskEncoding("colors", num_classes, rule, colors=colors)


def _detect_instances(
    masks: Sequence[RawMask | Sequence[RawMask]],
    named: int | None,
    categories: Sequence[Sequence[int]] | None,
) -> MaskEncoding:
    rows = [[mask] if isinstance(mask, RawMask) else mask for mask in masks]
    for mask in (mask for row in rows for mask in row):
        foreground_of(mask)
    if categories is None:
        rule = "lists of masks, each object read as class 1, the rest as class 0"
        return MaskEncoding("instances", max(named or 2, 2), rule)
    highest = max((category for row in categories for category in row), default=0)
    num_classes = named or max(highest + 1, 1) + 1
    check_categories(rows, categories, num_classes)
    rule = "lists of masks, each painted as class category + 1; the rest is class 0"
    return MaskEncoding("instances", num_classes, rule)


def _check_alpha(masks: Iterable[RawMask]) -> None:
    """Refuses masks whose alpha channel holds the mask: they would be read as a single class."""
    clear = [mask.values for mask in masks if mask.values.ndim == 3 and mask.values.shape[2] == 4]
    if clear and len(np.unique([v for mask in clear for v in np.unique(mask[..., 0])])) == 1:
        alphas = {alpha for mask in clear for alpha in np.unique(mask[..., 3]).tolist()}
        if len(alphas) > 1:
            raise DatasetError(
                "The masks have one colour throughout and differ in their alpha channel alone. "
                "Export that channel as a gray mask."
            )


def _refuse(what: str, ignore_index: int | None, reduce_labels: bool) -> None:
    # 255 is never a class here, so --ignore_index 255 changes nothing.
    if reduce_labels or ignore_index not in (None, IGNORE):
        flag = "--reduce_labels" if reduce_labels else f"--ignore_index {ignore_index}"
        raise DatasetError(
            f"The data has {what}, to which {flag} does not apply. A colour that is to be ignored "
            'is given as class 255 in --label_colors, e.g. {"#000000": "255"}.'
        )


def _parse_colors(label_colors: dict[str, str]) -> dict[str, int]:
    colors = {}
    for color, number in label_colors.items():
        try:
            colors[hex_color(int(color.removeprefix("#"), 16))] = int(number)
            valid = len(color.removeprefix("#")) == 6 and 0 <= int(number) <= 255
        except ValueError:
            valid = False
        if not valid:
            raise DatasetError(
                f"--label_colors has {color!r}: {number!r}; a colour '#rrggbb' and a class from 0 "
                "to 254 (255: ignored) are expected."
            )
    return colors
