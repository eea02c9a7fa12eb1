"""Stacks of images beside stacks of masks: each page is a row of its own."""

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DatasetError, ImageError
from ..images.tiff_file import SIGNATURES
from ..images.tiff_pages import count_tiff_pages
from .columns import Columns

PAGE = "page_of_stack"  # column of the page, counted from 0; none in data sets without stacks


def expand_stacks(rows: Any, columns: Columns, split: str) -> tuple[Any, list[str]]:
    """Gives each page of a stack of masks a row; returns the rows and what was found, in words.

    Raises `DatasetError` if a stack of images has another number of pages than its masks.
    """
    import datasets
    import pyarrow as pa

    if not hasattr(rows, "__len__") or columns.label_kind != "image":
        return rows, []
    masks = rows.select_columns([columns.label])[columns.label]
    counts = [_pages(cell) for cell in masks]
    if max(counts, default=1) == 1:
        return rows, []
    images = rows.select_columns([columns.image])[columns.image]
    for image, mask, pages in zip(images, masks, counts, strict=True):
        if pages > 1 and (seen := _pages(image)) != pages:
            raise DatasetError(
                f"{_name(image)} has {seen} page{'s' * (seen != 1)}, its masks {_name(mask)} have "
                f"{pages}. Store as many masks as pages, in the same order."
            )
    indices = np.repeat(np.arange(len(rows)), counts)
    pages = [page if count > 1 else None for count in counts for page in range(count)]
    stacks = sum(count > 1 for count in counts)
    table = rows.with_format("arrow")[indices.tolist()].append_column(
        PAGE, pa.array(pages, "int64")
    )
    features = datasets.Features({**rows.features, PAGE: datasets.Value("int64")})
    expanded = datasets.Dataset(
        datasets.table.InMemoryTable(table.cast(features.arrow_schema)),
        info=datasets.DatasetInfo(features=features),
    )
    found = f"{split}: {stacks} stack{'s' * (stacks != 1)} of {len(pages)} pages in all, each page "
    return expanded, [found + "of images with its page of masks"]


def _pages(cell: Any) -> int:
    """Number of pages of a local TIFF; 1 for anything else, also if it cannot be read."""
    path = cell.get("path") if isinstance(cell, dict) and not cell.get("bytes") else None
    if not isinstance(path, str) or not Path(path).is_file():
        return 1
    with Path(path).open("rb") as file:
        if not file.read(4).startswith(SIGNATURES):
            return 1
    try:
        return count_tiff_pages(Path(path), None)
    except (ImageError, ValueError, KeyError, IndexError, OSError):
        return 1  # reported when the row is read
    except Exception as error:  # tifffile's own
        if type(error).__name__ == "TiffFileError":
            return 1
        raise


def _name(cell: Any) -> str:
    return Path(cell["path"]).name


def held_back_stacks(
    rows: Any, columns: Columns, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray, str]:
    """Holds back whole stacks, or the last pages of the only one; also says which.

    Neighbouring pages look alike: drawn at random, pages that are trained on would be evaluated.
    """
    cells = rows.select_columns([columns.image])[columns.image]
    paths = np.array([cell["path"] for cell in cells])
    stacks, sizes = np.unique(paths, return_counts=True)
    wanted = max(1, round(len(paths) * share))
    held: list[str] = []
    total = 0
    for index in np.random.default_rng(seed).permutation(len(stacks)).tolist():
        if total < wanted and total + sizes[index] <= max(2 * wanted, len(paths) // 2):
            held.append(stacks[index])
            total += int(sizes[index])
    if held:
        apart = np.isin(paths, held)
        names = ", ".join(sorted(Path(path).name for path in held)[:5])
        return np.flatnonzero(~apart), np.flatnonzero(apart), f"whole stacks: {names}"
    largest = np.flatnonzero(paths == stacks[sizes.argmax()])
    last = largest[-min(wanted, len(largest) - 1) :]
    said = f"the last pages of {Path(paths[largest[0]]).name}; neighbouring pages look alike, so "
    said += "the score is a little too high: label another stack for the split validation"
    return np.setdiff1d(np.arange(len(paths)), last), last, said
