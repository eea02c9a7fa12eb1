"""Options that several commands share."""

import argparse
import dataclasses
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from ..data.options import DATA_CHOICES, DataOptions
from ..errors import how_to_install
from ..hub.few_missed import NAME as FEW_MISSED
from ..hub.find import find_checkpoint, read_address
from ..unet import UNet


def add_options(
    parser: argparse._ActionsContainer,
    options: type,
    names: Iterable[str],
    *,
    choices: Mapping[str, Collection[str]] | None = None,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
    reading: Mapping[str, Mapping[str, Any]] | None = None,
    only_given: bool = False,
) -> None:
    """Adds a dataclass's options of these names as flags, in both spellings.

    Args:
        choices: The words that an option takes, by its name; the dataclass refuses others.
        presets: What each preset decides where the option itself is not given.
        reading: Arguments of `add_argument` by the option's name, where its type is not enough.
        only_given: Leaves out what is not given; no switch takes a word, as file names follow.
    """
    fields = {item.name: item for item in dataclasses.fields(options)}
    for name in names:
        item = fields[name]
        keywords: dict[str, Any] = {"type": _parser_of(item.type)}
        if keywords["type"] is _boolean:
            # `--streaming` alone means true, as people expect of a switch.
            word = {"type": _boolean, "nargs": "?", "const": True}
            keywords = {"action": "store_true"} if only_given else word
        if choices and name in choices:
            keywords["metavar"] = "|".join(choices[name])
        keywords["default"] = argparse.SUPPRESS if only_given else item.default
        keywords["required"] = item.default is MISSING
        keywords |= (reading or {}).get(name, {})
        by_preset = [f"{preset} {values[name]}" for preset, values in (presets or {}).items()
                     if name in values]  # fmt: skip
        usual = ", ".join(by_preset) if by_preset else item.default
        text = item.metadata["help"].replace("%", "%%")
        if not (usual in (None, "", (), MISSING) or (only_given and usual is False)):
            text += f" (default: {usual})"
        add_option(parser, name, text, **keywords)


def add_option(parser: argparse._ActionsContainer, name: str, text: str, **keywords: Any) -> None:
    """Adds one option in both spellings, with underscores and with dashes."""
    flags = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
    parser.add_argument(*flags, dest=name, help=text, **keywords)


def outputs_reader(
    outputs: Iterable[str], removed: Mapping[str, str] = types.MappingProxyType({})
) -> Callable[[str], tuple[str, ...]]:
    """Returns what reads the names of outputs with commas between, in the order of `outputs`.

    removed: What to do instead, by names that there are no more.
    """
    outputs = tuple(outputs)

    def read(text: str) -> tuple[str, ...]:
        asked = [part.strip() for part in text.split(",")]
        if gone := [part for part in asked if part in removed]:
            raise argparse.ArgumentTypeError(removed[gone[0]])
        if unknown := [part for part in asked if part not in outputs]:
            raise argparse.ArgumentTypeError(
                f"there is no {unknown[0]!r}; there are {', '.join(outputs)}"
            )
        return tuple(output for output in outputs if output in asked)

    return read


def read_threshold(text: str) -> float | str:
    """Reads a number, or the name of a threshold that the checkpoint's records hold."""
    if text == FEW_MISSED:
        return text
    try:
        return float(text)
    except ValueError:
        fault = f"{text!r} is neither a number from 0 to 1 nor {FEW_MISSED}"
        raise argparse.ArgumentTypeError(fault) from None


def command_parser(name: str, description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=f"python -m unet_hf {name}", description=description, allow_abbrev=False
    )


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Adds the checkpoint that a command is about."""
    parser.add_argument("model", help="shipped name, folder or Hub id")
    parser.add_argument("--revision", help="branch, tag or commit of a model on the Hub")
    parser.add_argument("--subfolder", help="where in the repository it lies")


def open_checkpoint(given: argparse.Namespace) -> tuple[UNet, Path]:
    """The model, and the folder of its files: of the same commit, whatever is pushed meanwhile."""
    inside = vars(given).get("subfolder")
    name, revision, inside = read_address(given.model, given.revision, inside)
    where = {"subfolder": inside, "token": vars(given).get("hub_token")}
    model = UNet.from_pretrained(name, revision=revision, **where)
    revision = model.origin.commit or revision
    return model, find_checkpoint(name, revision=revision, evidence=True, **where)


def add_data_options(parser: argparse.ArgumentParser, names: Iterable[str]) -> None:
    """Adds some of `DataOptions`."""
    add_options(parser, DataOptions, names, choices=DATA_CHOICES)


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


NEEDS_TRAIN = f"this needs the package's training part. {how_to_install('train')}"


def is_optional(error: ModuleNotFoundError) -> bool:
    """Whether what is missing belongs to the training part, which need not be installed."""
    return (error.name or "").split(".")[0] in ("datasets", "accelerate", "jinja2")
