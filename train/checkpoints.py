"""Writes and reads the folders to resume from, `checkpoint-<step>/`.

    config.json, model.safetensors  the evaluated weights, for `UNet.from_pretrained`
    best/                           the same of the best evaluation so far
    training.safetensors            the trained weights, and the optimizer's state
    training_state.json             step, place in a stream, scores so far
    evaluations.safetensors         what the evaluations counted in each image

A folder is written under a temporary name, flushed to the disk, then renamed, so that it is never
half there. A killed process leaves at most the temporary folder, which the next run deletes.
Nothing is pickled.
"""

import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
import safetensors.torch
import torch
from torch import Tensor, nn

from unet_hf import UNet
from unet_hf.errors import CheckpointError, CheckpointNotFoundError
from unet_hf.evaluation.tally import Tally
from unet_hf.files import HIDDEN_PREFIX, flush_to_disk, is_temporary, parse_json

from .checks.seen import Seen

STATE = "training_state.json"
TENSORS = "training.safetensors"
EVALUATIONS = "evaluations.safetensors"
BEST = "best"
METRICS = "metrics.jsonl"  # one line for each evaluation
UNFINISHED = ".unfinished-"
FORMAT = 1  # version of training_state.json


@dataclass
class TrainingState:
    """State of a training besides its tensors; plain JSON except for the tallies."""

    step: int = 0
    config: dict[str, Any] = field(default_factory=dict)
    processes: int = 1
    seen: Seen | None = None  # the images and masks; None in checkpoints of earlier versions
    place: list[int] = field(default_factory=lambda: [0, 0])  # streams: epoch, row
    rows: list[dict[str, Any]] = field(default_factory=list)  # lines of metrics.jsonl
    best: dict[str, Any] | None = None  # the best row's evaluation, whole
    best_step: int = 0
    stale_evaluations: int = 0  # since the best one
    seconds: float = 0.0
    extended: list[list[int]] = field(default_factory=list)  # step, and the total until then
    tallies: dict[int, Tally] = field(default_factory=dict)  # of the best evaluations, by step


def write_folder(folder: Path, write: Callable[[Path], None]) -> None:
    """Calls `write(temporary)`, then renames the finished folder, replacing an older one.

    However the process ends, `folder` is complete or absent.
    """
    temporary = folder.with_name(f"{UNFINISHED}{uuid.uuid4().hex}")
    try:
        temporary.mkdir(parents=True)
        write(temporary)
        for path in temporary.rglob("*"):
            if path.is_file():
                flush_to_disk(path)
        if folder.exists():
            remove_folder(folder)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Deletes a folder; it is renamed first, so that a half deleted one does not keep its name."""
    doomed = folder.with_name(f"{UNFINISHED}{uuid.uuid4().hex}")
    os.replace(folder, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def clear_unfinished(output: Path) -> None:
    """Deletes the temporary folders and files that killed processes left in `output`."""
    for path in output.glob(f"{UNFINISHED}*"):
        # 8 characters: temporary folders of `unet_hf.hub.save`, which uses `tempfile`.
        if re.fullmatch(r"[0-9a-f]{32}|[a-z0-9_]{8}", path.name.removeprefix(UNFINISHED)):
            shutil.rmtree(path, ignore_errors=True)
    for path in output.rglob(f"{HIDDEN_PREFIX}*"):
        if is_temporary(path.name):
            path.unlink(missing_ok=True)


def save_training_state(
    output: Path,
    progress: TrainingState,
    trained: UNet,
    evaluated: UNet,
    optimizer: torch.optim.Optimizer,
    keep: int,
) -> Path:
    """Writes `checkpoint-<step>`, then deletes older ones, see `prune`.

    Raises:
        OSError: For example, the disk is full; earlier checkpoints are untouched.
    """
    folder = output / f"checkpoint-{progress.step}"

    def write(temporary: Path) -> None:
        save_model(evaluated, temporary)
        if (output / BEST).is_dir():
            shutil.copytree(output / BEST, temporary / BEST)
        tensors = {f"model.{name}": tensor for name, tensor in trained.state_dict().items()}
        tensors |= optimizer_tensors(optimizer)
        # Bytes first, then a plain write: safetensors' own writer maps the file into memory,
        # and on a full disk a mapped file kills the process instead of raising.
        data = safetensors.torch.save({k: t.contiguous() for k, t in tensors.items()})
        (temporary / TENSORS).write_bytes(data)
        plain = {key: value for key, value in vars(progress).items() if key != "tallies"}
        text = json.dumps({"format": FORMAT, **plain}, indent=1)
        (temporary / STATE).write_text(text + "\n", encoding="utf-8")
        arrays = safetensors.numpy.save(tally_arrays(progress.tallies))
        (temporary / EVALUATIONS).write_bytes(arrays)

    write_folder(folder, write)
    prune(output, progress.step, keep)
    return folder


def prune(output: Path, step: int, keep: int) -> None:
    """Deletes all checkpoints except the newest `keep` ones up to `step`.

    Later ones belong to an earlier run, which was resumed from an older checkpoint; "latest"
    would take them for this run's.
    """
    found = find_checkpoints(output)
    kept = sorted(number for number in found if number <= step)[-keep:]
    for number in found.keys() - kept:
        remove_folder(found[number])


def save_model(model: UNet, folder: Path) -> None:
    """Writes config.json and model.safetensors, nothing else."""
    text = json.dumps(model.config, sort_keys=True, indent=2)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")
    model._save_pretrained(folder)


def find_checkpoints(output: Path) -> dict[int, Path]:
    """Finds the checkpoints in `output`: step -> folder."""
    found = {}
    for path in output.glob("checkpoint-*"):
        if (match := re.fullmatch(r"checkpoint-(\d+)", path.name)) and (path / STATE).is_file():
            found[int(match[1])] = path
    return found


def foreign_folders(output: Path) -> list[Path]:
    """Finds folders in `output` that a training would replace and did not write."""
    ours = find_checkpoints(output)
    foreign = [
        path
        for path in sorted(output.glob("checkpoint-*"))
        if re.fullmatch(r"checkpoint-\d+", path.name) and path not in ours.values()
    ]
    # A training writes its metrics before `best`, and never deletes them.
    if (output / BEST).exists() and not ours and not (output / METRICS).exists():
        foreign.append(output / BEST)
    return foreign


def find_training_checkpoint(asked: str, output: Path) -> Path | None:
    """Finds the folder that `--resume_from_checkpoint` names; None if "latest" finds none.

    Raises:
        CheckpointNotFoundError: The folder does not exist or is no checkpoint of a training.
    """
    checkpoints = find_checkpoints(output)
    if asked == "latest":
        return checkpoints[max(checkpoints)] if checkpoints else None
    folder = Path(asked) if Path(asked).is_dir() else output / asked
    if not (folder / STATE).is_file():
        there = ", ".join(path.name for _, path in sorted(checkpoints.items())) or "none"
        raise CheckpointNotFoundError(
            f"--resume_from_checkpoint {asked}: that is no folder with a {STATE}. In {output} "
            f"there are: {there}. 'latest' takes the newest."
        )
    return folder


def tells_objects(checkpoint: Path) -> bool:
    """Whether the network of a training checkpoint tells objects apart.

    True where nothing can be read: what is wrong is said when the checkpoint is restored.
    """
    try:
        config = parse_json((checkpoint / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return True
    return not isinstance(config, dict) or "object_outputs" in config


def restore_best(folder: Path | None, output: Path) -> None:
    """Restores `output/best` as it was when the checkpoint `folder` was written."""
    if (output / BEST).is_dir():
        remove_folder(output / BEST)
    if folder is not None and (folder / BEST).is_dir():
        write_folder(
            output / BEST, lambda new: shutil.copytree(folder / BEST, new, dirs_exist_ok=True)
        )


def save_best(output: Path, model: UNet) -> None:
    """Writes the model to `output/best`."""
    write_folder(output / BEST, lambda new: save_model(model, new))


def read_progress(folder: Path) -> TrainingState:
    """Reads the state of a training from its checkpoint. Raises `CheckpointError`."""
    try:
        state = parse_json((folder / STATE).read_bytes())
        if state.pop("format") != FORMAT:
            raise ValueError("it was written by another version of this program")
        state.pop("data", None)  # earlier versions: one hash, which did not say what had changed
        return TrainingState(**state, tallies=read_tallies(folder / EVALUATIONS))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{folder / STATE} cannot be read: {error}. Delete the folder and resume from an "
            "older one."
        ) from error


def tally_arrays(tallies: Mapping[int, Tally]) -> dict[str, np.ndarray]:
    """Returns the arrays of all tallies, "<step>.<name>" -> array."""
    return {
        f"{step}.{name}": np.ascontiguousarray(array)
        for step, tally in tallies.items()
        for name, array in tally.to_arrays().items()
    }


def read_tallies(path: Path) -> dict[int, Tally]:
    """Reads the tallies of a checkpoint; none where an earlier version wrote no such file.

    Raises `CheckpointError`.
    """
    if not path.is_file():
        return {}
    try:
        arrays: dict[int, dict[str, np.ndarray]] = {}
        for key, array in safetensors.numpy.load(path.read_bytes()).items():
            step, name = key.split(".")
            arrays.setdefault(int(step), {})[name] = array
        return {step: Tally.from_arrays(arrays[step]) for step in sorted(arrays)}
    except (OSError, safetensors.SafetensorError, ValueError, KeyError, IndexError) as error:
        raise CheckpointError(
            f"{path} cannot be read: {error}. Delete the folder and resume from an older one."
        ) from error


def restore(
    folder: Path, trained: nn.Module, evaluated: UNet, optimizer: torch.optim.Optimizer
) -> None:
    """Loads both sets of weights and the optimizer's state in place, exactly.

    Raises:
        CheckpointError: The file is damaged, or of another network or optimizer.
    """
    try:
        tensors = safetensors.torch.load_file(folder / TENSORS)
        weights = {
            name.removeprefix("model."): tensor
            for name, tensor in tensors.items()
            if name.startswith("model.")
        }
        trained.load_state_dict(weights)
        averaged = UNet.from_pretrained(folder)
        evaluated.load_state_dict(averaged.state_dict())
        evaluated.config["threshold"] = averaged.config["threshold"]
        load_optimizer(optimizer, tensors)
    except (OSError, safetensors.SafetensorError, RuntimeError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{folder / TENSORS} does not fit this training: {error}. Delete the folder and "
            "resume from an older one."
        ) from error


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's tensors, by the position of their parameter and their name."""
    return {
        f"optimizer.{index}.{key}": value
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Sets the optimizer's tensors; the inverse of `optimizer_tensors`."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, tensor in tensors.items():
        if not name.startswith("optimizer."):
            continue
        _, index, key = name.split(".")
        parameter = parameters[int(index)]
        if tensor.shape == parameter.shape:
            # The fused kernels read parameter and state in memory order, so the state must have the
            # parameter's layout (channels last), which the file does not store.
            tensor = torch.empty_like(parameter).copy_(tensor)
        optimizer.state[parameter][key] = tensor
