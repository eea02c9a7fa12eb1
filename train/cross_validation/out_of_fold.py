"""What cross-validation found, and the final network is given."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unet_hf import UNet

from .. import checkpoints
from ..checkpoints import TrainingState


@dataclass(frozen=True)
class OutOfFold:
    """The result of all folds, for the training of the final network.

    step: The final network is trained up to this step: the median of `steps`.
    steps: The step that was kept in each fold.
    evaluation: Scores of all images, each by the network that was not trained on it.
    expected: What to expect on new images, see `unet_hf.evaluation.expected`.
    """

    step: int
    steps: list[int]
    evaluation: dict[str, Any]
    expected: dict[str, Any] | None

    def keep(self, progress: TrainingState, model: UNet, output: Path) -> None:
        """Keeps the final weights in `output/best`, with threshold and objects of the folds."""
        model.config["threshold"] = self.evaluation["threshold"]
        if self.evaluation["objects"]:
            model.config["objects"] = self.evaluation["objects"]["recipe"]
        progress.best, progress.best_step = self.evaluation, self.step
        checkpoints.save_best(output, model)
