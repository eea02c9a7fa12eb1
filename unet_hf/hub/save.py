"""Saves a model to a folder, as a checkpoint that can be loaded and checked."""

import contextlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import safetensors.torch
import torch

from ..engine.calibration import Calibration
from ..errors import CheckpointError, UNetError
from ..files import parse_json, write_atomically
from ..hashes import weights_sha256
from ..network.network import Network
from .card import CardOptions, render_card
from .find import find_checkpoint
from .int8_record import make_int8_record, write_int8_record
from .layout import (
    CARD_NAME,
    CONFIG_NAME,
    EXPECTED_NAME,
    INT8_NAME,
    RECORDS,
    RELIABILITY_NAME,
    WEIGHTS_NAME,
)
from .origin import Origin
from .records import CheckpointRecords, read_record
from .reliability import write_reliability
from .sample import write_sample

logger = logging.getLogger(__name__)


def save_checkpoint(
    model: Network,
    folder: Path,
    *,
    origin: Origin | None = None,
    calibration: Calibration | None = None,
    name: str | None = None,
    license: str | None = None,
    sample_image: str | Path | None = None,
) -> None:
    """Writes the whole checkpoint to `folder`, created if missing; see `UNet.save_pretrained`.

    A model that is unchanged since it was loaded keeps the records of its checkpoint.
    """
    try:
        with replacing(folder) as new:
            write_model(model, new)
            unchanged = origin is not None and _is_unchanged(new, origin.folder)
            if unchanged:
                _copy_evidence(origin, new)
            _write_calibration(model, calibration, new)
            if sample_image is not None or CheckpointRecords.read(new).sample is None:
                write_sample(model, new, sample_image)
            base = origin.hub_id if origin else None
            options = CardOptions(name or folder.resolve().name, license, base_model=base)
            write_card(new, options, _existing_card(folder, origin if unchanged else None))
    except UNetError:
        raise
    except OSError as error:
        raise CheckpointError(
            f"The checkpoint could not be written to {folder}: {error.strerror or error}. Free "
            "some space or choose another folder."
        ) from error


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Gives a temporary folder whose files replace those of `folder` if the block succeeds.

    `config.json` is removed first and written last. A folder without it cannot be loaded, so a
    process killed in between never leaves a loadable mixture of two models.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as temporary:
        new = Path(temporary)
        yield new
        (folder / CONFIG_NAME).unlink(missing_ok=True)
        paths = [path.relative_to(new) for path in new.rglob("*") if path.is_file()]
        for path in sorted(paths, key=lambda path: path.name == CONFIG_NAME):
            (folder / path).parent.mkdir(exist_ok=True)
            os.replace(new / path, folder / path)


def write_model(model: Network, folder: Path) -> None:
    """Writes config.json and model.safetensors, nothing else."""
    text = json.dumps(model.config, sort_keys=True, indent=2) + "\n"
    (folder / CONFIG_NAME).write_text(text, encoding="utf-8")
    save_weights(model, folder)


def write_card(folder: Path, options: CardOptions, existing: str | None = None) -> None:
    """Writes README.md for the files in `folder`, and its picture of the calibration.

    What people wrote into `existing` stays.
    """
    write_reliability(folder / RELIABILITY_NAME, CheckpointRecords.read(folder).evaluation)
    card = render_card(folder, options, existing)
    (folder / CARD_NAME).write_text(card, encoding="utf-8")


def _write_calibration(model: Network, found: Calibration | None, new: Path) -> None:
    """Writes the result of `model.calibrate`, unless the copied record holds the same."""
    if found is None or found.weights != weights_sha256(model.state_dict()):
        return
    record = make_int8_record(found, new)
    try:
        copied = read_record(new / INT8_NAME)
    except CheckpointError:  # damaged: the new record takes its place
        copied = None
    if copied is None or copied.get("values") != record["values"]:
        write_int8_record(new, record)


def _existing_card(folder: Path, origin: Origin | None) -> str | None:
    """Reads the folder's card, or else that of the checkpoint the model was loaded from."""
    for place in (folder, origin.folder if origin else None):
        if place is not None and (place / CARD_NAME).is_file():
            return (place / CARD_NAME).read_text(encoding="utf-8")
    return None


def _is_unchanged(new: Path, origin: Path) -> bool:
    """Whether both hold the same configuration and tensors; if so, copies the files to `new`."""
    try:
        configs = [parse_json((place / CONFIG_NAME).read_bytes()) for place in (new, origin)]
        if configs[0] != configs[1]:
            return False
        ours, theirs = (
            safetensors.torch.load((place / WEIGHTS_NAME).read_bytes()) for place in (new, origin)
        )
    except (OSError, ValueError, safetensors.SafetensorError):
        return False  # it was moved or changed since
    same = ours.keys() == theirs.keys() and all(
        ours[name].dtype == theirs[name].dtype and torch.equal(ours[name], theirs[name])
        for name in ours
    )
    if same:
        for name in (CONFIG_NAME, WEIGHTS_NAME):
            shutil.copyfile(origin / name, new / name)
    return same


def _copy_evidence(origin: Origin, new: Path) -> None:
    folder = origin.folder
    if origin.hub_id:
        try:
            folder = find_checkpoint(
                origin.hub_id, revision=origin.commit, subfolder=origin.subfolder, evidence=True
            )
        except CheckpointError as error:
            logger.warning("the evidence of %s is left out: %s", origin.hub_id, error)
            return
    for name in RECORDS:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, new / name)
    if (folder / EXPECTED_NAME).is_file():
        shutil.copytree(folder / "sample", new / "sample")
        shutil.copyfile(folder / "thumbnail.png", new / "thumbnail.png")


def save_weights(model: Network, folder: Path) -> None:
    """Writes `model.safetensors` (contiguous, float32 as in the model) into an existing folder."""
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    # Only one key: several would be written in an order that changes from process to process, and
    # the same weights must give the same bytes.
    data = safetensors.torch.save(tensors, metadata={"format": "pt"})
    try:
        write_atomically(folder / WEIGHTS_NAME, lambda temporary: temporary.write_bytes(data))
    except OSError as error:
        raise CheckpointError(
            f"The weights could not be written to {folder}: {error}. Free some space or choose "
            "another folder."
        ) from error
