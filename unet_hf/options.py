"""Dataclasses whose fields are options of a command line."""

import typing
from dataclasses import field
from typing import Any


def option(default: Any, help: str, **metadata: Any) -> Any:
    """Makes a field of a dataclass whose options are flags on the command line.

    default: `dataclasses.MISSING` if it has to be given.
    """
    return field(default=default, metadata={"help": help, **metadata})


def fits_annotation(annotation: Any, value: Any) -> bool:
    """Whether a value read from JSON has the type that a dataclass field is annotated with."""
    kinds = typing.get_args(annotation) or (annotation,)
    if isinstance(value, bool):
        return bool in kinds
    return isinstance(value, kinds) or (float in kinds and isinstance(value, int))
