"""Writes the finished checkpoint with its records, and pushes it to the Hub on request."""

import logging
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.errors import HTTPError

from unet_hf import UNet
from unet_hf.data.open import LabelledData
from unet_hf.errors import CheckpointError, ConfigError, PushError, UNetError
from unet_hf.evaluation.expected import expected_scores
from unet_hf.evaluation.record import evaluation_record, write_json
from unet_hf.evaluation.scope_measurement import measure_scope
from unet_hf.evaluation.speed import measure_speed
from unet_hf.evaluation.summary import Evaluation
from unet_hf.hub.card import CardOptions
from unet_hf.hub.expected_words import expected_words
from unet_hf.hub.layout import (
    CARD_NAME,
    CURVE_NAME,
    EVALUATION_NAME,
    SPEED_NAME,
    TRAINING_NAME,
)
from unet_hf.hub.push import push_failure, push_folder, writable_repository
from unet_hf.hub.records import HASHES_KEY, MADE_WITH, checkpoint_hashes
from unet_hf.hub.sample import write_sample
from unet_hf.hub.save import replacing, write_card, write_model
from unet_hf.hub.scope_record import write_scope_record

from .checkpoints import BEST, TrainingState
from .checks.inspection import Inspection
from .config import TrainingConfig
from .cross_validation.out_of_fold import OutOfFold
from .provenance import made_with

WAITS = (1.0, 5.0, 30.0)  # seconds between tries; long, since the training took hours

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class HubTarget:
    """A repository that the token may write to.

    It is verified before the training, so that hours are not lost to a wrong token.
    """

    repo_id: str
    config: TrainingConfig

    @classmethod
    def verified(cls, config: TrainingConfig) -> "HubTarget":
        """Checks the token and creates the repository. Raises `ConfigError`."""
        api = HfApi(token=config.hub_token)
        name = config.hub_model_id or Path(config.output_dir).resolve().name
        try:
            if config.hub_create_pr:
                api.whoami()
                name = api.model_info(name).id
            else:
                name = writable_repository(api, name, config.hub_private_repo or None)
            return cls(name, config)
        except (HTTPError, OSError, ValueError) as error:
            text = push_failure(error, name)
        # Raised outside of `except`, see `unet_hf.errors.harmless_cause`.
        raise ConfigError(f"--push_to_hub: {text}")

    def push(self, folder: Path) -> str:
        """Uploads the finished checkpoint in one commit; returns the commit's address.

        Raises:
            PushError: The checkpoint is still in `folder`; the message says how to try again.
        """
        try:
            commit = push_folder(
                folder,
                self.repo_id,
                token=self.config.hub_token,
                branch=self.config.hub_branch,
                create_pr=self.config.hub_create_pr,
                tag=self.config.hub_tag,
                space=self.config.demo_space,
                commit_message="Trained checkpoint with its evidence",
                waits=WAITS,
            )
        except PushError as error:
            raise PushError(
                f"The checkpoint is finished in {folder}, but it is not on the Hub. {error} "
                f"`python -m train --output_dir {shlex.quote(str(folder))} "
                "--resume_from_checkpoint latest --push_to_hub` pushes it without training again."
            ) from None
        return commit.pr_url or str(commit)


def write_finished(
    output: Path,
    config: TrainingConfig,
    data: LabelledData,
    inspection: Inspection,
    progress: TrainingState,
    out_of_fold: OutOfFold | None = None,
) -> None:
    """Writes the best checkpoint with its records to the root of `output`."""
    evaluation = Evaluation(**progress.best)
    model = UNet.from_pretrained(output / BEST)
    with replacing(output) as new:
        write_model(model, new)
        hashes = {HASHES_KEY: checkpoint_hashes(new)}
        record = made_with(config, data, inspection, progress, model) | hashes
        write_json(new / TRAINING_NAME, config.to_dict() | {MADE_WITH: record})
        held_back = data.validation.split == data.train.split  # no split of its own
        split = None if held_back else data.validation.split
        scores = evaluation_record(config, data.validation_name, split, evaluation)
        if out_of_fold:
            scores |= {"folds": {"count": config.folds, "steps": out_of_fold.steps}}
            # The networks of the folds chose it, and this checkpoint is another network.
            scores |= {"expected": out_of_fold.expected, "few_missed": None}
        else:
            scores |= {"chosen_on_this_split": True, "expected": expected_of(progress)}
        write_json(new / EVALUATION_NAME, scores | hashes)
        shutil.copyfile(output / CURVE_NAME, new / CURVE_NAME)
        write_scope(model, data, config, new)
        write_sample(model, new, config.sample_image)
        if config.measure_speed:
            try:
                write_json(new / SPEED_NAME, measure_speed(new) | hashes)
            except CheckpointError as error:
                logger.warning("%s", error)
        card = output / CARD_NAME
        existing = card.read_text(encoding="utf-8") if card.is_file() else None
        options = CardOptions(output.resolve().name)
        write_card(new, options, existing)


def write_scope(model: UNet, data: LabelledData, config: TrainingConfig, folder: Path) -> None:
    """Writes how the training images look to the finished weights, unless they are too few."""
    try:
        write_scope_record(folder, measure_scope(model, data, config, folder))
    except UNetError as error:
        logger.warning("The checkpoint cannot tell images unlike those of its training: %s", error)


def expected_of(progress: TrainingState) -> dict[str, Any] | None:
    """Estimates the scores on new images from the evaluations of this training.

    None where they are not known: of fewer than two images, or of a training that an earlier
    version began.
    """
    if progress.best_step not in progress.tallies:
        return None
    expected = expected_scores([progress.tallies])
    if expected:
        logger.info("expected on new images: %s", expected_words(expected))
    return expected
