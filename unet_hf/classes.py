"""Classes as users refer to them: by name or by id."""

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from .errors import ConfigError


def chosen_classes(
    classes: Collection[int | str] | int | str | None, id2label: dict[int, str]
) -> tuple[int, ...]:
    """Returns the ids of classes that are given by name or id, ascending.

    None means all classes but 0, which is the background between objects.

    Raises:
        ConfigError: There is no such class, or the collection is empty.
    """
    if classes is None:
        return tuple(index for index in sorted(id2label) if index)
    given = [classes] if isinstance(classes, (int, str, np.integer)) else list(classes)
    ids = {str(index): index for index in id2label}
    ids |= {name: index for index, name in sorted(id2label.items(), reverse=True)}
    chosen = [ids.get(name) if isinstance(name, str) else name for name in given]
    unknown = [name for name, index in zip(given, chosen, strict=True) if index not in id2label]
    if unknown or not given:
        offered = ", ".join(f"{index} {name!r}" for index, name in sorted(id2label.items()))
        problem = f"There is no class {unknown[0]!r}" if unknown else "No class is named"
        raise ConfigError(f"{problem}; the checkpoint has {offered}. Name them, or leave them out.")
    return tuple(sorted({int(index) for index in chosen}))


def is_membrane_data(id2label: Mapping[int | str, str]) -> bool:
    """Whether there are two classes: 0, the membrane between cells, and 1, the cells."""
    first = {str(index): name for index, name in id2label.items()}.get("0", "")
    return len(id2label) == 2 and "membrane" in first.lower()


def numbered_names(names: Iterable[str]) -> list[str]:
    """Numbers names that occur more than once: tree, sky, tree -> tree 1, sky, tree 2."""
    names = list(names)
    taken, counts = set(names), Counter(names)
    numbers: Counter[str] = Counter()
    unique = []
    for name in names:
        new = name
        while counts[name] > 1 and new in taken:
            numbers[name] += 1
            new = f"{name} {numbers[name]}"
        taken.add(new)
        unique.append(new)
    return unique


def split_names(text: str) -> list[str]:
    """Splits names that are separated by commas, as on a command line; raises `ValueError`.

    A name that contains a comma is quoted as in CSV: 'cell,"vessel, small"'.
    """
    try:
        rows = list(csv.reader(io.StringIO(text), skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise ValueError(
            f"{text!r} is no list of names with commas between ({error}); a name with a comma in "
            "it stands in double quotes"
        ) from error
    return [name.strip() for row in rows for name in row]


def join_names(names: Iterable[object]) -> str:
    """Joins names by commas, with quotes where needed; the inverse of `split_names`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(names)
    return text.getvalue()


def unambiguous_name(index: int, id2label: Mapping[int, str]) -> int | str:
    """Returns the id of a class, or its name if some class has the id as its name."""
    return id2label[index] if str(index) in id2label.values() else index
