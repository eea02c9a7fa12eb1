"""A data set -> pairs of images and masks.

The rows come from `sources`, the roles of their columns from `columns`, the meaning of the mask's
values from `detect_encoding`; here they meet. Images are read by `images.reading`, as every
other image is, so that training sees the pixels that `segment` will see.
"""

import itertools
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DatasetError, UNetError
from ..files import parse_json
from ..images.image_data import ImageData
from ..images.reading import read_image
from .cache import BoundedCache
from .columns import Columns, find_columns
from .detect_encoding import (
    IGNORE,
    MaskEncoding,
    RawMask,
    detect_encoding,
    instances_of,
    read_mask,
)
from .options import DataOptions
from .pair_error import PairError, cell_fault, fault
from .sources import Source, hub_commit, open_source, parse_labels, row_bytes

VALIDATION_NAMES = ("validation", "valid", "val", "dev")
LOOKED_AT = 64  # masks from which the encoding is told
STREAMED_VALIDATION = 200  # images; a stream has no end one could wait for
CACHED_PIXELS = 2**30  # bytes of decoded images and masks kept in memory

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Pair:
    """One labelled image."""

    name: str
    image: ImageData
    label: np.ndarray  # (H, W) uint8 class ids, IGNORE (255) where nothing is known
    instances: np.ndarray | None  # (H, W) int32, 0 background
    extras: dict[str, Any]  # the row's other columns

    @property
    def nbytes(self) -> int:
        ids = 0 if self.instances is None else self.instances.nbytes
        return self.image.pixels.nbytes + self.label.nbytes + ids


@dataclass(frozen=True)
class PairReader:
    """Rows as they are stored -> pairs."""

    columns: Columns
    encoding: MaskEncoding
    token: str | None = field(default=None, repr=False)  # of private data that is streamed

    def read(self, row: dict[str, Any], split: str, index: int) -> Pair:
        """Raises `PairError` with the row's place, whatever is wrong with it."""
        name = row_name(row, self.columns, split, index)
        try:
            return self._read(row, name)
        except PairError as error:
            raise PairError(f"{name} ({split}, row {index}): {error}", error.code, name) from error

    def _read(self, row: dict[str, Any], name: str) -> Pair:
        columns = self.columns
        with cell_fault("image", row[columns.image]):
            image = replace(read_cell(row[columns.image], self.token), source=name)
        size = (image.height, image.width)
        with cell_fault("mask", row[columns.label]):
            masks = raw_masks(row[columns.label], self.token)
        categories = row[columns.categories] if columns.categories else None
        shape = size if masks == [] else None  # no object in the whole image
        with fault("mask-values"):
            label = self.encoding.decode(masks, categories, shape=shape)
        instances = None
        if columns.instances:
            with cell_fault("instances", row[columns.instances]):
                instances = _instance_ids(row[columns.instances], size, self.token)
        elif self.encoding.kind == "instances" and isinstance(masks, list):
            instances = instances_of(masks, shape=shape)
        for what, array in (("mask", label), ("instances", instances)):
            if array is not None and array.shape != size:
                raise PairError(
                    f"the image is {image.height} x {image.width}, its {what} {array.shape[0]} x "
                    f"{array.shape[1]}. Pair them anew or remove the row.",
                    "sizes-differ",
                )
        used = {columns.image, columns.label, columns.instances, columns.categories}
        extras = {key: value for key, value in row.items() if key not in used}
        return Pair(name, image, label, instances, extras)


def row_name(row: dict[str, Any], columns: Columns, split: str, index: int) -> str:
    """A readable name for messages: the image file's stem, or the row's place."""
    cell = row.get(columns.image)
    path = cell.get("path") if isinstance(cell, dict) else cell if isinstance(cell, str) else None
    return Path(path).stem if path else f"{split}-{index}"


def read_cell(cell: Any, token: str | None = None) -> ImageData:
    """An image cell: its own file if it has one, otherwise its bytes through a temporary one,
    so that there is one way of reading and not two."""
    if cell is None:
        raise DatasetError("the image is missing. Remove the row.")
    path, stored = (cell.get("path"), cell.get("bytes")) if isinstance(cell, dict) else (cell, None)
    if isinstance(path, str) and not stored and Path(path).is_file():
        return read_image(path)
    content, name = row_bytes(cell, token=token)
    if not content:
        raise DatasetError("the image is missing or empty. Remove the row.")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder) / f"image{Path(name).suffix}"
        file.write_bytes(content)
        return read_image(file)


def raw_masks(cell: Any, token: str | None = None) -> RawMask | list[RawMask]:
    if isinstance(cell, list):
        return [raw_masks(item, token) for item in cell]
    content = row_bytes(cell, token=token)[0] if cell is not None else None
    if not content:
        raise DatasetError("the mask is missing or empty. Remove the row.")
    return read_mask(content)


def _instance_ids(cell: Any, size: tuple[int, int], token: str | None) -> np.ndarray:
    masks = raw_masks(cell, token)
    if isinstance(masks, list):
        return instances_of(masks, shape=None if masks else size)
    if masks.values.ndim != 2:
        raise DatasetError(
            f"the instance ids have the shape {masks.values.shape}; one plane is expected. "
            "Name another --instance_column, or 'none'."
        )
    return masks.values.astype(np.int32)


class Pairs(Sequence[Pair]):
    """The pairs of a split that can be asked for one by one. Decoded when asked for, and kept
    while there is room."""

    def __init__(
        self, rows: Any, reader: PairReader, split: str, indices: np.ndarray | None = None
    ) -> None:
        self.rows = rows
        self.reader = reader
        self.split = split
        self.indices = np.arange(len(rows)) if indices is None else indices
        self.cache: BoundedCache[Pair] = BoundedCache(CACHED_PIXELS)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> Pair:  # type: ignore[override]
        index = int(self.indices[position])
        return self.cache.get(index, lambda: self._read(index), lambda pair: pair.nbytes)

    def once(self, position: int) -> Pair:
        """A pair for who keeps what is made of it: it is not kept here if it was not before."""
        index = int(self.indices[position])
        kept = self.cache.items.get(index)
        return self._read(index) if kept is None else kept

    def _read(self, index: int) -> Pair:
        return self.reader.read(self.rows[index], self.split, index)

    def name(self, position: int) -> str:
        index = int(self.indices[position])
        return row_name(self.rows[index], self.reader.columns, self.split, index)


class StreamedPairs:
    """The pairs of a split that can only be read one after the other."""

    def __init__(self, rows: Any, reader: PairReader, split: str, skip: int = 0) -> None:
        self.rows = rows.skip(skip) if skip else rows
        self.reader = reader
        self.split = split

    def epoch(self, number: int, seed: int, buffer_size: int, skip: int = 0) -> Iterator[Callable]:
        """The epoch's rows in its own order, each as a function that decodes it: who takes
        every other row need not decode the rest.

        The order follows from seed and number alone, so leaving out the first `skip` rows goes
        on exactly where a killed run was.
        """
        rows = self.rows.shuffle(seed=seed, buffer_size=buffer_size)
        rows.set_epoch(number)
        # Not `rows.skip`, which forgets the epoch.
        for index, row in enumerate(itertools.islice(iter(rows), skip, None), start=skip):
            yield lambda row=row, index=index: self.reader.read(row, self.split, index)

    def first(self, count: int) -> Iterator[Callable[[], Pair]]:
        for index, row in enumerate(itertools.islice(iter(self.rows), count)):
            yield lambda row=row, index=index: self.reader.read(row, self.split, index)


@dataclass
class LabelledData:
    """Both splits, and what was found out about them before anything is decoded."""

    train: Pairs | StreamedPairs
    validation: Pairs | StreamedPairs
    train_name: str  # in words, "train" or "train, less the 15 % held back"
    validation_name: str
    columns: Columns
    encoding: MaskEncoding
    id2label: dict[str, str]
    findings: list[str] = field(default_factory=list)  # what was inferred, in words

    @property
    def num_classes(self) -> int:
        return len(self.id2label)


def pin_revision(config: DataOptions) -> DataOptions:
    """The same options with the commit that a Hub data set is at now, if the Hub says: whatever is
    pushed meanwhile, all of the data is of one."""
    if Path(config.dataset_name).expanduser().exists():
        return config
    commit = hub_commit(config.dataset_name, config.dataset_revision, config.hub_token)
    return replace(config, dataset_revision=commit or config.dataset_revision)


def open_data(config: DataOptions) -> LabelledData:
    """Finds splits, columns, mask encoding and class names. Raises `DatasetError` where a guess
    would be needed.

    config: Of a Hub data set as `pin_revision` gives it, or files of two commits may meet.
    """
    source = _open(config)
    train_name = _find_split(source, config.train_split, "--train_split")
    validation = _validation_split(source, config, train_name)
    reader, id2label, findings = _reader(source, config, train_name)
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
        label = f"{train_name}, its first {held} images"
        findings.append(
            f"no validation split: the first {held} images of {train_name} are held back"
        )
        parts = (
            StreamedPairs(rows, reader, train_name, skip=held),
            StreamedPairs(rows.take(held), reader, train_name),
        )
    else:
        kept, held = held_back(len(rows), config.train_val_split, config.seed)
        label = f"{train_name}, {len(held)} images held back"
        findings.append(
            f"no validation split: {len(held)} of {len(rows)} images of {train_name} are held back "
            f"(--train_val_split {config.train_val_split}, --seed {config.seed})"
        )
        parts = Pairs(rows, reader, train_name, kept), Pairs(rows, reader, train_name, held)
    if config.max_validation_images and isinstance(parts[1], Pairs):
        parts[1].indices = parts[1].indices[: config.max_validation_images]
    return LabelledData(
        *parts, train_name, label, reader.columns, reader.encoding, id2label, findings
    )


def validation_pairs(
    data: LabelledData, config: DataOptions, count: int | None = None
) -> Iterator[Pair]:
    """The pairs to evaluate on, or the first `count` of them, one at a time."""
    if isinstance(data.validation, Pairs):
        return iter(itertools.islice(data.validation, count))
    limit = config.max_validation_images or STREAMED_VALIDATION
    reads = data.validation.first(min(limit, count or limit))
    return (read() for read in reads)


def open_split(config: DataOptions, split: str) -> tuple[Pairs, dict[str, str]]:
    """One split alone, for an evaluation."""
    source = _open(config)
    name = _find_split(source, split, "--split")
    reader, id2label, _ = _reader(source, config, name)
    return Pairs(source.splits[name], reader, name), id2label


def held_back(count: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions to train on and positions to evaluate on; at least one of each."""
    if count < 2:
        raise DatasetError(
            f"The data set has {count} labelled image{'s' * (count != 1)} and no validation split. "
            "Two are the least one can train on and evaluate on."
        )
    order = np.random.default_rng(seed).permutation(count)
    held = min(max(1, round(count * share)), count - 1)
    return np.sort(order[held:]), np.sort(order[:held])


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
        raise DatasetError(
            f"The data set has no split {name!r}; it has {', '.join(source.splits)}. Name one "
            f"with {flag}."
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
) -> tuple[PairReader, dict[str, str], list[str]]:
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
    if config.id2label:
        id2label, origin = parse_labels(_text_of(config.id2label), "--id2label"), "from --id2label"
        id2label = _checked_labels(id2label, "--id2label")
    else:
        id2label, origin = source.id2label, source.id2label_origin
        if id2label is not None:
            id2label = _checked_labels(id2label, "id2label.json of the data set")
    masks, categories = _some_masks(rows, columns, split, config.hub_token)
    encoding = _encoding_of_most(masks, categories, id2label, config)
    if id2label is None:
        count = max(encoding.num_classes, 2)
        id2label = {str(index): f"class {index}" for index in range(count)}
        origin = "no names found; give them with --id2label"
    findings = [
        *source.findings,
        f"columns: {columns.describe()}",
        f"mask values: {encoding.describe()}",
        f"classes: {', '.join(id2label.values())} ({origin})",
    ]
    return PairReader(columns, encoding, config.hub_token), id2label, findings


def _encoding_of_most(
    masks: list[RawMask | list[RawMask]],
    categories: list[Any] | None,
    id2label: dict[str, str] | None,
    config: DataOptions,
) -> MaskEncoding:
    """What the masks' values mean. Where a few masks alone are not understood, the others tell,
    and the few are left to the checks, which name them."""
    label_colors = _label_colors(config)

    def detect(chosen: list[int]) -> MaskEncoding:
        return detect_encoding(
            [masks[index] for index in chosen],
            id2label=id2label,
            ignore_index=config.ignore_index,
            reduce_labels=config.reduce_labels,
            label_colors=label_colors,
            mask_encoding=config.mask_encoding,
            categories=categories and [categories[index] for index in chosen],
        )

    def is_understood(index: int) -> bool:
        try:
            detect([index])
        except DatasetError:
            return False
        return True

    everything = list(range(len(masks)))
    try:
        return detect(everything)
    except DatasetError:
        clear = [index for index in everything if is_understood(index)]
        if len(clear) in (0, len(masks)) or len(clear) <= len(masks) / 2:
            raise
        return detect(clear)


def _some_masks(
    rows: Any, columns: Columns, split: str, token: str | None
) -> tuple[list[RawMask | list[RawMask]], list[Any] | None]:
    """Up to LOOKED_AT masks, spread over the split, or the first ones of a stream. One that
    cannot be read is left to the checks, which say which it is."""
    if hasattr(rows, "__len__"):
        wanted = np.unique(np.linspace(0, len(rows) - 1, LOOKED_AT).astype(int))
        chosen = (rows[int(index)] for index in wanted)
    else:
        chosen = itertools.islice(iter(rows), LOOKED_AT)
    masks, categories, failure = [], [], None
    for row in chosen:
        try:
            masks.append(raw_masks(row[columns.label], token))
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
        colors = parse_json(_text_of(config.label_colors))
        return {str(color).lower(): int(index) for color, index in colors.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise DatasetError(
            f'--label_colors is not a mapping like {{"#ff0000": 1}}: {error}.'
        ) from error


def _text_of(option: str) -> str:
    """An option that is JSON, or the name of a JSON file."""
    if not option.lstrip().startswith(("{", "[")):
        path = Path(option)
        if not path.is_file():
            raise DatasetError(f"There is no file {option}, and it is no JSON either.")
        return path.read_text(encoding="utf-8")
    return option


def _checked_labels(labels: dict[str, str], where: str) -> dict[str, str]:
    """Class names in the order of ids, from 0 without gaps. Raises `DatasetError`."""
    if set(labels) != {str(index) for index in range(len(labels))} or len(labels) < 2:
        raise DatasetError(
            f"{where} names the classes {', '.join(labels)}; ids from 0 on without gaps are "
            "expected, at least two."
        )
    return {str(index): labels[str(index)] for index in range(len(labels))}


def instance_ids(pair: Pair) -> np.ndarray:
    """(H, W) int32: the given ids, or 4-connected components of each class but the first.

    Class 0 is the ground that separates objects: background, matrix, membrane.
    """
    if pair.instances is not None:
        return pair.instances
    from skimage.measure import label as connected_components

    objects = np.where(pair.label == IGNORE, 0, pair.label)
    return connected_components(objects, connectivity=1).astype(np.int32)
