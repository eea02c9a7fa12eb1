"""Trains a network: data, network, budget, crops, steps and final checkpoint, in this order."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import (
    InitProcessGroupKwargs,
    broadcast_object_list,
    set_seed,
)

from unet_hf.data.open import LabelledData, open_data, pin_revision
from unet_hf.data.options import PROCESS_TIMEOUT
from unet_hf.data.pairs import Pairs
from unet_hf.errors import ConfigError
from unet_hf.evaluation.summary import Evaluation
from unet_hf.files import make_folder, write_text

from . import checkpoints
from .budget.deadline import Deadline
from .budget.trial import clock, fit_to_budget
from .checkpoints import TrainingState
from .checks.inspection import Inspection, inspect, inspection_bar
from .checks.problems import refuse_errors, seen_in
from .config import TrainingConfig
from .crops.augmentation import Augmentation
from .crops.crops import CropMaker, CropSampler, RandomCrops, StreamedCrops, crop_loader
from .cross_validation.folds import open_folds
from .cross_validation.out_of_fold import OutOfFold
from .duration import read_duration
from .interruptions import StopRequest, explained
from .kernels.forward import memory_format
from .learner import Learner
from .model import check_batch_norm, choose_precision, crop_size, freeze_encoder
from .plan.planner import plan_or_resume
from .publish import HubTarget
from .recipe import USUAL_RECIPE, Recipe
from .report import (
    check_sample_image,
    check_tracker,
    crops_an_epoch,
    plan,
    scalars,
)
from .start import check_resumed, count_steps, find_start, resumed_budget
from .steps import Steps, write_metrics

START_OF_PYTHON = 4.0  # seconds, where the start of the command was not seen

logger = logging.getLogger(__name__)


def train(
    config: TrainingConfig,
    began: float | None = None,
    out_of_fold: OutOfFold | None = None,
    recipe: Recipe = USUAL_RECIPE,
) -> Evaluation:
    """Runs a training and writes a checkpoint to `config.output_dir`.

    Under `accelerate launch` each process runs this; the first one writes.

    Args:
        began: `time.perf_counter()` when the command was given, for `time_budget`; None: now.
        out_of_fold: With `--folds`, the result of the folds, for the final network, which has no
            validation images. `train_folds` gives it.
        recipe: Code that an experiment replaces; resume with the same one.

    Returns:
        The evaluation of that checkpoint on the validation split.

    Raises:
        DatasetError, ConfigError, CheckpointError: Something is wrong before the first step.
        TrainingError: The training ended early; the message says how to go on.
    """
    now = clock()
    began = now if began is None else began
    imported = max(now - began, START_OF_PYTHON)
    config.check_output()
    if config.folds and config.fold is None and out_of_fold is None:
        raise ConfigError("With --folds, call `train.folds.train_folds`, which trains every fold.")
    output = Path(config.output_dir)
    check_tracker(config.report_to)
    check_sample_image(config.sample_image)
    resumed_from = find_start(config, output)
    progress = checkpoints.read_progress(resumed_from) if resumed_from else TrainingState()
    accelerator = build_accelerator(config, output)
    main, processes = accelerator.is_main_process, accelerator.num_processes
    target = HubTarget.verified(config) if main and config.push_to_hub else None

    # Data
    config, data, inspection = open_and_inspect(config, accelerator)
    if resumed_from and not checkpoints.tells_objects(resumed_from):
        data = replace(data, objects=None)  # as it was begun, before cells were parted
    check = config.check_command()  # with the options that were given, not those of the plan
    config, planned = broadcast_object_list(
        [plan_or_resume(config, data, inspection, progress.config)]
    )[0]

    # Network
    set_seed(config.seed)
    model = recipe.build_model(config, data.id2label, inspection.channels, data.has_objects)
    if data.divisions is not None:
        model.config["tracking"] = {"divisions": data.divisions}
    size = crop_size(model, config.resolution)
    crops_a_step = config.crops_per_process * processes
    problems = refuse_errors(data, inspection, size, check, evaluated=out_of_fold is None)
    model.train().to(accelerator.device)
    model.to(memory_format=memory_format(model, accelerator.mixed_precision))
    if config.freeze_encoder:
        freeze_encoder(model)
    check_batch_norm(model, size, config.train_batch_size * processes)
    counts = inspection.counts(data.num_classes)
    maker = CropMaker(
        model.preprocessing, augmentation_of(config, size), counts, config, model.object_channels
    )

    # Budget
    config, fit, costs = resumed_budget(config, progress), None, None
    if config.time_budget:
        if main:
            make_folder(output)
            logger.info("measuring how many steps fit into %s", config.time_budget)
        with explained(progress, output):
            config, fit, costs = fit_to_budget(
                config, model, data, inspection, maker, accelerator, began, imported, recipe
            )
    config = count_steps(config, crops_an_epoch(inspection, size) / crops_a_step)
    seen = seen_in(data, inspection)
    check_resumed(config, progress, processes, seen)
    if main:
        precision = accelerator.mixed_precision
        parts = (config, data, inspection, model, size)
        planned = planned.of_output(output) if config.resume_from_checkpoint else planned
        logger.info(plan(*parts, planned, accelerator.device, precision, processes, progress.step))
        if fit:
            logger.info("%-10s%s", "steps", fit.words)
        for problem in problems:
            logger.warning("%s", problem)
        make_folder(output)
    learner = Learner(model, config, accelerator, size, recipe)
    if resumed_from:
        learner.restore(resumed_from, progress.step)
    if main:
        with explained(progress, output):
            checkpoints.clear_unfinished(output)
            write_text(output / "training.json", config.to_json())
            planned.write(output)
            checkpoints.restore_best(resumed_from, output)
            write_metrics(output, progress)
    learner.prepare()

    # Crops
    numbers = CropSampler(config, progress.step, accelerator.process_index, processes)
    if isinstance(data.train, Pairs):
        areas, shows = inspection.areas(data.train), None
        if config.class_sampling:
            shows = inspection.shows(data.train, data.num_classes)
        crops = RandomCrops(data.train, areas, maker, data.kinds, shows)
    else:
        crops = StreamedCrops(data.train, numbers, maker, tuple(progress.place))
    batches: Iterator[list[torch.Tensor]] = iter(
        crop_loader(crops, numbers, config, accelerator.device)
    )

    # Steps
    accelerator.init_trackers("unet_hf", scalars(config.to_dict()))
    deadline = None
    if costs and fit:
        deadline = Deadline(read_duration(config.fitted_to), costs, fit, began, clock())
    steps = Steps(learner, data, progress, seen, deadline, out_of_fold)
    with explained(progress, output), StopRequest() as stop:
        steps.make(batches, stop)

    # Final checkpoint
    accelerator.wait_for_everyone()
    if main:
        with explained(progress, output):
            checkpoints.prune(output, progress.step, config.checkpoints_total_limit)
            recipe.finish(output, learner.config, data, inspection, progress, out_of_fold)
        if target:
            logger.info("pushed: %s", target.push(output))
    if processes > 1:
        # The wrapper may not outlive the connection, which it holds: freeing both at once waits,
        # under Python's lock, for a thread that may need this lock to drop its last tensors.
        del learner.network
        accelerator.free_memory()
    accelerator.end_training()
    return Evaluation(**progress.best) if main else None


def build_accelerator(config: TrainingConfig, output: Path) -> Accelerator:
    """Sets up devices, precision and trackers, and the connection between processes."""
    return Accelerator(
        # Without this, processes launched on a machine without a GPU would not find each other.
        cpu=not torch.accelerator.is_available(),
        mixed_precision=choose_precision(config.mixed_precision),
        log_with=config.report_to,
        project_dir=output / "logs",
        kwargs_handlers=[InitProcessGroupKwargs(timeout=PROCESS_TIMEOUT)],
    )


def open_and_inspect(
    config: TrainingConfig, accelerator: Accelerator
) -> tuple[TrainingConfig, LabelledData, Inspection]:
    """Opens the data set at one commit and inspects it in the first process.

    Returns the options with that commit, the data, and the notes about it.
    """
    main = accelerator.is_main_process
    pinned = pin_revision(config).dataset_revision if main else None
    config = replace(config, dataset_revision=broadcast_object_list([pinned])[0])
    with accelerator.main_process_first():
        data = open_folds(config) if config.folds else open_data(config)
    inspection = inspect(data, config.max_inspected, inspection_bar) if main else None
    return config, data, broadcast_object_list([inspection])[0]


def augmentation_of(config: TrainingConfig, size: int) -> Augmentation:
    """Makes the augmentation of crops of size x size px."""
    return Augmentation(
        size,
        config.elastic_std,
        config.rotation,
        config.scale_range,
        config.flip,
        config.gray_std,
        config.noise_std,
        config.channel_mixing,
        config.inversion,
    )
