"""Names as the zoo allows them."""

import string

ALLOWED = frozenset(string.ascii_letters + string.digits + "_+- ()")
LONGEST = 64  # characters; the shortest name has 5


def allowed_name(text: str, end: str = "") -> str:
    """Returns the text with `end`, without other characters, cut to the longest name."""
    kept = "".join(one if one in ALLOWED else " " for one in text)
    return " ".join(kept.split())[: LONGEST - len(end)].strip() + end
