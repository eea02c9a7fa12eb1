"""Options that several commands share."""

import argparse
import dataclasses
import types
import typing
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..data.options import MASK_ENCODINGS, DataOptions


def add_options(
    parser: argparse.ArgumentParser,
    options: type,
    names: Iterable[str],
    *,
    choices: Mapping[str, Collection[str]],
    presets: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Adds a dataclass's options of these names as flags, in both spellings.

    choices: The words that an option takes, by its name. presets: What each preset decides where
    the option itself is not given.
    """
    fields = {item.name: item for item in dataclasses.fields(options)}
    for name in names:
        item = fields[name]
        flags = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
        kind = _parser_of(item.type)
        # `--streaming` alone means true, as people expect of a switch.
        switch = {"nargs": "?", "const": True} if kind is _boolean else {}
        by_preset = [f"{preset} {values[name]}" for preset, values in (presets or {}).items()
                     if name in values]  # fmt: skip
        usual = ", ".join(by_preset) if by_preset else item.default
        text = item.metadata["help"].replace("%", "%%")
        suffix = "" if usual in (None, "") else f" (default: {usual})"
        parser.add_argument(
            *flags,
            dest=name,
            type=kind,
            default=item.default,
            help=text + suffix,
            metavar="|".join(choices[name]) if name in choices else None,
            **switch,
        )


def add_data_options(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Adds some of `DataOptions`."""
    add_options(parser, DataOptions, names, choices={"mask_encoding": MASK_ENCODINGS})


def _parser_of(annotation: Any) -> Any:
    """`int | None` -> int; booleans from the words people type."""
    if isinstance(annotation, types.UnionType):
        annotation = next(kind for kind in typing.get_args(annotation) if kind is not type(None))
    return _boolean if annotation is bool else annotation


def _boolean(text: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")
    return words[text.lower()]


NEEDS_TRAIN = (
    "this needs the package's training part: pip install 'unet_hf[train]', or run it in a clone of "
    "the repository."
)


def is_optional(error: ModuleNotFoundError) -> bool:
    """Whether what is missing belongs to the training part, which need not be installed."""
    return (error.name or "").split(".")[0] in ("datasets", "accelerate", "jinja2")
