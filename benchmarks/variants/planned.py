"""Plans the default command for a set, in a process of its own."""

from typing import Any

OF_A_RUN = ("dataset_name", "output_dir", "seed")


def run(dataset: str) -> dict[str, Any]:
    """Returns every option of the default command on a set, but those of a single run."""
    from train.checks.inspection import inspect
    from train.config import TrainingConfig
    from train.plan.planner import plan_training
    from unet_hf.data.open import open_data, pin_revision

    config = pin_revision(TrainingConfig(dataset_name=dataset))
    data = open_data(config)
    config, _ = plan_training(config, data, inspect(data, config.max_inspected))
    return {name: value for name, value in config.to_dict().items() if name not in OF_A_RUN}
