"""Who made the weights: as `--author` or the card's metadata says."""

from collections.abc import Iterable
from pathlib import Path

from ...errors import ExportError
from ...hub.card import split_card
from ...hub.layout import CARD_NAME

KEY = "authors"  # in the metadata of a card
EXAMPLE = '"Ada Lovelace; University of London"'


def find_authors(given: Iterable[str], checkpoint: Path) -> list[dict[str, str]]:
    """Returns the given authors, or else those of the card: name, and affiliation where known.

    Raises:
        ExportError: There are none, or a name is not usable.
    """
    stated = list(given)
    if not stated:
        metadata, _ = split_card((checkpoint / CARD_NAME).read_text(encoding="utf-8"))
        listed = metadata.get(KEY) or []
        stated = [str(one) for one in (listed if isinstance(listed, list) else [listed])]
    if not stated:
        raise ExportError(
            "The zoo asks who made a model, and the checkpoint's card does not say. Add "
            f"--author {EXAMPLE}, once for each, or `{KEY}:` to the metadata of its README.md."
        )
    return [read_author(one) for one in stated]


def read_author(text: str) -> dict[str, str]:
    """Reads "name" or "name; affiliation"; raises `ExportError`."""
    name, _, affiliation = (" ".join(part.split()) for part in text.partition(";"))
    if not name or "/" in name or "\\" in name:
        raise ExportError(
            f"{text!r} is no author: the zoo wants a name without slashes, as in {EXAMPLE}."
        )
    return {"name": name} | ({"affiliation": affiliation} if affiliation else {})
