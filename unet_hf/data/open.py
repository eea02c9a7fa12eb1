"""Opens a data set: finds its splits, columns, mask encoding and class names.

The rows come from `sources`, the roles of their columns from `columns`, the meaning of the mask's
values from `detect_encoding`; `pairs` reads what was found.
"""

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..classes import is_membrane_data, numbered_names
from ..errors import DatasetError, UNetError
from ..files import BYTE_ORDER_MARK, parse_json
from ..words import number_of
from .columns import Columns, find_columns
from .detect_encoding import IGNORE, MaskEncoding, RawMask, detect_encoding
from .downloaded import check_downloaded
from .kinds import describe_kinds, kinds_of
from .options import DataOptions
from .paired_folders import MOST_NAMED, SPLITS
from .pairs import Pair, PairReader, Pairs, StreamedPairs, raw_masks
from .sources import Source, hub_commit, open_source, parse_labels
from .stacks import PAGE, expand_stacks, held_back_stacks

VALIDATION_NAMES = ("validation", "valid", "val", "dev")
INSPECTED_MASKS = 64  # masks of a split from which the encoding is told
NUMBERED = {"numbered": "ids of the masks", "instances": "a mask each"}  # encodings with objects
FEW_MASKS = 8  # of these, where a look at some is enough
STROKES = 0.2  # share of labelled pixels below which labels are strokes
STREAMED_VALIDATION = 200  # images; a stream has no end one could wait for


@dataclass
class LabelledData:
    """Both splits of a data set, and what was inferred about them."""

    train: Pairs | StreamedPairs
    validation: Pairs | StreamedPairs
    train_name: str  # name of the split
    validation_name: str  # in words, e.g. "train, 5 images held back"
    columns: Columns
    encoding: MaskEncoding
    id2label: dict[str, str]
    findings: list[str] = field(default_factory=list)  # what was inferred, in words
    kinds: np.ndarray | None = None  # (len(train),) str, of --balance_column
    objects: str | None = None  # in words, what tells objects of one class apart, see --objects
    divisions: float | None = None  # how often cells divide in the films, see `link`

    @property
    def num_classes(self) -> int:
        return len(self.id2label)

    @property
    def has_objects(self) -> bool:
        """Whether every pair has ids of its objects, which a network is to learn to part."""
        return self.objects is not None

    @property
    def has_ids(self) -> bool:
        """Whether these ids are the data's own, not those of connected pieces."""
        return self.has_objects and not self.train.reader.components


def pin_revision(config: DataOptions) -> DataOptions:
    """Returns the options with the current commit of a Hub data set, if the Hub says it.

    So all data is of one commit, even if somebody pushes in the meantime.
    """
    if Path(config.dataset_name).expanduser().exists():
        return config
    commit = hub_commit(config.dataset_name, config.dataset_revision, config.hub_token)
    return replace(config, dataset_revision=commit or config.dataset_revision)


def open_data(config: DataOptions) -> LabelledData:
    """Opens both splits: finds splits, columns, mask encoding and class names.

    config: From `pin_revision`; otherwise files of two commits of a Hub data set may be mixed.
    Raises `DatasetError` where a guess would be needed.
    """
    source = _open(config)
    train_name = _find_split(source, config.train_split, "--train_split")
    validation = _validation_split(source, config, train_name)
    source, reader, id2label, findings = _reader(source, config, train_name)
    rows = source.splits[train_name]

    if validation is not None:
        label = validation
        if config.streaming:
            parts = (
                StreamedPairs(rows, reader, train_name),
                StreamedPairs(source.splits[validation], reader, validation),
            )
        else:
            parts = (
                Pairs(rows, reader, train_name),
                Pairs(source.splits[validation], reader, validation),
            )
    elif config.streaming:
        held = config.max_validation_images or STREAMED_VALIDATION
        label = f"{train_name}, its first {number_of(held, 'image')}"
        findings.append(
            f"no validation split: the first {number_of(held, 'image')} of {train_name} "
            f"{_are(held)} held back"
        )
        parts = (
            StreamedPairs(rows, reader, train_name, skip=held),
            StreamedPairs(rows.take(held), reader, train_name),
        )
    else:
        kept, held, which = _held_back(rows, reader.columns, config)
        label = f"{train_name}, {number_of(len(held), 'image')} held back"
        findings.append(
            f"no validation split: {len(held)} of {number_of(len(rows), 'image')} of {train_name} "
            f"{_are(len(held))} held back{which} "
            f"(--train_val_split {config.train_val_split}, --seed {config.seed})"
        )
        parts = Pairs(rows, reader, train_name, kept), Pairs(rows, reader, train_name, held)
    if config.max_validation_images and isinstance(parts[1], Pairs):
        parts[1].indices = parts[1].indices[: config.max_validation_images]
    kinds = None
    if config.balance_column:
        kinds = kinds_of(parts[0], config.balance_column)
        findings.append(describe_kinds(kinds, config.balance_column))
    return LabelledData(
        *parts, train_name, label, reader.columns, reader.encoding, id2label, findings, kinds,
        _find_objects(reader, config), source.divisions.get(train_name),
    )  # fmt: skip


@dataclass(frozen=True)
class ValidationPairs:
    """The pairs to evaluate on, or the first `count` of them; each pass reads one at a time."""

    data: LabelledData
    config: DataOptions
    count: int | None = None

    def __iter__(self) -> Iterator[Pair]:
        pairs = self.data.validation
        if isinstance(pairs, Pairs):
            return iter(itertools.islice(pairs, self.count))
        limit = self.config.max_validation_images or STREAMED_VALIDATION
        reads = pairs.first(min(limit, self.count or limit))
        return (read() for read in reads)


def open_split(config: DataOptions, split: str) -> tuple[Pairs, dict[str, str]]:
    """Opens only one split, for an evaluation; returns its pairs and class names.

    The few objects of a small split may look like classes: then masks of the training split show
    that they are objects.
    """
    found = _open(config)
    name = _find_split(found, split, "--split")
    source, reader, id2label, _ = _reader(found, config, name)
    trained = config.train_split
    if reader.encoding.kind == "ids" and trained != name and trained in found.splits:
        with contextlib.suppress(DatasetError):
            _, other, names, _ = _reader(found, config, trained)
            if other.encoding.kind == "numbered":
                reader, id2label = other, names
    return Pairs(source.splits[name], reader, name), id2label


def held_back(count: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws positions to train on and positions to evaluate on; at least one of each."""
    if count < 2:
        raise DatasetError(
            f"The data set has {number_of(count, 'labelled image')} and no validation split. "
            "Two are the least one can train on and evaluate on."
        )
    order = np.random.default_rng(seed).permutation(count)
    held = min(max(1, round(count * share)), count - 1)
    return np.sort(order[held:]), np.sort(order[:held])


def _held_back(
    rows: Any, columns: Columns, config: DataOptions
) -> tuple[np.ndarray, np.ndarray, str]:
    """Draws what is held back, see `held_back`; of stacks whole ones. Also says which, in words."""
    if PAGE not in rows.column_names:
        return *held_back(len(rows), config.train_val_split, config.seed), ""
    kept, held, which = held_back_stacks(rows, columns, config.train_val_split, config.seed)
    return kept, held, f", {which}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _open(config: DataOptions) -> Source:
    return open_source(
        config.dataset_name,
        config.dataset_config_name,
        config.dataset_revision,
        streaming=config.streaming,
        token=config.hub_token,
    )


def _find_split(source: Source, name: str, flag: str) -> str:
    if name not in source.splits:
        has = [*source.splits]
        more = f" and {len(has) - MOST_NAMED} more" if len(has) > MOST_NAMED else ""
        cure = ""
        if not {*has} & {*SPLITS.values()}:
            cure = (
                " If these are no splits but, say, patients or scenes: put their images into one "
                "folder images/ and their masks into masks/, each in a folder of its name."
            )
        raise DatasetError(
            f"The data set has no split {name!r}; it has {', '.join(has[:MOST_NAMED])}{more}. "
            f"Name one with {flag}.{cure}"
        )
    return name


def _validation_split(source: Source, config: DataOptions, train: str) -> str | None:
    if config.validation_split is not None:
        if config.validation_split == train:
            raise DatasetError(
                f"--validation_split {train!r} is the split that is trained on: its scores would "
                "mean nothing. Leave the option out and a share of the images is held back."
            )
        return _find_split(source, config.validation_split, "--validation_split")
    found = [name for name in VALIDATION_NAMES if name in source.splits and name != train]
    return found[0] if found else None


def _reader(
    source: Source, config: DataOptions, split: str
) -> tuple[Source, PairReader, dict[str, str], list[str]]:
    """Finds how the rows are read; also returns the source with a row for each page of stacks."""
    rows = source.splits[split]
    first = next(iter(rows), None)
    if first is None:
        raise DatasetError(f"The split {split} is empty.")
    columns = find_columns(
        source.features,
        image_column=config.image_column,
        label_column=config.label_column,
        instance_column=config.instance_column,
        first_row=first,
    )
    stacked, stacks = {}, []
    for name, part in source.splits.items():
        stacked[name], found = expand_stacks(part, columns, name, from_hub=source.from_hub)
        stacks += found
    source = replace(source, splits=stacked)
    rows = source.splits[split]
    if config.id2label:
        id2label, origin = (
            parse_labels(_json_text(config.id2label), "--id2label"),
            "from --id2label",
        )
        id2label = _checked_labels(id2label, "--id2label")
    else:
        id2label, origin = source.id2label, source.id2label_origin
        if id2label is not None:
            id2label = _checked_labels(id2label, "id2label.json of the data set")
    masks, categories = _sample_masks(source, columns, split, config.hub_token)
    meaning = config.mask_encoding or (None if config.label_colors else source.mask_encoding)
    encoding = _detect_mask_encoding(masks, categories, id2label, config, meaning)
    if id2label is not None:
        unique = numbered_names(id2label.values())
        if unique != [*id2label.values()]:
            origin += "; names that occur more than once are numbered"
            id2label = dict(zip(id2label, unique, strict=True))
    else:
        count = max(encoding.num_classes, 2)
        id2label = {str(index): f"class {index}" for index in range(count)}
        origin = "no names found; give them with --id2label"
    findings = [
        *source.findings,
        *stacks,
        f"columns: {columns.describe()}",
        f"mask values: {encoding.describe()}",
        f"classes: {', '.join(id2label.values())} ({origin})",
    ]
    keep_alpha = config.alpha_channel == "keep"
    reader = PairReader(
        columns, encoding, config.hub_token, keep_alpha, config.stack_page, source.from_hub,
        config.objects == "components",
    )  # fmt: skip
    walled = config.learns_cells and is_membrane_data(id2label)
    numbered = columns.instances or encoding.kind in NUMBERED
    if walled and not numbered and not _are_strokes(masks, encoding):
        reader = replace(reader, components=True)
    return source, reader, id2label, findings


def _are_strokes(masks: list[RawMask | list[RawMask]], encoding: MaskEncoding) -> bool:
    """Whether so few pixels are labelled that connected pieces are strokes, and not cells."""
    known = []
    for mask in masks[:FEW_MASKS]:
        with contextlib.suppress(DatasetError):  # the checks report it
            known.append(np.mean(encoding.decode(mask) != IGNORE))
    return bool(known) and np.mean(known) < STROKES


def _find_objects(reader: PairReader, config: DataOptions) -> str | None:
    """Says in words what tells objects of one class apart; None if nothing does, or nothing may.

    Masks of classes have objects only if components are asked for: two that touch are one piece.
    Where membranes keep them apart, they do without being asked.
    """
    if config.objects == "none":
        return None
    if reader.components:
        asked = config.objects == "components"
        return f"4-connected pieces{' of each class' if asked else ', kept apart by membranes'}"
    if reader.columns.instances:
        return f"ids of the column {reader.columns.instances!r}"
    return NUMBERED.get(reader.encoding.kind)


def _detect_mask_encoding(
    masks: list[RawMask | list[RawMask]],
    categories: list[Any] | None,
    id2label: dict[str, str] | None,
    config: DataOptions,
    meaning: str | None,
) -> MaskEncoding:
    """Detects what the masks' values mean. meaning: What is known of it.

    If fewer than half of the masks are not understood, the others decide, and the checks report
    the few.
    """
    label_colors = _label_colors(config)

    def detect(chosen: list[int]) -> MaskEncoding:
        return detect_encoding(
            [masks[index] for index in chosen],
            id2label=id2label,
            ignore_index=config.ignore_index,
            reduce_labels=config.reduce_labels,
            label_colors=label_colors,
            mask_encoding=meaning,
            categories=categories and [categories[index] for index in chosen],
        )

    def is_understood(index: int) -> bool:
        try:
            detect([index])
        except DatasetError:
            return False
        return True

    all_masks = list(range(len(masks)))
    try:
        return detect(all_masks)
    except DatasetError:
        clear = [index for index in all_masks if is_understood(index)]
        if len(clear) in (0, len(masks)) or len(clear) <= len(masks) / 2:
            raise
        return detect(clear)


def _sample_masks(
    source: Source, columns: Columns, split: str, token: str | None
) -> tuple[list[RawMask | list[RawMask]], list[Any] | None]:
    """Reads up to INSPECTED_MASKS masks spread over the split, or the first ones of a stream.

    Masks that cannot be read are left out; the checks report them.
    """
    rows = source.splits[split]
    if hasattr(rows, "__len__"):
        wanted = np.unique(np.linspace(0, len(rows) - 1, INSPECTED_MASKS).astype(int))
        chosen = (rows[int(index)] for index in wanted)
    else:
        chosen = itertools.islice(iter(rows), INSPECTED_MASKS)
    masks, categories, failure = [], [], None
    for row in chosen:
        try:
            if source.from_hub:
                check_downloaded(row[columns.label])
            masks.append(raw_masks(row[columns.label], token, row.get(PAGE)))
        except UNetError as error:
            failure = error
            continue
        categories.append(row[columns.categories] if columns.categories else None)
    if not masks:
        raise DatasetError(f"No mask of {split} can be read: {failure}")
    return masks, categories if columns.categories else None


def _label_colors(config: DataOptions) -> dict[str, int] | None:
    if not config.label_colors:
        return None
    try:
        colors = parse_json(_json_text(config.label_colors))
        return {str(color).lower(): int(index) for color, index in colors.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise DatasetError(
            f'--label_colors is not a mapping like {{"#ff0000": 1}}: {error}.'
        ) from error


def _json_text(option: str) -> str:
    """The JSON text of an option that is JSON or the name of a JSON file."""
    if not option.lstrip(BYTE_ORDER_MARK).lstrip().startswith(("{", "[")):
        path = Path(option)
        if not path.is_file():
            raise DatasetError(f"There is no file {option}, and it is no JSON either.")
        return path.read_text(encoding="utf-8-sig")
    return option.lstrip(BYTE_ORDER_MARK)


def _checked_labels(labels: dict[str, str], where: str) -> dict[str, str]:
    """Class names in the order of ids, from 0 without gaps. Raises `DatasetError`."""
    if set(labels) != {str(index) for index in range(len(labels))} or len(labels) < 2:
        raise DatasetError(
            f"{where} names the classes {', '.join(labels)}; ids from 0 on without gaps are "
            "expected, at least two."
        )
    return {str(index): labels[str(index)] for index in range(len(labels))}
