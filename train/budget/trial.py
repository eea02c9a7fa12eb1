"""Measures, on throw-away copies, what the parts of a training cost here.

Nothing of it is left: no weight, no average, no random state, no crop number.
"""

import copy
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from unet_hf import UNet
from unet_hf.data.open import LabelledData
from unet_hf.errors import ConfigError
from unet_hf.evaluation.speed import ROUNDS, SIDE

from .. import checkpoints
from ..checkpoints import UNFINISHED, TrainingState
from ..checks.inspection import Inspection
from ..config import TrainingConfig
from ..crops.crops import CropMaker
from ..duration import read_duration
from ..learner import Learner
from ..recipe import USUAL_RECIPE, Recipe
from .evaluation import measure_evaluation
from .fit import Costs, Fit, fit_steps
from .pace import MOST_STEPS, clock, measure_pace


def fit_to_budget(
    config: TrainingConfig,
    model: UNet,
    data: LabelledData,
    inspection: Inspection,
    maker: CropMaker,
    accelerator: Accelerator,
    began: float,
    imported: float,
    recipe: Recipe = USUAL_RECIPE,
) -> tuple[TrainingConfig, Fit, Costs | None]:
    """Returns the options with the steps that fit into `time_budget`, the fit, and its costs.

    Only the first process knows the costs.

    Every process runs the trial steps; the first one decides.

    Args:
        model: In training mode, on its device.
        began: `clock()` when the command was given.
        imported: Seconds that the start of Python took.

    Raises:
        ConfigError: The budget is too short.
    """
    seconds = read_duration(config.time_budget)
    tried = replace(config, time_budget=None, max_train_steps=MOST_STEPS)
    with untouched_random_state(accelerator.device):
        size = maker.augmentation.size
        learner = Learner(copy.deepcopy(model), tried, accelerator, size, recipe)
        learner.prepare()
        pace = measure_pace(learner, seconds, data, inspection, maker)
        fit: Fit | ConfigError | None = None
        costs: Costs | None = None
        if accelerator.is_main_process:
            with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=config.output_dir) as folder:
                checkpoint = measure_checkpoint(learner, Path(folder))
            cost = measure_evaluation(learner.evaluated, seconds, data, inspection, config)
            # Python starts again to measure the speed.
            finish = (imported + (ROUNDS + 1) * cost.pixel * SIDE**2) * config.measure_speed
            finish += 2 * checkpoint + cost.pixel * SIDE**2
            costs = Costs(
                pace, clock() - began, cost.usual + checkpoint, checkpoint, finish, cost.unlearned
            )
            fit = fit_or_error(config, costs)
        # The wrapper of the network holds the connection, see the end of `train`.
        del learner
        accelerator.free_memory()
    fit = broadcast_object_list([fit])[0]
    if isinstance(fit, ConfigError):
        raise fit
    fitted = replace(
        config,
        time_budget=None,
        fitted_to=config.time_budget,
        max_train_steps=fit.steps,
        validation_steps=fit.validation_steps,
        checkpointing_steps=fit.checkpointing_steps,
    )
    return fitted, fit, costs


def fit_or_error(config: TrainingConfig, costs: Costs) -> Fit | ConfigError:
    """Fits the steps; returns the error instead of raising it, for the other processes."""
    try:
        return fit_steps(
            config.time_budget, costs, config.validation_steps, config.checkpointing_steps
        )
    except ConfigError as error:
        return error


@contextmanager
def untouched_random_state(device: torch.device) -> Iterator[None]:
    """Puts the random states of Python, NumPy and PyTorch back at the end."""
    python, legacy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
    random.setstate(python)
    np.random.set_state(legacy)


def measure_checkpoint(learner: Learner, folder: Path) -> float:
    """Writes a checkpoint to a folder: seconds."""
    begin = clock()
    checkpoints.save_training_state(
        folder, TrainingState(), learner.model, learner.evaluated, learner.optimizer, 1
    )
    return clock() - begin
