"""Classes as people name them: by name or by id."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from .errors import ConfigError


def chosen_classes(
    classes: Collection[int | str] | int | str | None, id2label: dict[int, str]
) -> tuple[int, ...]:
    """Names and ids of classes -> ids, ascending. None: all but 0, the ground that parts objects:
    background, matrix, membrane.

    Raises:
        ConfigError: There is no such class, or none is named.
    """
    if classes is None:
        return tuple(index for index in sorted(id2label) if index)
    named = [classes] if isinstance(classes, (int, str, np.integer)) else list(classes)
    ids = {str(index): index for index in id2label}
    ids |= {name: index for index, name in sorted(id2label.items(), reverse=True)}
    chosen = [ids.get(name) if isinstance(name, str) else name for name in named]
    unknown = [name for name, index in zip(named, chosen, strict=True) if index not in id2label]
    if unknown or not named:
        offered = ", ".join(f"{index} {name!r}" for index, name in sorted(id2label.items()))
        seen = f"There is no class {unknown[0]!r}" if unknown else "No class is named"
        raise ConfigError(f"{seen}; the checkpoint has {offered}. Name them, or leave them out.")
    return tuple(sorted({int(index) for index in chosen}))


def split_names(text: str) -> list[str]:
    """Names with commas between, as on a command line; one that holds a comma stands in double
    quotes, as in CSV: 'cell,"vessel, small"'. Raises `ValueError`."""
    try:
        rows = list(csv.reader(io.StringIO(text), skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise ValueError(
            f"{text!r} is no list of names with commas between ({error}); a name with a comma in "
            "it stands in double quotes"
        ) from error
    return [name.strip() for row in rows for name in row]


def join_names(names: Iterable[object]) -> str:
    """The inverse of `split_names`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()


def unmistakable(index: int, id2label: Mapping[int, str]) -> int | str:
    """A class as it can be written: its id, or its name where a class is named like the id."""
    return id2label[index] if str(index) in id2label.values() else index
