"""Reads pairs of an image and its mask from the rows of a data set.

Images are read by `images.reading`, as every other image is, so that training sees the pixels
that `segment` will see.
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DatasetError
from ..images.image_data import ImageData, oriented
from ..images.reading import read_image
from .cache import BoundedCache
from .columns import Columns
from .detect_encoding import IGNORE, MaskEncoding, RawMask, instances_of, read_mask
from .downloaded import check_downloaded
from .pair_error import PairError, cell_fault, fault
from .sources import row_bytes
from .stacks import PAGE
from .stored_masks import plane_of

PREVIEWS = ("MPO",)  # formats whose other pages are smaller or from another eye
CACHED_PIXELS = 2**30  # bytes of decoded images and masks kept in memory


@dataclass(frozen=True, eq=False)
class Pair:
    """One labelled image."""

    name: str
    image: ImageData
    label: np.ndarray  # (H, W) uint8 class ids, IGNORE (255) where nothing is known
    instances: np.ndarray | None  # (H, W) int32, 0 background
    extras: dict[str, Any]  # the row's other columns
    notes: tuple[str, ...] = ()  # what reading noticed, in words
    doubtful_turn: bool = False  # EXIF turned the image, and the mask has no such mark

    @property
    def nbytes(self) -> int:
        arrays = (self.image.pixels, self.image.alpha, self.label, self.instances)
        return sum(0 if array is None else array.nbytes for array in arrays)


@dataclass(frozen=True)
class PairReader:
    """Turns rows, as they are stored, into pairs."""

    columns: Columns
    encoding: MaskEncoding
    token: str | None = field(default=None, repr=False)  # for private data that is streamed
    keep_alpha: bool = False  # a channel called alpha is one of the image's channels
    stack_page: int | None = None  # the labelled page of stacks with one mask each
    from_hub: bool = False  # rows may name no file of this machine
    components: bool = False  # objects are the 4-connected pieces, whatever ids there are

    def read(self, row: dict[str, Any], split: str, index: int) -> Pair:
        """Reads a row. Raises `PairError` with the row's place for every kind of fault."""
        name = row_name(row, self.columns, split, index)
        try:
            return self._read(row, name)
        except PairError as error:
            raise PairError(f"{name} ({split}, row {index}): {error}", error.code, name) from error

    def _read(self, row: dict[str, Any], name: str) -> Pair:
        columns, page = self.columns, row.get(PAGE)
        if self.from_hub:
            with fault("foreign-file"):
                for column in (columns.image, columns.label, columns.instances):
                    check_downloaded(row[column] if column else None)
        with cell_fault("image", row[columns.image]):
            chosen = self.stack_page if page is None else page
            image = read_cell(row[columns.image], self.token, chosen)
        if image.pages > 1 and chosen is None and image.format not in PREVIEWS:
            raise PairError(
                f"the image is a stack of {image.pages} pages with one mask. Say which page the "
                "mask belongs to, e.g. --stack_page 0, or store as many masks as pages.",
                "stack-one-mask",
            )
        image = replace(image.with_alpha() if self.keep_alpha else image, source=name)
        size = (image.height, image.width)
        with cell_fault("mask", row[columns.label]):
            masks = raw_masks(row[columns.label], self.token, page)
        categories = row[columns.categories] if columns.categories else None
        shape = size if masks == [] else None  # no object in the whole image
        with fault("mask-values"):
            label = self.encoding.decode(masks, categories, shape=shape)
        instances = None
        if columns.instances and not self.components:
            with cell_fault("instances", row[columns.instances]):
                instances = _instance_ids(row[columns.instances], size, self.token, page)
        elif not self.components:
            with fault("mask-values"):
                instances = self.encoding.instances(masks, shape=shape)
        label, instances, turned = _turned_like(image, label, instances)
        upright = isinstance(masks, RawMask) and masks.orientation == 1
        doubtful = image.orientation > 1 and upright and not turned
        for what, array in (("mask", label), ("instances", instances)):
            if array is not None and array.shape != size:
                raise PairError(
                    f"the image is {image.height} x {image.width}, its {what} {array.shape[0]} x "
                    f"{array.shape[1]}. Pair them again or remove the row.",
                    "sizes-differ",
                )
        if self.components:
            instances = components_of(label)
        valid = image.valid
        if valid is not None:  # nothing can be learned there, nor be wrong
            label = np.where(valid, label, np.uint8(IGNORE))
            instances = None if instances is None else np.where(valid, instances, 0)
        used = {columns.image, columns.label, columns.instances, columns.categories, PAGE}
        extras = {key: value for key, value in row.items() if key not in used}
        notes = (*image.notes, *turned)
        if valid is not None:
            notes += ("pixels that hold no data are ignored",)
        if page is not None:  # every page is a row of its own
            notes = tuple(note for note in notes if not note.startswith(f"page {page} of "))
        return Pair(name, image, label, instances, extras, notes, doubtful)


def _turned_like(
    image: ImageData, label: np.ndarray, instances: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Turns a mask whose sides are swapped as EXIF turned its image; returns a note if it did."""
    size = (image.height, image.width)
    arrays, notes = [], set()
    for what, array in (("mask", label), ("instance ids", instances)):
        swapped = array is not None and array.shape == size[::-1] != size
        if swapped and image.orientation >= 5:
            array = np.ascontiguousarray(oriented(array[..., None], image.orientation)[..., 0])
            notes.add(f"{what} turned as the EXIF orientation of the image says")
        arrays.append(array)
    return arrays[0], arrays[1], tuple(sorted(notes))


def row_name(row: dict[str, Any], columns: Columns, split: str, index: int) -> str:
    """A readable name of a row for messages: the image file's stem, or the row's place."""
    cell = row.get(columns.image)
    path = cell.get("path") if isinstance(cell, dict) else cell if isinstance(cell, str) else None
    name = Path(path).stem if path else f"{split}-{index}"
    return name if row.get(PAGE) is None else f"{name} page {row[PAGE]}"


def read_cell(cell: Any, token: str | None = None, page: int | None = None) -> ImageData:
    """Reads an image cell from its own file, or from a temporary file with its bytes.

    So there is only one way of reading images, `read_image`. page: Of a stack, counted from 0.
    """
    if cell is None:
        raise DatasetError("the image is missing. Remove the row.")
    path, stored = (cell.get("path"), cell.get("bytes")) if isinstance(cell, dict) else (cell, None)
    if isinstance(path, str) and not stored and Path(path).is_file():
        return read_image(path, page=page or 0)
    content, name = row_bytes(cell, token=token)
    if not content:
        raise DatasetError("the image is missing or empty. Remove the row.")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder) / f"image{Path(name).suffix}"
        file.write_bytes(content)
        return read_image(file, page=page or 0)


def raw_masks(
    cell: Any, token: str | None = None, page: int | None = None
) -> RawMask | list[RawMask]:
    """Reads a mask cell as it is stored: a mask, or a list of masks. page: Of a stack."""
    if isinstance(cell, list):
        return [raw_masks(item, token) for item in cell]
    if page is not None:  # of a file on this machine, see `expand_stacks`
        return read_mask(Path(cell["path"]), page)
    content = row_bytes(cell, token=token)[0] if cell is not None else None
    if not content:
        raise DatasetError("the mask is missing or empty. Remove the row.")
    return read_mask(content)


def _instance_ids(
    cell: Any, size: tuple[int, int], token: str | None, page: int | None
) -> np.ndarray:
    if cell is None:
        raise DatasetError("the map of instances is missing.")
    masks = raw_masks(cell, token, page)
    if isinstance(masks, list):
        return instances_of(masks, shape=None if masks else size)
    if (plane := plane_of(masks)) is None:
        raise DatasetError(
            f"the instance ids have the shape {masks.values.shape}; one plane is expected. "
            "Name another --instance_column, or 'none'."
        )
    return instances_of(RawMask(plane))


class Pairs(Sequence[Pair]):
    """The pairs of a split with random access; decoded when asked for, kept while there is room."""

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
        """Reads a pair without keeping it, for callers that keep what they make of it."""
        index = int(self.indices[position])
        kept = self.cache.items.get(index)
        return self._read(index) if kept is None else kept

    def _read(self, index: int) -> Pair:
        return self.reader.read(self.rows[index], self.split, index)

    def name(self, position: int) -> str:
        index = int(self.indices[position])
        return row_name(self.rows[index], self.reader.columns, self.split, index)


class StreamedPairs:
    """The pairs of a split that can only be read in order."""

    def __init__(self, rows: Any, reader: PairReader, split: str, skip: int = 0) -> None:
        self.rows = rows.skip(skip) if skip else rows
        self.reader = reader
        self.split = split

    def epoch(self, number: int, seed: int, buffer_size: int, skip: int = 0) -> Iterator[Callable]:
        """Yields the rows in the order of this epoch, each as a function that decodes it.

        So a process that takes every other row need not decode the rest. The order depends only
        on seed and number: leaving out the first `skip` rows continues where a killed run was.
        """
        rows = self.rows.shuffle(seed=seed, buffer_size=buffer_size)
        rows.set_epoch(number)
        # Not `rows.skip`, which forgets the epoch.
        for index, row in enumerate(itertools.islice(iter(rows), skip, None), start=skip):
            yield lambda row=row, index=index: self.reader.read(row, self.split, index)

    def first(self, count: int) -> Iterator[Callable[[], Pair]]:
        """Yields the first `count` rows as they are stored, each as a function that decodes it."""
        for index, row in enumerate(itertools.islice(iter(self.rows), count)):
            yield lambda row=row, index=index: self.reader.read(row, self.split, index)


def instance_ids(pair: Pair) -> np.ndarray:
    """Instance ids of a pair, (H, W) int32: the given ones, or those of `components_of`."""
    return components_of(pair.label) if pair.instances is None else pair.instances


def components_of(label: np.ndarray) -> np.ndarray:
    """Numbers the 4-connected components of each class, (H, W) int32.

    Class 0, which separates objects (background, matrix, membrane), has the id 0.
    """
    from skimage.measure import label as connected_components

    objects = np.where(label == IGNORE, 0, label)
    return connected_components(objects, connectivity=1).astype(np.int32)
