"""How objects are linked: what was given, what the checkpoint says, and what is usual."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ConfigError
from ..network.configuration import check_tracking
from ..tracking import link

GIVE = "linking={'divisions': ...} or --divisions"


def check_options(name: str, given: Mapping[str, Any], function: Callable[..., Any]) -> None:
    """Raises `ConfigError` if `function` does not take one of these options.

    name: Of the argument that they were given as.
    """
    parameters = inspect.signature(function).parameters.values()
    options = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
    known = [option for option in options if option != "progress"]  # is the film's own
    if not isinstance(given, Mapping):
        raise ConfigError(f"{name}={given!r:.100} is not a mapping of options to their values.")
    if unknown := [str(option) for option in given if option not in known]:
        raise ConfigError(
            f"{name} has no option {', '.join(unknown)}; there are {', '.join(known)}."
        )


def settled_linking(
    stored: Any, given: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Returns options of `link`, and words for the one that was not given but matters most.

    Args:
        stored: The configuration's `tracking`; None: it has none.
        given: Options of `link`.

    Raises:
        ConfigError: What is stored is not usable, or `link` has no option that was given. The
            values of what was given are not checked.
    """
    check_options("linking", given, link)
    if "divisions" in given:
        return dict(given), ()
    own = check_tracking(stored) if stored else {}
    usual = inspect.signature(link).parameters["divisions"].default
    whence = "as the checkpoint says" if own else "the usual value, as the checkpoint says none"
    share = own.get("divisions", usual)
    note = f"cells divide at a rate of {share:g} in a frame: {whence} ({GIVE} overrides it)"
    return {**own, **given}, (note,)
