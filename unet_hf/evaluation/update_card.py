"""Adds new records to an existing checkpoint and updates its card, in a folder or on the Hub."""

import argparse
import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from ..data.options import DATA_OPTIONS, DataOptions
from ..errors import ConfigError
from ..hub.find import SHIPPED, read_address
from ..hub.layout import CARD_NAME, TRAINING_NAME
from ..hub.records import read_record
from ..options import fits_annotation


def refuse_shipped(model: str) -> None:
    """Refuses a checkpoint that ships with the package. Raises `ConfigError`."""
    if model in (path.name for path in SHIPPED.iterdir()):
        raise ConfigError(
            f"{model} ships with the package; its card is not yours to change. Save it to a "
            "folder of your own first."
        )


def options_of_labelled_images(
    given: argparse.Namespace, folder: Path, names: Iterable[str] = DATA_OPTIONS
) -> DataOptions:
    """Options of the labelled images: the given ones, else those of the checkpoint's training.

    folder: The checkpoint's files. Raises `ConfigError` where neither is known.
    """
    if given.dataset_name:
        options = {name: getattr(given, name) for name in names}
        return DataOptions(**options)
    record = read_record(folder / TRAINING_NAME)
    if record is None:
        raise ConfigError(
            f"{given.model} has no {TRAINING_NAME} that says which images it is from. Name the "
            "images with --dataset_name."
        )
    known = {item.name: item.type for item in dataclasses.fields(DataOptions)}
    options = {name: value for name, value in record.items() if name in known}
    for name, value in options.items():
        if not fits_annotation(known[name], value):
            raise ConfigError(
                f"The record {folder / TRAINING_NAME}: {name} is {value!r}, a "
                f"{type(value).__name__}. Name the images with --dataset_name."
            )
    return DataOptions(**options | {"hub_token": given.hub_token})


def update_checkpoint_records(
    given: argparse.Namespace, folder: Path, write: Callable[[Path], None], message: str
) -> None:
    """Lets `write` change the records in a checkpoint's folder, then updates its card.

    Args:
        given: Has `model`, as the user named it, and for the Hub `hub_token`, `revision` and
            `create_pr`.
        folder: The checkpoint's files. If they are in the Hub's cache, a copy is changed.
        message: Message of the commit.
    """
    name, revision, _ = read_address(given.model, given.revision)
    if Path(name).is_dir():
        write(folder)
        _update_card(folder, folder.resolve().name)
        return
    from ..hub.push import push_folder

    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "checkpoint"
        shutil.copytree(folder, copy)
        write(copy)
        _update_card(copy, name)
        commit = push_folder(
            copy,
            name,
            token=given.hub_token,
            branch=revision,
            create_pr=given.create_pr,
            commit_message=message,
        )
    print(f"pushed: {commit.pr_url or commit}")


def _update_card(folder: Path, name: str) -> None:
    """Writes the card of the files in `folder`; what people wrote into it stays."""
    from ..hub.card import CardOptions
    from ..hub.save import write_card

    card = folder / CARD_NAME
    existing = card.read_text(encoding="utf-8") if card.is_file() else None
    write_card(folder, CardOptions(name), existing)
