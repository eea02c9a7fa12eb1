"""Checks every fold before the first one is trained: the last may be hours away.

Finished folds, which are not trained again, are compared with the data as it is now.
"""

from collections.abc import Sequence
from dataclasses import replace

from unet_hf.data.open import LabelledData, pin_revision
from unet_hf.errors import ConfigError, DatasetError

from ..checks.inspection import Inspection, inspect, inspection_bar
from ..checks.problems import find_problems, refuse_errors
from ..checks.seen import Note, Row, Seen, describe_changes, look_again
from ..config import TrainingConfig
from ..presets import USUAL
from .folds import open_folds


def refuse_faulty_folds(config: TrainingConfig) -> None:
    """Looks at all images once, and at how they are divided.

    Raises:
        DatasetError: The data or one of the folds cannot be trained on. It names each such fold.
    """
    config = pin_revision(config)
    size = config.resolution or USUAL["resolution"]  # only warnings depend on it
    every = open_folds(replace(config, fold=None))
    inspection = inspect(every, config.max_inspected, inspection_bar)
    refuse_errors(every, inspection, size, config.check_command(), evaluated=False)
    lines = []
    for fold in range(config.folds):
        data = open_folds(replace(config, fold=fold))
        problems = find_problems(data, _of_fold(inspection, data), size)
        errors = [problem for problem in problems if problem.severity == "error"]
        lines += [f"\n- fold {fold}: {str(error).removeprefix('error: ')}" for error in errors]
    if lines:
        raise DatasetError(
            f"The data set cannot be divided into {config.folds} folds in this way; folds are "
            f"counted from 0:{''.join(lines)}"
        )


def refuse_changed_data(finished: Sequence[tuple[TrainingConfig, Seen | None]]) -> None:
    """Compares the images and masks with those that the finished folds have seen.

    finished: For each, its options and what it has noted; None: by an earlier version, nothing.

    Raises:
        ConfigError: Some were replaced, removed or added; it names them.
    """
    known: dict[Row, Note] = {}  # every image is read once
    for config, before in finished:
        if before is None:
            continue
        now = look_again(open_folds(config), config.max_inspected, known)
        if changes := describe_changes(before, now):
            raise ConfigError(
                f"The images or masks of {config.dataset_name} are not those that fold "
                f"{config.fold}, which is finished, was trained and scored on ({changes}). Bring "
                "them back, or cross-validate the changed data in another --output_dir."
            )


def _of_fold(inspection: Inspection, data: LabelledData) -> Inspection:
    """Divides the notes about all images as the images of a fold are divided."""
    held = set(data.validation.indices.tolist())
    return Inspection(
        [facts for facts in inspection.train if facts.row not in held],
        [facts for facts in inspection.train if facts.row in held],
        len(data.train),
        len(data.validation),
    )
