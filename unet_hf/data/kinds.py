"""Kinds of images: a column by which a training balances how often images are drawn."""

from collections import Counter
from typing import Any

import numpy as np

from ..errors import DatasetError
from ..words import number_of
from .pairs import Pairs

SHOWN = 12  # kinds that the plan lists


def kinds_of(pairs: Pairs, column: str) -> np.ndarray:
    """Kind of each pair, (len(pairs),) str, from a column of the data set.

    Raises `DatasetError` if there is no such column, or if it does not group the images.
    """
    kinds = column_values(pairs.rows, column, "--balance_column")[pairs.indices]
    if len(kinds) > 1 and len(np.unique(kinds)) == len(kinds):
        raise DatasetError(
            f"--balance_column {column!r} differs in each of the {len(kinds)} training images, so "
            "there is nothing to balance. Name a column that groups them."
        )
    return kinds


def column_values(rows: Any, column: str, flag: str) -> np.ndarray:
    """Value of each row in a column of plain values, (rows,) str; "(none)" for a missing one.

    flag: The option that names the column. Raises `DatasetError` if there is no such column.
    """
    features = rows.features
    usual = [name for name, feature in features.items() if hasattr(feature, "dtype")]
    pictures = {"Image", "Audio", "Video"}
    plain = [name for name in usual if type(features[name]).__name__ not in pictures]
    if column not in plain:
        seen = "holds no plain values" if column in features else "does not exist"
        raise DatasetError(
            f"{flag} {column!r} {seen}. Columns of plain values: "
            f"{', '.join(plain) or 'none'}; add one to the data set, e.g. to metadata.jsonl."
        )
    values = list(rows.select_columns([column])[column])
    if names := getattr(features[column], "names", None):  # a ClassLabel
        values = [value if value is None else names[value] for value in values]
    return np.array(["(none)" if value is None else str(value) for value in values])


def kind_shares(kinds: np.ndarray) -> dict[str, float]:
    """Share of the training crops of each kind, most frequent first: by the root of its images.

    So rare kinds are drawn more often than their number alone would say, and frequent ones stay
    in front.
    """
    counts = Counter(kinds.tolist()).most_common()
    total = sum(count**0.5 for _, count in counts)
    return {kind: count**0.5 / total for kind, count in counts}


def describe_kinds(kinds: np.ndarray, column: str) -> str:
    """Says in words how often images of each kind are drawn."""
    counts, shares = Counter(kinds.tolist()), kind_shares(kinds)
    parts = [
        f"{kind} {share:.1%} ({number_of(counts[kind], 'image')})" for kind, share in shares.items()
    ]
    more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
    return (
        f"training crops balanced by {column!r}, each kind by the root of its number of images: "
        f"{', '.join(parts[:SHOWN])}{more}"
    )
