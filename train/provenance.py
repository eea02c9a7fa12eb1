"""Records what a training was made with: data and its revision, code, packages, machine."""

from pathlib import Path
from typing import Any

from unet_hf import UNet
from unet_hf.data.open import LabelledData
from unet_hf.data.options import public_name
from unet_hf.errors import UNetError
from unet_hf.evaluation.machine import git_commit, package_versions, processor
from unet_hf.hub.card import split_card
from unet_hf.hub.find import locate_checkpoint, read_address
from unet_hf.hub.layout import CARD_NAME

from .checkpoints import TrainingState
from .checks.inspection import Inspection
from .config import TrainingConfig

# Options that change only the card, or where files are written.
CARD_TEXTS = (
    "goals", "goals_note", "dataset_note", "license", "license_name", "license_note", "citation",
    "sample_image",
    "resume_from_checkpoint", "report_to", "push_to_hub", "hub_model_id", "hub_private_repo",
    "hub_branch", "hub_create_pr", "hub_tag", "demo_space", "measure_speed", "fitted_to",
)  # fmt: skip


def made_with(
    config: TrainingConfig,
    data: LabelledData,
    inspection: Inspection,
    progress: TrainingState,
    model: UNet,
) -> dict[str, Any]:
    """Makes the record in `training.json` beside the options; see `unet_hf.hub.records`."""
    return {
        "command": config.published().command(without=CARD_TEXTS),
        "data": describe_data(config, data, inspection),
        "base_model": describe_base(config),
        "step": progress.best_step,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "crops": config.crops_per_process * progress.processes,
        "processes": progress.processes,
        "minutes": round(progress.seconds / 60),
        "extended": progress.extended,
        "git_commit": git_commit(),
        "packages": package_versions(),
        "processor": processor(),
    }


def describe_data(
    config: TrainingConfig, data: LabelledData, inspection: Inspection
) -> dict[str, Any]:
    """Name, revision and license of the training data, as far as they are known."""
    on_hub = not Path(config.dataset_name).exists()
    return {
        "name": public_name(config.dataset_name),
        "on_hub": on_hub,
        "config": config.dataset_config_name,
        "split": data.train.split,
        "images": inspection.train_total,
        "revision": config.dataset_revision if on_hub else None,
        "license": _license_on_hub(config) if on_hub else _license_in(Path(config.dataset_name)),
    }


def describe_base(config: TrainingConfig) -> dict[str, Any] | None:
    """Name, commit and license of the checkpoint that the training started from."""
    if not (name := config.start):
        return None
    on_hub = "/" in name and not Path(name).is_dir()
    known = str(read_address(name)[0]) if on_hub else public_name(name)
    base: dict[str, Any] = {"name": known, "on_hub": on_hub}
    try:
        place = locate_checkpoint(name, token=config.hub_token, evidence=True)
    except UNetError:
        return base  # it was found when the training began; its license is not known
    base["license"] = _license_in(place.folder)
    return base | ({"commit": place.commit} if place.commit else {})


def _license_on_hub(config: TrainingConfig) -> str | None:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HTTPError

    try:
        api = HfApi(token=config.hub_token)
        info = api.dataset_info(config.dataset_name, revision=config.dataset_revision)
    except (HTTPError, OSError, ValueError):
        return None
    return _license_from(info.card_data.to_dict() if info.card_data else {})


def _license_in(folder: Path) -> str | None:
    card = folder / CARD_NAME
    if not card.is_file():
        return None
    try:
        return _license_from(split_card(card.read_text(encoding="utf-8", errors="replace"))[0])
    except UNetError:
        return None


def _license_from(metadata: dict[str, Any]) -> str | None:
    known = metadata.get("license")
    name = metadata.get("license_name") if known == "other" else None
    known = ", ".join(map(str, known)) if isinstance(known, list) else known
    return str(name or known) if known else None
