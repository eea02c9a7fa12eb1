"""How objects are linked: what was given, what the checkpoint says, and what is usual."""

import inspect
from collections.abc import Mapping
from typing import Any

from ..network.configuration import check_tracking
from ..tracking import link

GIVE = "linking={'divisions': ...} or --divisions"


def settled_linking(
    stored: Any, given: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Returns options of `link`, and words for the one that was not given but matters most.

    Args:
        stored: The configuration's `tracking`; None: it has none.
        given: Options of `link`.

    Raises:
        ConfigError: What is stored is not usable. What was given is not checked.
    """
    if "divisions" in given:
        return dict(given), ()
    own = check_tracking(stored) if stored else {}
    usual = inspect.signature(link).parameters["divisions"].default
    whence = "as the checkpoint says" if own else "the usual value, as the checkpoint says none"
    share = own.get("divisions", usual)
    note = f"cells divide at a rate of {share:g} in a frame: {whence} ({GIVE} overrides it)"
    return {**own, **given}, (note,)
