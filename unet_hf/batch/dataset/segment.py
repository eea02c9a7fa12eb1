"""A data set of images in, the same one with a column of predicted masks out.

The rows are cut into shards, which the processes of `accelerate launch` share. A finished shard is
a parquet file and is not computed again, whoever asks and however many they are.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from ...data.columns import find_image_column
from ...data.options import PROCESS_TIMEOUT
from ...data.sources import Source, hub_commit, open_source
from ...errors import ConfigError, DatasetError
from ...files import parse_json, write_text
from ...hashes import model_sha256
from ...unet import UNet
from ..attempt import explaining_write_errors
from ..options import BatchOptions
from ..progress import Progress
from ..records import clear_unfinished
from .options import FAILED, DatasetOptions
from .publish import JOB, MaskTarget, write_card
from .shards import collect_failures, cut_into_shards, write_shard

MASK_COLUMNS = ("mask", "predicted_mask")  # the second where the first is taken


@dataclass(frozen=True)
class SegmentedDataset:
    """What was made."""

    folder: Path
    rows: dict[str, int]  # by split
    failures: list[dict[str, Any]]  # {"split", "row", "reason"}
    commit: str | None  # its address on the Hub

    def summary(self) -> str:
        total = sum(self.rows.values())
        failed = f", {len(self.failures)} failed ({FAILED})" if self.failures else ""
        pushed = f"\npushed: {self.commit}" if self.commit else ""
        return f"{total - len(self.failures)} of {total} segmented{failed}: {self.folder}{pushed}"


def segment_dataset(options: DatasetOptions) -> SegmentedDataset | None:
    """Writes the data set with its masks into `options.folder`, and pushes it if asked to.

    All columns stay. A row whose image cannot be read has no mask, and is told of. Under
    `accelerate launch` each process runs this; the first one puts the parts together.

    Returns:
        What was made; None in all processes but the first.

    Raises:
        DatasetError, CheckpointError, ConfigError: Before anything is computed.
        PushError: The Hub did not take it; the same command tries again.
        BatchStoppedError: The folder cannot be written to.
        KeyboardInterrupt: With a sentence that says how to go on.
    """
    state = PartialState(cpu=not torch.accelerator.is_available(), timeout=PROCESS_TIMEOUT)
    main = state.is_main_process
    target = MaskTarget.verified(options) if main and options.push_to_hub else None
    commit = None
    if main and not Path(options.dataset_name).exists():
        commit = hub_commit(options.dataset_name, options.dataset_revision, options.hub_token)
    commit = _shared(commit)  # all of the data is of one
    with state.main_process_first():
        source = open_source(
            options.dataset_name,
            options.dataset_config_name,
            commit or options.dataset_revision,
            token=options.hub_token,
        )
    splits = _splits(source, options)
    column = find_image_column(source.features, options.image_column, _first_row(splits))
    mask_column = _mask_column(source.features)
    model = UNet.from_pretrained(options.model, revision=options.revision, token=options.hub_token)
    settings = BatchOptions(
        options.model, threshold=options.threshold, tile_size=options.tile_size
    ).settled(model)
    model.to(state.device)
    job = {
        "dataset": _shown(options.dataset_name),
        "config": options.dataset_config_name,
        "revision": commit or options.dataset_revision,
        "data": _fingerprint(options.dataset_name) if commit is None else commit,
        "splits": {split: len(rows) for split, rows in splits.items()},
        "image_column": column,
        "mask_column": mask_column,
        "model": _shown(options.model),
        "model_revision": model.origin.commit,
        "model_sha256": model_sha256(model),
        "threshold": settings.threshold,
        "tile_size": settings.tile_size,
        "id2label": {str(number): label for number, label in model.id2label.items()},
    }
    if _shared(job) != job:
        raise ConfigError(
            "The processes have not loaded the same data and model: one of them changed in between."
            " Start again; --revision and --dataset_revision name commits, which cannot change."
        )
    folder = options.folder
    with _explained(folder):
        if main:
            _prepare(folder, job, options.overwrite)
        state.wait_for_everyone()
        shards = cut_into_shards(job["splits"])
        mine = shards[state.process_index :: state.num_processes]
        todo = [shard for shard in mine if not shard.is_finished(folder)]
        count = sum(len(shard.rows) for shard in todo)
        with Progress(count, "image", quiet=not main) as progress:
            if main and len(todo) < len(mine):
                progress.say(f"{len(mine) - len(todo)} of {len(mine)} shards are finished already")
            for shard in todo:
                rows = splits[shard.split].select(shard.rows)
                write_shard(
                    shard, rows, job, model, folder, progress, options.hub_token,
                    from_hub=source.from_hub,
                )  # fmt: skip
        state.wait_for_everyone()
        done = None
        if main:
            failures = collect_failures(folder, shards)
            total = sum(job["splits"].values())
            if failures and len(failures) == total:
                raise DatasetError(
                    f"None of the {total} images could be segmented, and nothing was pushed. The "
                    f"first one: {failures[0]['reason']}"
                )
            write_card(folder, job, failures, options.push_to_hub)
            pushed = target.push(folder) if target else None
            done = SegmentedDataset(folder, job["splits"], failures, pushed)
    if state.num_processes > 1:
        state.destroy_process_group()
    return done


def _shared(value: Any) -> Any:
    """The first process' value, in all of them."""
    return broadcast_object_list([value])[0]


def _fingerprint(name: str) -> str:
    """Of a local data set: sha256 of its files' names, sizes and times."""
    path = Path(name).expanduser()
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            status = file.stat()
            digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _shown(name: str) -> str:
    """A Hub id as it is; of a path, the last part: nobody else has the folders above."""
    path = Path(name).expanduser()
    return path.resolve().name if path.exists() else name


def _splits(source: Source, options: DatasetOptions) -> dict[str, Any]:
    if options.split is None:
        return source.splits
    if options.split not in source.splits:
        raise DatasetError(
            f"There is no split {options.split!r} (--split); the data has "
            f"{', '.join(source.splits)}."
        )
    return {options.split: source.splits[options.split]}


def _first_row(splits: dict[str, Any]) -> dict[str, Any] | None:
    return next((rows[0] for rows in splits.values() if len(rows)), None)


def _mask_column(features: Mapping[str, Any]) -> str:
    for name in MASK_COLUMNS:
        if name not in features:
            return name
    raise DatasetError(
        f"The data set has the columns {' and '.join(MASK_COLUMNS)} already. Rename one of them "
        "(`rename_column`): the new masks need a name."
    )


def _prepare(folder: Path, job: dict[str, Any], overwrite: bool) -> None:
    """Makes the folder ready for shards of this job. Raises `ConfigError` if it holds another."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--output {folder} is a file. Name a folder.")
    record = folder / JOB
    if record.is_file():
        with _unreadable_json(record):
            earlier = parse_json(record.read_bytes())
            if not isinstance(earlier, dict):
                raise ValueError(f"it holds a {type(earlier).__name__}, not a mapping")
        changed = [key for key in job if earlier.get(key) != job[key]]
        if changed and not overwrite:
            raise ConfigError(
                f"{folder} holds masks that were made otherwise (other: {', '.join(changed)}). "
                "Name another --output, or add --overwrite to compute all of them again."
            )
        if changed or overwrite:
            shutil.rmtree(folder / "data", ignore_errors=True)
            shutil.rmtree(folder / ".failed", ignore_errors=True)
    elif folder.exists() and any(folder.iterdir()):
        raise ConfigError(
            f"{folder} is not empty and holds no masks of ours. Name another --output."
        )
    (folder / "data").mkdir(parents=True, exist_ok=True)
    clear_unfinished(folder)
    write_text(record, json.dumps(job, indent=2) + "\n")


@contextmanager
def _unreadable_json(path: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ConfigError(
            f"{path} is not the record of a job: {error}. Delete its folder."
        ) from error


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        with explaining_write_errors(folder):
            yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "stopped: finished shards stay. The same command goes on from there."
        ) from None
