"""`MaskEncoding`: what the stored values of masks mean; turns masks into class ids."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import DatasetError
from .levels import ODD, flat_areas, nearest_levels
from .stored_masks import (
    RawMask,
    ade20k_classes,
    common_shape,
    first_five,
    foreground_of,
    hex_color,
    instances_of,
    only_mask,
    packed_colors,
    plane_of,
    whole_numbers,
)

IGNORE = 255  # class id of pixels that neither train nor count; classes are 0 to 254


NOISE = 0.01  # share of the pixels of a mask of 0 to 255 that losses may leave at 1


@dataclass(frozen=True)
class MaskEncoding:
    """Meaning of the stored values of a data set's masks. Made by `detect_encoding`."""

    kind: str  # "ids", "binary", "levels", "numbered", "colors", "instances" or "ade20k"
    num_classes: int
    rule: str  # in words
    offset: int = 0  # "ids", "ade20k": class = stored value - offset
    ignored: tuple[int, ...] = ()  # stored values that become IGNORE
    foreground: int | None = None  # "binary": the stored value of class 1
    threshold: float | None = None  # "binary", "numbered": class 1 is every value above this
    colors: dict[str, int] = field(default_factory=dict)  # "colors": "#rrggbb" -> class or IGNORE
    levels: dict[int, int] = field(default_factory=dict)  # "levels": value -> class or IGNORE
    nearest: bool = False  # "colors": other colors belong to the nearest one, within bounds
    noise: int = 0  # "levels", "colors": distance up to which a value is a level
    guessed_void: bool = False  # "ids": nobody said that 255 is to be ignored

    def decode(
        self,
        mask: RawMask | Sequence[RawMask],
        categories: Sequence[int] | None = None,
        *,
        shape: tuple[int, int] | None = None,
    ) -> np.ndarray:
        """Turns a stored mask into class ids: (H, W) uint8, `IGNORE` where nothing is known.

        categories: The category of each mask in a list, for "instances".
        shape: (H, W), needed only for an empty list.
        Raises `DatasetError` for values that the encoding does not know.
        """
        if self.kind == "instances":
            return self._paint([mask] if isinstance(mask, RawMask) else mask, categories, shape)
        mask = only_mask(mask, self.kind)
        if self.kind == "colors":
            return self._from_colors(packed_colors(mask))
        if self.kind == "levels":
            return self._from_levels(mask)
        values = ade20k_classes(mask) if self.kind == "ade20k" else plane_of(mask)
        if values is None:
            raise DatasetError(f"A mask is coloured; the others were not ({self.rule}).")
        if self.kind == "binary" and values.dtype == bool:
            # True in a 1-bit file is white, like 255 in the other masks.
            classes, wrong = values, np.zeros(values.shape, bool)
        elif self.threshold is not None:
            classes, wrong = values > self.threshold, np.isnan(values)
            ones = values == 1
            if self.threshold > 1 and ones.mean() > NOISE and values.max() == 1:
                wrong |= ones  # of another scale, on which it is no dark noise
        elif self.kind == "binary":
            classes = values == self.foreground
            wrong = ~classes & (values != 0)
        else:
            classes = whole_numbers(values) - self.offset
            wrong = (classes < 0) | (classes >= self.num_classes)
        ignored = np.isin(values, self.ignored)
        wrong &= ~ignored
        if wrong.any():
            raise DatasetError(
                f"A mask holds {first_five(np.unique(values[wrong]))} in {wrong.mean():.2%} of its "
                f"pixels, outside of what the masks looked at first held ({self.rule}; "
                f"{self.num_classes} classes). Name all classes with --id2label, mark a value with "
                "--ignore_index, or choose a --mask_encoding."
            )
        return np.where(ignored, IGNORE, classes).astype(np.uint8)

    def instances(
        self, mask: RawMask | Sequence[RawMask], *, shape: tuple[int, int] | None = None
    ) -> np.ndarray | None:
        """Instance ids of a stored mask, (H, W) int32, 0 for background; None if it has none.

        shape: (H, W), needed only for an empty list.
        Raises `DatasetError` for ids that are no positive numbers of 32 bits.
        """
        if self.kind == "instances" and not isinstance(mask, RawMask):
            return instances_of(mask, shape=shape)
        if self.kind != "numbered":
            return None
        ids = whole_numbers(plane_of(only_mask(mask, self.kind)))
        return instances_of(RawMask(np.where(np.isin(ids, self.ignored), 0, ids)))

    def describe(self) -> str:
        """Says in one sentence which values are read as which classes."""
        return self.rule

    def _from_levels(self, mask: RawMask) -> np.ndarray:
        plane = plane_of(mask)
        if plane is None:
            raise DatasetError(f"A mask is coloured; the others were not ({self.rule}).")
        # True in a 1-bit file is white, like the highest level in the other masks.
        values = plane * max(self.levels) if plane.dtype == bool else whole_numbers(plane)
        ignored = np.isin(values, self.ignored)
        values = np.where(ignored, min(self.levels), values)
        classes, unknown = self._nearest(values, self.levels, colored=False)
        if unknown.any():
            raise DatasetError(
                f"A mask holds {first_five(np.unique(values[unknown]))} in {unknown.mean():.2%} of "
                f"its pixels, where no soft edges are ({self.rule}). Say what the values mean with "
                "--mask_encoding or --ignore_index, or repair the mask."
            )
        return np.where(ignored, IGNORE, classes).astype(np.uint8)

    def _from_colors(self, packed: np.ndarray) -> np.ndarray:
        table = {int(color[1:], 16): number for color, number in self.colors.items()}
        if self.nearest:
            classes, unknown = self._nearest(packed, table, colored=True)
        else:
            # Sorted keys and a search in them: several times faster than np.unique of a large mask.
            known = np.array(sorted(table))
            where = np.searchsorted(known, packed).clip(max=len(known) - 1)
            classes = np.array([table[color] for color in known.tolist()], np.uint8)[where]
            unknown = known[where] != packed
        if unknown.any():
            colors = [hex_color(color) for color in np.unique(packed[unknown]).tolist()]
            raise DatasetError(unknown_colors(colors, unknown.mean()))
        return classes

    def _nearest(
        self, plane: np.ndarray, table: dict[int, int], *, colored: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns classes, and the pixels that are too many or too plainly areas to be edges."""
        known = sorted(table)
        index, distance = nearest_levels(plane, known, colored=colored, noise=self.noise)
        odd, far = distance > self.noise, distance > 2 * self.noise
        unknown = odd if odd.mean() > ODD else flat_areas(plane, far, self.noise, colored=colored)
        return np.array([table[value] for value in known], np.uint8)[index], unknown

    def _paint(
        self,
        masks: Sequence[RawMask],
        categories: Sequence[int] | None,
        shape: tuple[int, int] | None,
    ) -> np.ndarray:
        if categories is None:
            categories = [0] * len(masks)
        classes = np.zeros(common_shape(masks, shape), np.uint8)
        check_categories([masks], [categories], self.num_classes)
        for mask, category in zip(masks, categories, strict=True):
            classes[foreground_of(mask)] = category + 1
        return classes


def check_categories(
    rows: Sequence[Sequence[RawMask]], categories: Sequence[Sequence[int]], num_classes: int
) -> None:
    """Checks that each mask has a category, and that it is a class. Raises `DatasetError`."""
    for masks, found in zip(rows, categories, strict=True):
        if len(masks) != len(found):
            raise DatasetError(
                f"A row has {len(masks)} masks but {len(found)} categories; one a mask is expected."
            )
        wrong = [c for c in found if not 0 <= c < min(num_classes - 1, IGNORE - 1)]
        if wrong:
            raise DatasetError(
                f"Masks have the categories {first_five(wrong)}; with {num_classes} "
                f"classes, of which 0 "
                f"is the background, 0 to {num_classes - 2} are expected. Name all with --id2label."
            )


def unknown_colors(colors: list[str], share: float) -> str:
    """Message about colors without a class; share: of the pixels, 0 to 1."""
    return (
        f"The masks hold colours without a class: {first_five(colors)}, in {share:.2%} "
        f"of the pixels. "
        "Give each its class with --label_colors (255: ignored); only soft edges are read as the "
        "nearest colour."
    )
