"""Detects from some masks of a data set what their stored values mean.

`read_mask` gives the values as they are in the file, `detect_encoding` infers their meaning from
some masks, and `MaskEncoding.decode` turns every mask into class ids. `MaskEncoding.describe` says
what was inferred. A value that the rule does not know is an error, never a class.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from ..errors import DatasetError
from .gray_encoding import detect_gray
from .levels import COLOR_NOISE, find_levels
from .mask_encoding import IGNORE, MaskEncoding, check_categories
from .stored_masks import (
    RawMask,
    ade20k_classes,
    first_five,
    foreground_of,
    format_ranges,
    hex_color,
    instances_of,
    only_mask,
    packed_colors,
    plane_of,
    read_mask,
    value_counts,
)

__all__ = ["IGNORE", "MaskEncoding", "RawMask", "detect_encoding", "instances_of", "read_mask"]

ENCODINGS = ("ids", "binary", "colors", "instances", "ade20k")
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
MAX_COLORS = 64  # a mask with more is a photograph, or was stored with losses (JPEG)


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
        mask_encoding: "ids", "binary", "colors", "instances" or "ade20k"; detected if None.
        categories: For lists of masks, the category of each mask, counted from 0.

    Raises:
        DatasetError: The values have no clear meaning, or do not fit the given names.
    """
    if mask_encoding not in (None, *ENCODINGS):
        raise DatasetError(f"--mask_encoding {mask_encoding} is none of {', '.join(ENCODINGS)}.")
    named = max(map(int, id2label), default=-1) + 1 if id2label else None
    listed = any(not isinstance(mask, RawMask) and len(mask) > 1 for mask in masks)
    objects = mask_encoding == "instances" and listed
    if (
        (mask_encoding is None or objects)
        and not label_colors
        and (listed or categories is not None)
    ):
        _refuse("a list of masks a row", ignore_index, reduce_labels)
        return _detect_instances(masks, named, categories)
    flat = [
        only_mask(mask, mask_encoding or "") for mask in masks if isinstance(mask, RawMask) or mask
    ]
    if not flat:
        raise DatasetError("There is no mask to look at: the data is empty. Add labelled rows.")
    if mask_encoding == "ade20k":
        planes = [RawMask(ade20k_classes(mask)) for mask in flat]
        found = detect_gray(planes, named, ignore_index, reduce_labels, "ids")
        rule = f"ADE20K colours, class = R // 10 * 256 + G; {found.rule}"
        return replace(found, kind="ade20k", rule=rule)
    colored = any(plane_of(mask) is None for mask in flat)
    if mask_encoding is None and not colored:
        colored = _palettes_speak(flat)
    if label_colors or mask_encoding == "colors" or (colored and mask_encoding is None):
        _refuse("masks of colours", ignore_index, reduce_labels)
        return _detect_colors(flat, named, label_colors)
    if colored:
        raise DatasetError(
            f"The masks are coloured: --mask_encoding {mask_encoding} does not apply. Use colors, "
            "or choose another --label_column."
        )
    _check_alpha(flat)
    return detect_gray(flat, named, ignore_index, reduce_labels, mask_encoding)


def _palettes_speak(masks: Sequence[RawMask]) -> bool:
    """Whether the colours of palettes say what is meant, and not the indices of these colours.

    So it is where programs have made a palette for each file: one index has several colours. And
    where all is black and white, if white is index 0, or is 255 in masks without a palette.
    """
    shown: dict[int, tuple[int, ...]] = {}
    without = set()
    for mask in masks:
        indices = np.unique(mask.values).tolist() if mask.values.dtype == np.uint8 else []
        if not mask.palette:
            without |= {*indices}
            continue
        for index in indices:
            color = mask.palette[index] if index < len(mask.palette) else BLACK
            if shown.setdefault(index, color) != color:
                return True
    return {*shown.values()} == {BLACK, WHITE} and (
        shown.get(0) == WHITE or without in ({0, 255}, {255})
    )


def _detect_colors(
    masks: Sequence[RawMask], named: int | None, label_colors: dict[str, str] | None
) -> MaskEncoding:
    """Detects which colors stand for classes, or takes those of `label_colors`."""
    planes = [packed_colors(mask) for mask in masks]
    counts: Counter[int] = Counter()
    for plane in planes:
        counts.update(value_counts(plane))
    found = None
    if label_colors:
        colors = _parse_colors(label_colors)
        unknown = {color: n for color, n in counts.items() if hex_color(color) not in colors}
        order, noise = "as --label_colors says", COLOR_NOISE if unknown else 0
        odd = sum(unknown.values()) / counts.total()
    else:
        found = find_levels(planes, colored=True)
        exact = found is None or not found.odd_values
        if exact and len(counts) > MAX_COLORS:
            raise DatasetError(
                f"The masks hold {len(counts)} colours: this looks like a photograph or an "
                "overlay; which column holds the mask? Say it with --label_column. If it is the "
                "mask, it was stored with losses (JPEG): export it as PNG."
            )
        chosen = sorted(counts) if exact else found.values
        colors = {hex_color(color): number for number, color in enumerate(chosen)}
        order, noise = "in the order of red, green, blue", 0 if exact else found.noise
        odd = 0.0 if exact else 1 - sum(counts[color] for color in chosen) / counts.total()
        if named is not None and len(colors) != named:
            raise DatasetError(
                f"The masks hold {len(colors)} colours ({first_five(list(colors))}), "
                f"but id2label names "
                f"{named} classes: which is which? Say it with --label_colors."
            )
    classes = [c for c in colors.values() if c != IGNORE]
    num_classes = named or max(max(classes, default=0) + 1, 2)
    if max(classes, default=0) >= num_classes:
        raise DatasetError(
            f"--label_colors names class {max(classes)}, but id2label has 0 to {num_classes - 1}."
        )
    pairs = ", ".join(f"{color} = {c}" for color, c in colors.items())
    ids = format_ranges(sorted(set(classes)))
    rule = f"{len(colors)} RGB colours read as classes {ids} {order}: {pairs}"
    if odd:
        rule += f"; {odd:.2%} of the pixels have {len(counts.keys()) - len(colors)} other colours "
        rule += "(soft edges, or losses of JPEG) and are read as the nearest one"
    encoding = MaskEncoding(
        "colors", num_classes, rule, colors=colors, nearest=bool(label_colors or odd), noise=noise
    )
    if label_colors and odd:
        for mask in masks:
            encoding.decode(mask)  # raises for colors that fill areas
    return encoding


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
