"""Names as the zoo allows them."""

import keyword
import re
import string
from collections.abc import Sequence

ALLOWED = frozenset(string.ascii_letters + string.digits + "_+- ()")
LONGEST = 64  # characters of a name; the shortest has 5
LONGEST_DESCRIPTION = 512  # characters


def allowed_name(text: str, end: str = "") -> str:
    """Returns the text with `end`, without other characters, cut to the longest name."""
    kept = "".join(one if one in ALLOWED else " " for one in text)
    return " ".join(kept.split())[: LONGEST - len(end)].strip() + end


def one_line(text: str) -> str:
    """Returns a description on one line, cut to the longest."""
    return " ".join(text.split())[:LONGEST_DESCRIPTION]


def identifiers(names: Sequence[str]) -> list[str]:
    """Returns names of channels, each another: letters, digits and underscores, no word of Python.

    Later versions of the specification allow any text, but 0.5.4 does not.
    """
    found: list[str] = []
    for name in names:
        plain = re.sub(r"\W+", "_", name).strip("_")
        if not plain.isidentifier() or keyword.iskeyword(plain):
            plain = f"class_{plain}".rstrip("_")
        others = (f"{plain}_{number}" for number in range(2, len(names) + 2))
        found.append(next(one for one in (plain, *others) if one not in found))
    return found
