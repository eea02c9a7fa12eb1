"""Lists, as a table, everything that can be wrong with one row of a data set."""

from collections.abc import Callable
from dataclasses import dataclass

from .inspection import PairSummary

CONTRADICTION = 0.01  # share of an image's pixels; outlines of ids and masks differ by less


@dataclass(frozen=True)
class RowFault:
    """A kind of fault of single rows."""

    code: str
    severity: str  # "error" or "warning"
    what: str
    cure: str
    fixable: bool  # the row can be left out without losing what was labelled well
    # Takes the facts of a row and the crop side, px; None: the row could not be read at all.
    found: "Callable[[PairSummary, int], bool] | None" = None


IN_PIECES = 3  # pieces an object; ids of more stand for classes
FEW = 10  # pieces of an image, which show nothing


def _unread(what: str, column: str, name: str, missing: str = "") -> tuple[RowFault, ...]:
    return (
        RowFault(f"{what}-missing", "error", f"The {name} is missing",
                 f"Add the file, or remove the row{missing}.", True),
        RowFault(f"{what}-unreadable", "error", f"The {name} cannot be read",
                 f"Export it again, remove the row, or name another --{column}_column.", True),
        # Not left out: the next try may succeed.
        RowFault(f"{what}-unreachable", "error", f"The file of the {name} cannot be reached",
                 "Check the network and try again, or download the data set.", False),
    )  # fmt: skip


ROW_FAULTS = (
    *_unread("image", "image", "image"),
    *_unread("mask", "label", "mask"),
    *_unread("instances", "instance", "map of instances",
             ", or train without ids: --instance_column none"),
    RowFault("foreign-file", "error",
             "The row names a file of this machine that is no part of the data set of the Hub",
             "It is not opened. If you trust the data set, download it and give the folder, or "
             "remove the row.", True),
    RowFault("sizes-differ", "error", "The image and its mask or instances differ in size",
             "Pair them again, or remove the row.", True),
    RowFault("stack-one-mask", "error", "The image is a stack of pages, and there is one mask",
             "Say which page the masks belong to, e.g. --stack_page 0, or store as many masks as "
             "pages.", False),
    RowFault("exif-turned", "warning",
             "EXIF turned the image, and its mask has no such mark: read as drawn upright",
             "Look at one of them; if the mask lies as the image is stored, save the image without "
             "its EXIF orientation.", False, lambda facts, size: facts.doubtful_turn),
    RowFault("mask-values", "error", "The mask holds values outside the classes",
             "Name all classes with --id2label, mark a value with --ignore_index, or repair the "
             "mask.", False),
    RowFault("image-not-finite", "error", "The image holds infinite values, or no data at all",
             "Replace infinite values, e.g. with NaN, which counts as no data, or remove the row.",
             True,
             lambda facts, size: not facts.finite),
    RowFault("mask-is-image", "error", "The mask equals its image",
             "Name the column of the masks with --label_column, or export the mask again.", False,
             lambda facts, size: facts.mask_is_image),
    RowFault("image-constant", "warning", "All pixels of the image are equal",
             "Remove the row, unless such images are to be segmented, too.", True,
             lambda facts, size: facts.constant),
    RowFault("mask-ignored", "warning", "The whole mask is ignored and teaches nothing",
             "Remove the row, or check --ignore_index and --reduce_labels.", True,
             lambda facts, size: facts.labelled == 0),
    RowFault("instances-contradict", "warning",
             f"In more than {CONTRADICTION:.0%} of the pixels, there is an instance on class 0, or "
             "an object without an instance",
             "Make mask and instances from the same labels, or give --instance_column none.", False,
             lambda facts, size: max(facts.stray, facts.unnumbered) > CONTRADICTION),
    RowFault("objects-in-pieces", "warning",
             "The numbers of the objects stand for many separate pieces each, as classes do",
             "Number each object by itself. If the values are classes: --mask_encoding ids or "
             "binary; if a column of ids is wrong: --instance_column none.", False,
             lambda facts, size: facts.objects is not None
             and facts.objects.pieces > max(IN_PIECES * len(facts.objects.diameters), FEW)),
    RowFault("image-small", "warning",
             "The image is smaller than half a training crop, which will show it mirrored",
             "Lower --resolution, or remove the row.", False,
             lambda facts, size: min(facts.height, facts.width) < size / 2),
)  # fmt: skip


def row_faults(facts: "PairSummary", size: int) -> list[RowFault]:
    """Finds all faults of a row; size: side of the training crops, px."""
    if facts.error is not None:
        return [fault for fault in ROW_FAULTS if fault.code == facts.code]
    return [fault for fault in ROW_FAULTS if fault.found and fault.found(facts, size)]
