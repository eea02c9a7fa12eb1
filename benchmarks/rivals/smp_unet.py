"""segmentation_models.pytorch (github.com/qubvel-org/segmentation_models.pytorch, MIT).

`smp.Unet("resnet34")` from random weights, as there are no pre-trained ones without a download.
Recipe: crops of 256 px in batches of 8, Dice and cross-entropy, AdamW with 1e-3 and a cosine that
ends with the budget; a whole image at once in prediction.

    pip install segmentation-models-pytorch
"""

import math

import numpy as np
import torch
from torch import Tensor

from .crops import Crops
from .task import IGNORE, Example, Task
from .torchvision_operators import declare_torchvision_operators
from .training import train_network

SIDE, BATCH, RATE = 256, 8, 1e-3
GRID = 32  # what the network divides a side by


def main() -> None:
    task = Task.from_command_line()
    declare_torchvision_operators()
    import segmentation_models_pytorch as smp

    network = smp.Unet(
        "resnet34",
        encoder_weights=None,
        in_channels=task.facts["channels"],
        classes=task.num_classes,
    )
    dice = smp.losses.DiceLoss("multiclass", ignore_index=IGNORE)
    entropy = torch.nn.CrossEntropyLoss(ignore_index=IGNORE)

    def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
        return dice(logits, labels) + entropy(logits, labels)

    def rate(spent: float) -> float:
        return RATE * (1 + math.cos(math.pi * spent)) / 2

    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=1e-2)
    crops = Crops(list(task.split("train")), SIDE, BATCH, task.seed)
    notes = {"patch": [SIDE, SIDE], "batch": BATCH}
    train_network(task, network, optimizer, crops.draw, loss_of, rate, **notes)

    @torch.inference_mode()
    def probabilities(example: Example) -> np.ndarray:
        image = example.normalized()
        height, width = image.shape[-2:]
        rest = [(0, 0), *((0, -side % GRID) for side in (height, width))]
        padded = np.pad(image, rest, mode="symmetric")
        found = network(torch.from_numpy(padded)[None]).softmax(1)[0].numpy()
        return found[:, :height, :width]

    task.predict(probabilities)


if __name__ == "__main__":
    main()
