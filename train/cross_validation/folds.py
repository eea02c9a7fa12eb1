"""Divides the labelled images into folds for `--folds`, and gives a training its own.

The images of the training and of the validation split are divided together. Any other split, such
as "test", is never touched.
"""

from dataclasses import replace

import numpy as np

from unet_hf.data.kinds import column_values, describe_kinds, kinds_of
from unet_hf.data.open import LabelledData, open_data
from unet_hf.data.pairs import Pairs
from unet_hf.data.stacks import PAGE
from unet_hf.errors import DatasetError
from unet_hf.words import number_of

from ..config import TrainingConfig


def open_folds(config: TrainingConfig) -> LabelledData:
    """Opens a data set with `--folds`.

    With `--fold` the images of that fold are the validation images, and the others are trained on.
    Without it all images are trained on, and none is left to evaluate on.

    Raises:
        DatasetError: There are fewer images, or groups of them, than folds.
    """
    data = open_data(replace(config, balance_column=None))
    every = all_pairs(data)
    fold_of, how = assign_folds(every, config)
    held = fold_of == config.fold if config.fold is not None else np.zeros(len(every), bool)
    train, validation = (
        Pairs(every.rows, every.reader, every.split, every.indices[chosen])
        for chosen in (~held, held)
    )
    sizes = np.bincount(fold_of, minlength=config.folds).tolist()
    findings = [text for text in data.findings if not text.startswith("no validation split")]
    findings.append(
        f"{number_of(len(every), 'image')} of {every.split} in {config.folds} folds of "
        f"{', '.join(map(str, sizes))}, {how}"
    )
    kinds = None
    if config.balance_column:
        kinds = kinds_of(train, config.balance_column)
        findings.append(describe_kinds(kinds, config.balance_column))
    shown = f"{every.split}, {config.folds}-fold cross-validation"
    if config.fold is not None:
        shown = f"{every.split}, fold {config.fold} of {config.folds}, counted from 0"
    return replace(
        data, train=train, validation=validation, train_name=every.split, validation_name=shown,
        findings=findings, kinds=kinds,
    )  # fmt: skip


def all_pairs(data: LabelledData) -> Pairs:
    """Joins the training and the validation images."""
    train, validation = data.train, data.validation
    if train.rows is validation.rows:  # images of the training split were held back
        indices = np.sort(np.concatenate([train.indices, validation.indices]))
        return Pairs(train.rows, train.reader, train.split, indices)
    from datasets import concatenate_datasets

    try:
        rows = concatenate_datasets([train.rows, validation.rows])
    except ValueError as error:
        raise DatasetError(
            f"--folds divides the splits {train.split} and {validation.split} together, but their "
            f"columns differ ({error}). Give both the same columns."
        ) from error
    return Pairs(rows, train.reader, f"{train.split} + {validation.split}")


def assign_folds(pairs: Pairs, config: TrainingConfig) -> tuple[np.ndarray, str]:
    """Returns the fold of each image, (len(pairs),) int from 0, and in words how it was found."""
    order = config.fold_order
    if order is None:
        order = "contiguous" if PAGE in pairs.rows.features else "random"
    how = f"drawn with seed {config.seed}" if order == "random" else "contiguous blocks of rows"
    groups = np.arange(len(pairs))
    if config.fold_column:
        values = column_values(pairs.rows, config.fold_column, "--fold_column")[pairs.indices]
        names, groups = np.unique(values, return_inverse=True)
        count = number_of(len(names), "group")
        how += f"; images with the same {config.fold_column!r} stay together ({count})"
    elif PAGE in pairs.rows.features and order == "random":
        how += "; pages of one stack resemble each other: --fold_order contiguous is more honest"
    return divide(groups, config.folds, order, config.seed), how


def divide(groups: np.ndarray, folds: int, order: str, seed: int) -> np.ndarray:
    """Divides images into folds of about equal size; a group is never divided.

    Args:
        groups: (images,) group of each image.
        order: "contiguous": blocks of groups, in the order in which they first occur. "random":
            groups are drawn; larger ones are placed first, each into the smallest fold.

    Returns:
        (images,) fold of each image, from 0.

    Raises:
        DatasetError: There are fewer groups than folds.
    """
    names, first, places, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    count = len(names)
    if count < folds:
        what = "images" if count == len(groups) else "groups of images"
        raise DatasetError(
            f"--folds {folds} needs at least {folds} {what}; there are {count}. Ask for fewer "
            "folds."
        )
    fold_of = np.zeros(count, int)
    if order == "contiguous":
        ranks = np.argsort(first)
        # The fold of a group follows from where its middle lies, but none may stay empty.
        middles = np.cumsum(sizes[ranks]) - sizes[ranks] / 2
        wanted = (middles * folds / len(groups)).astype(int)
        earliest = np.arange(count) - count + folds  # enough groups must be left for the rest
        placed, last = [], -1
        for rank in range(count):
            last = int(np.clip(max(wanted[rank], earliest[rank]), max(last, 0), last + 1))
            placed.append(last)
        fold_of[ranks] = placed
    else:
        drawn = np.random.default_rng(seed).permutation(count)
        filled = np.zeros(folds, int)
        for index in drawn[np.argsort(-sizes[drawn], kind="stable")]:
            fold_of[index] = filled.argmin()
            filled[fold_of[index]] += sizes[index]
    return fold_of[places]
