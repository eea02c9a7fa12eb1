"""Where a training begins: anew or from a checkpoint, with the options and data it had."""

import logging
from dataclasses import replace
from pathlib import Path

from unet_hf.errors import ConfigError

from . import checkpoints
from .checkpoints import METRICS, TrainingState
from .checks.seen import Seen, describe_changes
from .config import DEFAULT_INTERVAL, DEFAULT_STEPS, TrainingConfig

logger = logging.getLogger(__name__)


def find_start(config: TrainingConfig, output: Path) -> Path | None:
    """Finds the checkpoint to resume from; None for a new training.

    Raises `ConfigError` where another training would be overwritten.
    """
    if output.exists() and not output.is_dir():
        raise ConfigError(f"--output_dir {output} is a file. Name a folder.")
    if foreign := checkpoints.foreign_folders(output):
        raise ConfigError(
            f"{foreign[0]} was not written by a training of this program, which would replace it. "
            "Move it away, or choose another --output_dir."
        )
    if config.resume_from_checkpoint:
        found = checkpoints.find_training_checkpoint(config.resume_from_checkpoint, output)
        if found is None:
            logger.info("%s holds no checkpoint yet: a new training begins", output)
        return found
    if (output / METRICS).exists() or checkpoints.find_checkpoints(output):
        raise ConfigError(
            f"--output_dir {output} already holds a training. Go on with it "
            "(--resume_from_checkpoint latest), choose another folder, or move that one away."
        )
    return None


def check_resumed(
    config: TrainingConfig, progress: TrainingState, processes: int, seen: Seen
) -> None:
    """Checks that a resumed training has the options and the data it began with.

    Raises `ConfigError`.
    """
    if progress.step == 0:
        return
    if changes := config.changes(progress.config):
        raise ConfigError(
            f"--resume_from_checkpoint continues a training as it was begun, but these options "
            f"differ: {'; '.join(changes)}. Leave them out, or start a new training from its "
            "weights with --pretrained_model_name_or_path."
        )
    if config.max_train_steps != (total := progress.config["max_train_steps"]):
        progress.extended.append([progress.step, total])
    if processes != progress.processes:
        raise ConfigError(
            f"The training was begun with {progress.processes} processes and is resumed with "
            f"{processes}. Launch as many as before: `accelerate launch --num_processes "
            f"{progress.processes}`."
        )
    # Another number of images holds back others to evaluate on: some were trained on before.
    if changes := describe_changes(progress.seen or seen, seen):
        raise ConfigError(
            f"The images or masks of {config.dataset_name} are not those that the training was "
            f"begun with ({changes}). Bring them back, or train on the changed data in another "
            "--output_dir, from these weights: --pretrained_model_name_or_path "
            f"{Path(config.output_dir) / f'checkpoint-{progress.step}'}."
        )


def resumed_budget(config: TrainingConfig, progress: TrainingState) -> TrainingConfig:
    """Returns the options of a resumed training with the steps that were fitted to its budget.

    Raises `ConfigError` if it was begun with another budget, or with none.
    """
    if progress.step == 0 or config.time_budget is None:
        return config
    fitted = ("fitted_to", "max_train_steps", "validation_steps", "checkpointing_steps")
    return replace(config, **{name: progress.config.get(name) for name in fitted})


def count_steps(config: TrainingConfig, steps_an_epoch: float) -> TrainingConfig:
    """Returns the options with `max_train_steps`, which may have been given as epochs or not.

    Evaluations and checkpoints get their intervals, too.
    """
    config = replace(
        config,
        validation_steps=config.validation_steps or DEFAULT_INTERVAL,
        checkpointing_steps=config.checkpointing_steps or DEFAULT_INTERVAL,
    )
    if config.max_train_steps is not None:
        return config
    if config.num_train_epochs is None:
        return replace(config, max_train_steps=DEFAULT_STEPS)
    steps = max(1, round(config.num_train_epochs * steps_an_epoch))
    return replace(config, max_train_steps=steps)
