"""Cross-validates: trains without each fold in turn, then the final network on all images.

    out/folds/0 ... k-1   a training each, which may be resumed on its own
    out/                  the final checkpoint

The first fold decides, by its plan or its time budget, what was not given; the other trainings
take its options. Every image is segmented by the network that was not trained on it. The threshold
and the way of making objects are those that are best on all these predictions. The final network
is trained on all images up to the median of the steps that were kept in the folds; no image is
left to score it, so the scores of the folds are its evidence. It has seen more images than each of
them, so it should be at least as good.
"""

import dataclasses
import json
import logging
import os
import shutil
import statistics
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from unet_hf import UNet
from unet_hf.errors import ConfigError
from unet_hf.evaluation.evaluate import evaluate_and_tally
from unet_hf.evaluation.expected import expected_scores
from unet_hf.evaluation.summary import Evaluation, describe_evaluation
from unet_hf.files import make_folder, parse_json, write_text
from unet_hf.hub.layout import CONFIG_NAME, TRAINING_NAME
from unet_hf.hub.records import MADE_WITH

from . import checkpoints
from .checkpoints import BEST, METRICS
from .checks.seen import Seen
from .config import TrainingConfig
from .cross_validation.checks import refuse_changed_data, refuse_faulty_folds
from .cross_validation.folds import open_folds
from .cross_validation.out_of_fold import OutOfFold
from .duration import read_duration
from .errors import TooShortError, TrainingError
from .loop import train
from .plan.planner import PLAN
from .provenance import CARD_TEXTS
from .publish import HubTarget
from .start import find_start

FOLDS = "folds"

logger = logging.getLogger(__name__)


def train_folds(config: TrainingConfig, began: float | None = None) -> Evaluation:
    """Trains all folds and the final network; those that are finished are not trained again.

    Args:
        began: `time.perf_counter()` when the command was given, for `time_budget`; None: now.

    Returns:
        The scores of the images, each by the network that was not trained on it.

    Raises:
        ConfigError: Several processes were launched, or a resumed cross-validation has other
            options or other data. Else see `loop.train`.
        DatasetError: The data, or one of the folds, cannot be trained on; nothing was trained yet.
    """
    began = time.perf_counter() if began is None else began
    output = Path(config.output_dir)
    _refuse_processes()
    _find_start(config, output)
    folders = [output / FOLDS / str(fold) for fold in range(config.folds)]
    refuse_changed_data([_noted(folder, config) for folder in folders if _is_finished(folder)])
    if config.push_to_hub:
        HubTarget.verified(config)
    begun = _has_begun(output)
    if not begun:
        refuse_faulty_folds(config)
    make_folder(output)
    if not (begun and (output / TRAINING_NAME).is_file()):
        write_text(output / TRAINING_NAME, config.to_json())
    for fold in range(config.folds):
        logger.info("fold %d of %d", fold, config.folds)
        _train_fold(config, fold, folders, began)
    _copy_plan(folders[0], output)
    found = score_folds(config, folders)
    logger.info("out-of-fold: %s", describe_evaluation(Evaluation(**found.evaluation)))
    return train(_final_options(config, folders[0]), out_of_fold=found)


def score_folds(config: TrainingConfig, folders: list[Path]) -> OutOfFold:
    """Scores each image by the network of its fold, all at the threshold that is best together."""
    parts = []
    for fold, folder in enumerate(folders):
        data = open_folds(replace(options_in(folder), fold=fold, hub_token=config.hub_token))
        parts.append((UNet.from_pretrained(folder / BEST), data.validation))
    evaluation, _ = evaluate_and_tally(parts, choose_objects=True)
    states = [checkpoints.read_progress(_newest(folder)) for folder in folders]
    steps = [state.best_step for state in states]
    known = all(state.best_step in state.tallies for state in states)
    return OutOfFold(
        step=int(statistics.median_high(steps)),
        steps=steps,
        evaluation=asdict(evaluation),
        expected=expected_scores([state.tallies for state in states]) if known else None,
    )


def options_in(folder: Path) -> TrainingConfig:
    """Reads the options of a training from its folder."""
    options = parse_json((folder / TRAINING_NAME).read_bytes())
    options.pop(MADE_WITH, None)
    return TrainingConfig(**options)


def _train_fold(config: TrainingConfig, fold: int, folders: list[Path], began: float) -> None:
    """Trains one fold, or goes on with it; a finished one stays as it is."""
    folder = folders[fold]
    if _is_finished(folder):
        return
    own = {
        "fold": fold,
        "output_dir": str(folder),
        "measure_speed": False,
        "hub_token": config.hub_token,
        "resume_from_checkpoint": "latest",
    }
    if (folder / TRAINING_NAME).is_file():
        options = replace(options_in(folder), **own)
    elif fold == 0:
        options = replace(config, **own, **_not_pushed(), time_budget=_share(config))
    else:
        options = replace(options_in(folders[0]), **own)
        _copy_plan(folders[0], folder)
    try:
        train(options, began if fold == 0 else None)
    except TooShortError as error:
        enough = error.enough * (config.folds + 1)
        raise TooShortError(
            f"--time_budget {config.time_budget} is shared by {config.folds + 1} trainings, and "
            f"the share of each is too short: {error} For all trainings, this is {enough}s.",
            enough,
        ) from error
    except TrainingError as error:
        raise type(error)(
            f"Fold {fold}: {error} The same with --output_dir {config.output_dir} goes on with "
            "this fold, and then with the others."
        ) from error


def _copy_plan(first: Path, folder: Path) -> None:
    """Copies the plan of the first fold, whose options the other trainings take."""
    if (first / PLAN).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(first / PLAN, folder / PLAN)


def _share(config: TrainingConfig) -> str | None:
    """Returns the time budget of one of the folds + 1 trainings."""
    if config.time_budget is None:
        return None
    return f"{read_duration(config.time_budget) / (config.folds + 1):.1f}s"


def _final_options(config: TrainingConfig, first: Path) -> TrainingConfig:
    """Returns the options of the final training: those of the first fold, on all images."""
    given = {name: getattr(config, name) for name in CARD_TEXTS if name != "fitted_to"}
    options = options_in(first)
    return replace(
        options,
        **given | {"resume_from_checkpoint": "latest"},
        fold=None,
        fitted_to=options.fitted_to and (config.time_budget or config.fitted_to),
        output_dir=config.output_dir,
        hub_token=config.hub_token,
    )


def _not_pushed() -> dict[str, Any]:
    names = ("hub_model_id", "hub_branch", "hub_tag")
    return dict.fromkeys(names) | {"push_to_hub": False, "hub_create_pr": False}


def _newest(folder: Path) -> Path:
    found = checkpoints.find_checkpoints(folder)
    return found[max(found)]


def _is_finished(folder: Path) -> bool:
    return (folder / CONFIG_NAME).is_file()  # written last


def _noted(folder: Path, config: TrainingConfig) -> tuple[TrainingConfig, Seen | None]:
    """Reads the options of a finished fold, and which images and masks it has seen."""
    options = replace(options_in(folder), hub_token=config.hub_token)
    return options, checkpoints.read_progress(_newest(folder)).seen


def _refuse_processes() -> None:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(
            "--folds trains one network after another in one process. Under `accelerate launch`, "
            "train each fold by itself: --fold 0, --fold 1 ..., with --output_dir OUT/folds/0 ... "
            "Then `python -m train --folds ... --output_dir OUT --resume_from_checkpoint latest` "
            "takes the finished folds and trains the final network in one process."
        )


def _has_begun(output: Path) -> bool:
    """Whether the training of a fold has begun; one that was refused before has left no options."""
    return any((output / FOLDS).glob(f"*/{TRAINING_NAME}"))


def _find_start(config: TrainingConfig, output: Path) -> None:
    """Refuses to overwrite a training, or to resume one with other options."""
    started = _has_begun(output)
    if not config.resume_from_checkpoint:
        if started:
            raise ConfigError(
                f"--output_dir {output} already holds a cross-validation. Go on with it "
                "(--resume_from_checkpoint latest), choose another folder, or move that one away."
            )
        find_start(config, output)
        return
    if config.resume_from_checkpoint != "latest":
        raise ConfigError(
            f"--resume_from_checkpoint {config.resume_from_checkpoint}: with --folds only 'latest' "
            "is possible, which goes on where it was stopped."
        )
    if (output / METRICS).exists() and not started:
        raise ConfigError(f"{output} holds a training without folds. Choose another --output_dir.")
    first = output / FOLDS / "0" / TRAINING_NAME
    if first.is_file():
        _refuse_changes(config, options_in(first.parent).to_dict())


def _refuse_changes(config: TrainingConfig, before: dict[str, Any]) -> None:
    """Compares what decides the results; what is None was left to the first fold to decide."""
    names = [
        item.name
        for item in dataclasses.fields(config)
        if item.name != "fold" and not item.metadata.get("volatile")
    ]
    changes = [
        f"--{name} {json.dumps(before[name])} -> {json.dumps(now)}"
        for name in (*names, "max_train_steps")
        if (now := getattr(config, name)) is not None and now != before.get(name)
    ]
    if changes:
        raise ConfigError(
            f"--resume_from_checkpoint goes on with a cross-validation as it was begun, but these "
            f"options differ: {'; '.join(changes)}. Leave them out, or choose another --output_dir."
        )
