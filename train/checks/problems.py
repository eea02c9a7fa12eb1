"""Finds what is wrong with a data set, before anything is computed.

An "error" makes a training impossible or its result wrong, so the training is refused. A "warning"
is logged, and the training goes on. Both follow from the notes of `inspection`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from unet_hf.data.detect_encoding import IGNORE
from unet_hf.data.open import LabelledData
from unet_hf.data.pairs import Pairs
from unet_hf.errors import DatasetError
from unet_hf.words import number_of

from ..crops.shares import draw_shares
from .inspection import Inspection, PairSummary
from .row_faults import ROW_FAULTS, row_faults
from .seen import Seen, note

# Validation images that are also trained on change the mean score by at most their share. A larger
# share than this is an error, since the score would be misleading; a smaller one is a warning.
LEAK_ALLOWED = 0.01
RARE = 0.02  # share of the crops that show a class; below it, most batches do not show it
MIN_CROPS = 4  # area of all training images, in crops: fewer do not fill a batch
MUCH_IGNORED = 0.05  # share of the pixels of a validation split
HOLD_MORE = (
    "Other images are held back with another --seed, --train_val_split or number of --folds."
)
HANDFUL = 10  # pixels of a class in all training images; fewer teach nothing
ONLY_VOID = 0.9  # share of all that is not class 0; a guessed void with more is suspect
SHOWN = 5  # places that a problem names

Row = tuple[str, PairSummary]  # its place, "split/name", and the notes about it


@dataclass(frozen=True)
class Problem:
    """One kind of problem, with all places where it occurs."""

    code: str  # stable, for programs, e.g. "sizes-differ"
    severity: str  # "error" or "warning"
    what: str  # one sentence with numbers, without a full stop
    where: tuple[str, ...]  # the first five places, "split/name"
    count: int  # number of all places
    cure: str
    fixable: bool  # whether `python -m train check --fix` can leave it out safely

    def __str__(self) -> str:
        more = ", ..." if self.count > len(self.where) else ""
        places = f" ({', '.join(self.where)}{more})" if self.where else ""
        return f"{self.severity}: {self.what}{places}. {self.cure}"


def find_problems(
    data: LabelledData, inspection: Inspection, size: int, evaluated: bool = True
) -> list[Problem]:
    """Finds all problems, errors first.

    size: side of the training crops, px. evaluated: False for a training on all images, which has
    none to evaluate on.
    """
    train, validation = rows_of(data, inspection)
    certain = "error" if _is_certain(inspection, validation) else "warning"
    problems = [
        *_rows(train + validation, size),
        *_kinds(train + validation),
        *_leaks(train, validation),
        *_duplicates(train),
        *_duplicates(validation),
        *_empty_masks(train + validation, data),
        *_inverted_masks(train + validation, data),
        *_split(train, data, "train on", "error"),
        *(_split(validation, data, "evaluate on", certain) if evaluated else ()),
        *_flooded(train, data),
        *_few_images(inspection, size),
        *_classes(data, inspection, size),
        *_handfuls(data, inspection),
    ]
    return sorted(problems, key=lambda problem: problem.severity != "error")


def refuse_errors(
    data: LabelledData, inspection: Inspection, size: int, check: str, evaluated: bool = True
) -> list[Problem]:
    """Returns the warnings. Raises `DatasetError`, which lists every error and its cure.

    check: The command that checks the data, `TrainingConfig.check_command`. The others are those of
    `find_problems`.
    """
    problems = find_problems(data, inspection, size, evaluated)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        listed = "".join(f"\n- {str(problem).removeprefix('error: ')}" for problem in errors)
        raise DatasetError(
            f"The data set cannot be trained on as it stands:{listed}\n"
            f"`{check}` lists everything; with --fix FOLDER it "
            "writes a copy without the rows that cannot be used."
        )
    return problems


def rows_of(data: LabelledData, inspection: Inspection) -> tuple[list[Row], list[Row]]:
    """Lists the inspected rows of the training and the validation split."""
    return (
        [(f"{data.train.split}/{facts.name}", facts) for facts in inspection.train],
        [(f"{data.validation.split}/{facts.name}", facts) for facts in inspection.validation],
    )


def seen_in(data: LabelledData, inspection: Inspection) -> Seen:
    """Returns the notes by which changed images and masks are found later."""
    return {
        role: [
            note(place, facts.digest, facts.label_digest, facts.numbers_digest)
            for place, facts in rows
        ]
        for role, rows in zip(("train", "validation"), rows_of(data, inspection), strict=True)
    }


def by_pixels(rows: list[Row]) -> dict[bytes, list[Row]]:
    """Groups rows with the same image, without constant images (e.g. empty tiles)."""
    groups: dict[bytes, list[Row]] = defaultdict(list)
    for place, facts in rows:
        if facts.error is None and not facts.constant:
            groups[facts.digest].append((place, facts))
    return groups


def _problem(
    code: str, severity: str, what: str, rows: list[Row], cure: str, fixable: bool = False
) -> Problem:
    where = tuple(place for place, _ in rows[:SHOWN])
    return Problem(code, severity, what, where, len(rows), cure, fixable)


def _rows(rows: list[Row], size: int) -> Iterator[Problem]:
    found: dict[str, list[Row]] = defaultdict(list)
    for place, facts in rows:
        for fault in row_faults(facts, size):
            found[fault.code].append((place, facts))
    for fault in ROW_FAULTS:
        if faulty := found[fault.code]:
            what = f"{fault.what}: {len(faulty)} of {number_of(len(rows), 'row')}"
            if first := faulty[0][1].error:
                what += f"; the first is {first.split('. ')[0].rstrip('.')}"
            yield _problem(fault.code, fault.severity, what, faulty, fault.cure, fault.fixable)


def _kinds(rows: list[Row]) -> Iterator[Problem]:
    """Finds images whose number of channels or data type differs from the others."""
    yield from _differing(
        rows,
        lambda facts: facts.channels,
        "channels-differ",
        "error",
        "numbers of channels",
        "Convert all images to gray, or all to RGB.",
    )
    yield from _differing(rows, lambda facts: facts.dtype, "dtypes-differ", "warning",
                          "data types", "Convert all to one: the type sets the scale of the gray "
                          "values.")  # fmt: skip


def _differing(
    rows: list[Row], kind_of: Callable[[PairSummary], object], code: str, severity: str, of: str,
    cure: str,
) -> Iterator[Problem]:  # fmt: skip
    readable = [row for row in rows if row[1].error is None]
    kinds = Counter(kind_of(facts) for _, facts in readable).most_common()
    if len(kinds) > 1:
        seen = ", ".join(f"{kind} in {count}" for kind, count in kinds)
        others = [row for row in readable if kind_of(row[1]) != kinds[0][0]]
        what = f"The images have different {of}: {seen} of {number_of(len(readable), 'image')}"
        yield _problem(code, severity, what, others, cure)


def _leaks(train: list[Row], validation: list[Row]) -> Iterator[Problem]:
    held = by_pixels(validation)
    copies = [row for digest, rows in by_pixels(train).items() if digest in held for row in rows]
    if copies:
        seen = {facts.digest for _, facts in copies}
        leaked = sum(len(held[digest]) for digest in seen)
        severity = "error" if leaked > LEAK_ALLOWED * len(validation) else "warning"
        what = f"{leaked} of {number_of(len(validation), 'validation image')} "
        what += "is " if leaked == 1 else "are "
        what += "trained on as well, which makes the score too high"
        yield _problem("image-in-both-splits", severity, what, copies,
                       "Remove the copies from one of the splits.", True)  # fmt: skip


def _duplicates(rows: list[Row]) -> Iterator[Problem]:
    groups = [group for group in by_pixels(rows).values() if len(group) > 1]
    agree, contradict = [], []
    for group in groups:
        if len({facts.label_digest for _, facts in group}) > 1:
            contradict += group
        else:
            agree += group[1:]
    if contradict:
        what = f"{len(contradict)} of {number_of(len(rows), 'row')} show an image that comes again "
        what += "with another mask"
        yield _problem("image-twice-masks-differ", "error", what, contradict,
                       "Keep the right mask; if each holds one object, or one person's labels, "
                       "merge them into one.")  # fmt: skip
    if agree:
        what = (
            f"{number_of(len(agree), 'row')} of {len(rows)} repeat an earlier one, image and mask"
        )
        yield _problem("image-twice", "warning", what, agree,
                       "Remove the copies: they count double.", True)  # fmt: skip


def _empty_masks(rows: list[Row], data: LabelledData) -> Iterator[Problem]:
    known = [row for row in rows if row[1].labelled and not row[1].constant]
    empty = [(place, facts) for place, facts in known if facts.counts[0] == facts.labelled]
    if 0 < len(empty) < len(known):
        what = f"The mask holds class 0 ({data.id2label['0']}) alone: {len(empty)} of "
        what += number_of(len(rows), "row")
        yield _problem("mask-empty", "warning", what, empty,
                       "Keep them if nothing else is on these images; remove them if nobody has "
                       "labelled it.")  # fmt: skip


def _inverted_masks(rows: list[Row], data: LabelledData) -> Iterator[Problem]:
    """Finds masks whose class 1 covers as much as class 0 does in the others."""
    both = [row for row in rows if row[1].labelled and row[1].counts[:2].all()]
    if data.num_classes != 2 or not both:
        return
    shares = np.array([facts.counts[1] / facts.labelled for _, facts in both])
    low, high = shares[shares < 0.4], shares[shares > 0.6]
    if min(len(low), len(high)) < 2 or len(low) + len(high) < 0.9 * len(shares):
        return
    if 0.5 < np.median(1 - high) / np.median(low) < 2:
        few = shares > 0.6 if len(high) <= len(low) else shares < 0.4
        turned = [row for row, is_one in zip(both, few, strict=True) if is_one]
        what = f"{len(turned)} of {number_of(len(rows), 'mask')} may be inverted: class 1 covers "
        what += f"{np.median(low):.0%} of some images and {np.median(high):.0%} of others"
        yield _problem("mask-inverted", "warning", what, turned,
                       "Look at one of them, and invert those that are wrong.")  # fmt: skip


def _split(rows: list[Row], data: LabelledData, what: str, severity: str) -> Iterator[Problem]:
    """Finds a split that does not show two classes, so that nothing can be learned or tested.

    what: "train on" or "evaluate on".
    """
    counts = sum((facts.counts[: data.num_classes] for _, facts in rows), np.zeros(1, np.int64))
    if rows and all(facts.error for _, facts in rows):
        return  # reported for each row
    if not rows or counts.sum() == 0:
        seen = f"There is no labelled pixel to {what} in {number_of(len(rows), 'image')}"
        yield Problem("nothing-labelled", "error", seen, (), len(rows),
                      "Add labelled images, or name another split.", False)  # fmt: skip
    elif np.count_nonzero(counts) == 1:
        number = str(int(np.argmax(counts)))
        yield Problem(
            "one-class", severity,
            f"All labelled pixels to {what} are of class {number} ({data.id2label[number]})",
            tuple(place for place, _ in rows[:SHOWN]), len(rows),
            "See whether --label_column and --mask_encoding name what you mean, or add images "
            "that show other classes" + (f"; scores on one class mean nothing. {HOLD_MORE}"
            if what == "evaluate on" else "."), False,
        )  # fmt: skip


def _is_certain(inspection: Inspection, validation: list[Row]) -> bool:
    """Whether one class in the validation split makes its scores mean nothing.

    So it is if all images were looked at, or if much of them is ignored.
    """
    ignored = sum(int(facts.counts[IGNORE]) for _, facts in validation)
    area = sum(facts.area for _, facts in validation)
    return inspection.validation_total == len(validation) or ignored > MUCH_IGNORED * area


def _flooded(rows: list[Row], data: LabelledData) -> Iterator[Problem]:
    """Finds a void that nobody named and that is nearly all of what is not class 0."""
    counts = sum((facts.counts for _, facts in rows), np.zeros(256, np.int64))
    ignored, others = int(counts[IGNORE]), int(counts[1:IGNORE].sum())
    if data.encoding.guessed_void and ignored > ONLY_VOID * (ignored + others):
        yield Problem(
            "void-is-foreground", "error",
            f"255 was taken for void, and is {ignored / (ignored + others):.1%} of all that is not "
            f"class 0", (), len(rows),
            "If it is the foreground: --mask_encoding binary; if it is void: --ignore_index 255.",
            False,
        )  # fmt: skip


def _handfuls(data: LabelledData, inspection: Inspection) -> Iterator[Problem]:
    """Finds classes of a few pixels: strays, or too little to learn from."""
    counts = inspection.counts(data.num_classes)
    few = np.flatnonzero((counts > 0) & (counts < HANDFUL)).tolist()
    if not few or np.count_nonzero(counts) < 2:
        return
    severity = "error" if inspection.train_total == len(inspection.train) else "warning"
    rows = [row for row in rows_of(data, inspection)[0] if row[1].counts[few].any()]
    names = _some([f"{n} ({data.id2label[str(n)]}): {counts[n]}" for n in few])
    value = few[0] + data.encoding.offset
    cure = "Repair these masks, or label more of it."
    if data.encoding.kind == "ids":
        cure = f"Leave it out with --ignore_index {value}, or label more of it."
    yield _problem("class-few-pixels", severity, "Classes have a handful of pixels in all training "
                   f"images, too few to learn: {names}", rows, cure)  # fmt: skip


def _few_images(inspection: Inspection, size: int) -> Iterator[Problem]:
    readable = [facts for facts in inspection.train if facts.error is None]
    if not readable or inspection.train_total != len(inspection.train):
        return  # there are more images than were inspected
    crops = sum(facts.area for facts in readable) / size**2
    if len(readable) < 2 or crops < MIN_CROPS:
        what = f"There is little to train on: {number_of(len(readable), 'image')} with "
        what += f"{crops:.1f} times the area of a crop of {size} x {size} px"
        yield Problem("few-images", "warning", what, (), len(readable),
                      "Label more images, or larger ones.", False)  # fmt: skip


def _classes(data: LabelledData, inspection: Inspection, size: int) -> Iterator[Problem]:
    counts = inspection.counts(data.num_classes)
    if np.count_nonzero(counts) < 2:
        return  # reported for the whole split
    held = sum(
        (facts.counts[: data.num_classes] for facts in inspection.validation), np.zeros_like(counts)
    )
    looked_at = f"the {number_of(len(inspection.train), 'training image')} looked at"
    unseen = [number for number in range(data.num_classes) if not counts[number]]
    untested = [number for number in np.flatnonzero(counts).tolist() if not held[number]]
    for code, numbers, what, cure in (
        ("class-not-in-validation", untested if np.count_nonzero(held) > 1 else [],
         f"The {number_of(len(inspection.validation), 'validation image')} looked at have no pixel "
         "of classes that are trained on",
         f"Their scores mean nothing, and lower the mean. {HOLD_MORE}"),
        ("class-only-in-validation", [n for n in unseen if held[n]],
         f"The validation images show classes that {looked_at} do not",
         "They cannot be learned: move images of them to the training split."),
        ("class-without-pixels", [n for n in unseen if not held[n]],
         f"Classes are named, but {looked_at} have no pixel of them",
         "Leave them out of id2label, or see whether --mask_encoding and --reduce_labels fit."),
    ):  # fmt: skip
        if numbers:
            names = _some([f"{n} ({data.id2label[str(n)]})" for n in numbers])
            yield Problem(code, "warning", f"{what}: {names}", (), len(numbers), cure, False)

    shares = {
        n: share_of_crops(n, data, inspection, size, RARE) for n in np.flatnonzero(counts).tolist()
    }
    rare = {number: share for number, share in shares.items() if share < RARE}
    if rare:
        names = _some(
            [f"{n} ({data.id2label[str(n)]}) in {share:.1%}" for n, share in rare.items()]
        )
        rows = [row for row in rows_of(data, inspection)[0] if row[1].counts[list(rare)].any()]
        what = f"Random crops of {size} px hardly ever meet some classes: {names} of the crops, "
        what += f"estimated from where they lie in {looked_at}"
        yield _problem("class-rare", "warning", what, rows,
                       "Label more images that show them, or draw crops around them: "
                       "--class_sampling 0.33, which a plan does by itself.")  # fmt: skip


def share_of_crops(
    number: int, data: LabelledData, inspection: Inspection, size: int, enough: float = 1.0
) -> float:
    """Estimates the share of the training crops that show a class, without rotation and zoom.

    Images are weighted as `RandomCrops` draws them; those of a stream equally. Counting ends once
    the share is `enough`.
    """
    readable = [facts for facts in inspection.train if facts.error is None]
    if isinstance(data.train, Pairs):
        shares = draw_shares(
            np.array([facts.area for facts in readable]), size, _kinds_of(readable, data)
        )
    else:
        shares = np.full(len(readable), 1 / len(readable))
    met = 0.0
    for facts, share in zip(readable, shares, strict=True):
        met += share * facts.share_of_crops_with(number, size)
        if met >= enough:
            break
    return met


def _kinds_of(inspected: list[PairSummary], data: LabelledData) -> np.ndarray | None:
    if data.kinds is None:
        return None
    kinds = dict(zip(data.train.indices.tolist(), data.kinds.tolist(), strict=True))
    return np.array([kinds[facts.row] for facts in inspected])


def _some(items: list[str]) -> str:
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")
