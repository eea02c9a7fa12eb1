"""nnU-Net v2 (github.com/MIC-DKFZ/nnUNet, Apache-2.0) in 2D, as its planner plans it.

Its trainer, augmentation, loss, optimizer and predictor (tiles with half overlap, mean of the
mirrored views) are its own. Only the length differs: the polynomial schedule of the learning rate
follows the spent share of the CPU seconds instead of the share of 1000 epochs, and no batches are
spent on its running validation.

    pip install nnunetv2
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from .task import IGNORE, Example, Task

NAME = "Dataset001_Same"
PLANNERS = {
    "plain": ("ExperimentPlanner", "nnUNetPlans"),
    "resenc": ("nnUNetPlannerResEncM", "nnUNetResEncUNetMPlans"),
}


def main() -> None:
    task = Task.from_command_line()
    for kind in ("raw", "preprocessed", "results"):
        folder = task.output / kind
        folder.mkdir(parents=True, exist_ok=True)
        os.environ[f"nnUNet_{kind}"] = str(folder)
    os.environ.update({"nnUNet_n_proc_DA": "1", "nnUNet_def_n_proc": "1"})
    write_raw(task, task.output / "raw" / NAME)
    planner, plans = PLANNERS[task.options["plans"]]
    plan_and_preprocess(planner, plans)
    os.environ.update({"nnUNet_n_proc_DA": "0"})  # crops are prepared in this process
    train_and_predict(task, plans)


def write_raw(task: Task, folder: Path) -> None:
    """Writes the training images as nnU-Net wants them, a file for each channel."""
    from nnunetv2.dataset_conversion.generate_dataset_json import generate_dataset_json
    from skimage.io import imsave

    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    classes, ignored = task.num_classes, False
    for example in task.split("train"):
        for channel, plane in enumerate(np.moveaxis(example.image, -1, 0)):
            path = folder / "imagesTr" / f"{example.key}_{channel:04d}.tif"
            imsave(path, plane, check_contrast=False)
        label = np.where(example.label == IGNORE, classes, example.label).astype(np.uint8)
        ignored |= bool((label == classes).any())
        imsave(folder / "labelsTr" / f"{example.key}.tif", label, check_contrast=False)
    labels = {"background": 0} | {f"class {index}": index for index in range(1, classes)}
    generate_dataset_json(
        str(folder),
        {channel: f"channel {channel}" for channel in range(task.facts["channels"])},
        labels | ({"ignore": classes} if ignored else {}),
        len(task.facts["train"]),
        ".tif",
        overwrite_image_reader_writer="NaturalImage2DIO",
    )


def plan_and_preprocess(planner: str, plans: str) -> None:
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprints,
        plan_experiments,
        preprocess,
    )

    extract_fingerprints([1], num_processes=1, show_progress_bar=False)
    plan_experiments([1], planner)
    preprocess([1], plans, ["2d"], [1], show_progress_bar=False)


def train_and_predict(task: Task, plans: str) -> None:
    import torch
    from batchgenerators.utilities.file_and_folder_operations import load_json
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    folder = task.output / "preprocessed" / NAME
    planned = load_json(str(folder / f"{plans}.json")) | {"continue_training": False}
    trainer = budget_trainer(task)(
        planned, "2d", "all", load_json(str(folder / "dataset.json")), torch.device("cpu")
    )
    trainer.run_training()
    weights = task.output / "weights.pt"
    parameters = trainer.network.state_dict()
    torch.save(parameters, weights)
    configuration = trainer.configuration_manager
    task.trained(
        trainer.steps,
        weights,
        patch=[int(side) for side in configuration.patch_size],
        batch=int(configuration.batch_size),
    )

    trainer.set_deep_supervision_enabled(False)
    predictor = nnUNetPredictor(perform_everything_on_device=False, device=torch.device("cpu"))
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        configuration,
        [parameters],
        trainer.dataset_json,
        "nnUNetTrainer",
        trainer.inference_allowed_mirroring_axes,
    )

    def probabilities(example: Example) -> np.ndarray:
        image = example.image.astype(np.float32).transpose(2, 0, 1)[:, None]
        found = predictor.predict_single_npy_array(
            image, {"spacing": (999, 1, 1)}, save_or_return_probabilities=True
        )
        return found[1][: task.num_classes, 0]

    task.predict(probabilities)


def budget_trainer(task: Task) -> Any:
    """The class of nnU-Net's trainer with a length in CPU seconds."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    class BudgetTrainer(nnUNetTrainer):
        steps = 0

        def run_training(self) -> None:
            self.on_train_start()
            self.network.train()
            for spent in task.steps():
                for group in self.optimizer.param_groups:
                    group["lr"] = self.initial_lr * (1 - spent) ** 0.9
                self.train_step(next(self.dataloader_train))
                self.steps += 1

    return BudgetTrainer


if __name__ == "__main__":
    main()
